"""Logins at downstream servers in `grants.db`, with their tokens. Reading creates nothing.

Tokens are kept as they are: they must be sent as they are. The file is readable by its user alone, and in no
backup.
"""

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from toolhone.models import Json, JsonObject
from toolhone.records.grants import Grant
from toolhone.storage.migrations import Schema
from toolhone.storage.sqlite import SqliteFile

if TYPE_CHECKING:
    from sqlite_utils import Database

_COLUMNS = "server, url, client, tokens, found, renew_at, granted_at, granted_by, renewed_at"


def create_grants(db: "Database") -> None:
    """The grants, and who is renewing one just now."""
    db.conn.execute(
        """
        CREATE TABLE grants (
            server TEXT NOT NULL,
            url TEXT NOT NULL,
            client TEXT,
            tokens TEXT,
            found TEXT NOT NULL,
            renew_at REAL,
            granted_at TEXT NOT NULL,
            granted_by TEXT NOT NULL,
            renewed_at TEXT,
            PRIMARY KEY (server, url)
        )
        """
    )
    db.conn.execute(
        """
        CREATE TABLE renewals (
            server TEXT NOT NULL,
            url TEXT NOT NULL,
            owner TEXT NOT NULL,
            until REAL NOT NULL,
            PRIMARY KEY (server, url)
        )
        """
    )


GRANTS = Schema(name="toolhone.grants", steps=(create_grants,))


class SqliteGrantStore:
    """One file of the data folder for all servers."""

    def __init__(self, folder: Path) -> None:
        # A refresh token that was used up must not come back after a power loss.
        self._file = SqliteFile(folder / "grants.db", GRANTS, durable=True)
        # A connection of its own sees the changes of every other one, and never waits for a write.
        self._watch = SqliteFile(folder / "grants.db", GRANTS)

    def get(self, server: str, url: str) -> Grant | None:
        if not self._file.exists():
            return None
        row = self._file.read(
            lambda connection: connection.execute(
                f"SELECT {_COLUMNS} FROM grants WHERE server = ? AND url = ?",  # noqa: S608
                (server, url),
            ).fetchone()
        )
        return None if row is None else _grant(row)

    def grants(self) -> Sequence[Grant]:
        if not self._file.exists():
            return []
        rows = self._file.read(
            lambda connection: connection.execute(
                f"SELECT {_COLUMNS} FROM grants ORDER BY server, url"  # noqa: S608
            ).fetchall()
        )
        return [_grant(row) for row in rows]

    def save(self, grant: Grant) -> None:
        values = (
            grant.server,
            grant.url,
            _text(grant.client),
            _text(grant.tokens),
            _text(grant.found),
            grant.renew_at,
            grant.granted_at,
            grant.granted_by,
            grant.renewed_at,
        )
        self._file.write(
            lambda connection: connection.execute(
                f"INSERT OR REPLACE INTO grants ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                values,
            )
        )

    def forget(self, server: str, url: str) -> bool:
        if not self._file.exists():
            return False
        deleted = self._file.write(
            lambda connection: (
                connection.execute("DELETE FROM grants WHERE server = ? AND url = ?", (server, url)).rowcount
            )
        )
        # The log has the page as it was until it starts over; if another process reads, it does so later.
        self._file.bare(lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone())
        return deleted > 0

    def begin_renewal(self, server: str, url: str, *, owner: str, now: float, until: float) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            connection.execute(
                "DELETE FROM renewals WHERE server = ? AND url = ? AND until <= ?", (server, url, now)
            )
            taken = connection.execute(
                "INSERT OR IGNORE INTO renewals (server, url, owner, until) VALUES (?, ?, ?, ?)",
                (server, url, owner, until),
            )
            return taken.rowcount > 0

        return self._file.write(work)

    def end_renewal(self, server: str, url: str, *, owner: str) -> None:
        self._file.write(
            lambda connection: connection.execute(
                "DELETE FROM renewals WHERE server = ? AND url = ? AND owner = ?", (server, url, owner)
            )
        )

    def version(self) -> int:
        if not self._watch.exists():
            return 0
        (version,) = self._watch.bare(lambda connection: connection.execute("PRAGMA data_version").fetchone())
        return int(version)

    def close(self) -> None:
        self._file.close()
        self._watch.close()


def _text(value: JsonObject | None) -> str | None:
    # ASCII escapes: a server may send text that UTF-8 cannot spell.
    return None if value is None else json.dumps(value, separators=(",", ":"))


def _grant(row: tuple[Json, ...]) -> Grant:
    server, url, client, tokens, found, renew_at, granted_at, granted_by, renewed_at = row
    return Grant(
        server=server,
        url=url,
        client=None if client is None else json.loads(client),
        tokens=None if tokens is None else json.loads(tokens),
        found=json.loads(found),
        renew_at=renew_at,
        granted_at=granted_at,
        granted_by=granted_by,
        renewed_at=renewed_at,
    )
