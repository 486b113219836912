"""API tokens in `access.db`: who they are for, and the hashes of their secrets."""

import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from toolhone.models import Json
from toolhone.records.access import ApiToken
from toolhone.roles import Permission, Role
from toolhone.storage.migrations import Schema
from toolhone.storage.sqlite import SqliteFile

if TYPE_CHECKING:
    from sqlite_utils import Database

_TOKEN = (
    "token_id, name, role, scopes, tools, requests_per_minute, created_at, created_by, expires_at, "
    "revoked_at, used_on"
)


def create_tokens(db: "Database") -> None:
    db.conn.execute(
        """
        CREATE TABLE tokens (
            seq INTEGER PRIMARY KEY,
            token_id TEXT NOT NULL UNIQUE,
            secret_hash BLOB NOT NULL,
            name TEXT NOT NULL,
            role TEXT NOT NULL,
            scopes TEXT,
            tools TEXT,
            requests_per_minute INTEGER,
            created_at TEXT NOT NULL,
            created_by TEXT NOT NULL,
            expires_at TEXT,
            revoked_at TEXT,
            used_on TEXT
        )
        """
    )


ACCESS = Schema(name="toolhone.access", steps=(create_tokens,))


class SqliteTokenStore:
    """Tokens in `access.db` of the data folder. Reading creates nothing."""

    def __init__(self, folder: Path) -> None:
        # A revocation that is answered must outlive a power loss.
        self._file = SqliteFile(folder / "access.db", ACCESS, durable=True)
        # A connection of its own sees the changes of every other one, and never waits for a write.
        self._watch = SqliteFile(folder / "access.db", ACCESS)

    def add(self, token: ApiToken, secret_hash: bytes) -> None:
        values = (
            token.token_id,
            token.name,
            token.role.value,
            None if token.scopes is None else json.dumps(sorted(token.scopes)),
            None if token.tools is None else json.dumps(token.tools),
            token.requests_per_minute,
            token.created_at,
            token.created_by,
            token.expires_at,
            token.revoked_at,
            token.used_on,
            secret_hash,
        )
        self._file.write(
            lambda connection: connection.execute(
                f"INSERT INTO tokens ({_TOKEN}, secret_hash) "  # noqa: S608
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )
        )

    def find(self, token_id: str) -> tuple[ApiToken, bytes] | None:
        if not self._file.exists():
            return None
        row = self._file.read(
            lambda connection: connection.execute(
                f"SELECT {_TOKEN}, secret_hash FROM tokens WHERE token_id = ?",  # noqa: S608
                (token_id,),
            ).fetchone()
        )
        return None if row is None else (_token(row), row[-1])

    def tokens(self) -> list[ApiToken]:
        if not self._file.exists():
            return []
        rows = self._file.read(
            lambda connection: connection.execute(
                f"SELECT {_TOKEN} FROM tokens ORDER BY seq DESC"  # noqa: S608
            ).fetchall()
        )
        return [_token(row) for row in rows]

    def revoke(self, token_id: str, *, at: str) -> ApiToken | None:
        if not self._file.exists():
            return None

        def work(connection: sqlite3.Connection) -> tuple[Json, ...] | None:
            # What was revoked stays revoked since then.
            connection.execute(
                "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?) WHERE token_id = ?", (at, token_id)
            )
            return connection.execute(
                f"SELECT {_TOKEN} FROM tokens WHERE token_id = ?",  # noqa: S608
                (token_id,),
            ).fetchone()

        row = self._file.write(work)
        return None if row is None else _token(row)

    def used(self, token_id: str, *, on: str) -> None:
        self._file.write(
            lambda connection: connection.execute(
                "UPDATE tokens SET used_on = ? WHERE token_id = ?", (on, token_id)
            )
        )

    def version(self) -> int:
        if not self._watch.exists():
            return 0
        (version,) = self._watch.bare(lambda connection: connection.execute("PRAGMA data_version").fetchone())
        return version

    def close(self) -> None:
        self._file.close()
        self._watch.close()


def _token(row: tuple[Json, ...]) -> ApiToken:
    token_id, name, role, scopes, tools, rate, created_at, created_by, expires_at, revoked_at, used_on = row[
        :11
    ]
    return ApiToken(
        token_id=token_id,
        name=name,
        role=Role(role),
        scopes=None if scopes is None else frozenset(map(Permission, json.loads(scopes))),
        tools=None if tools is None else tuple(json.loads(tools)),
        requests_per_minute=rate,
        created_at=created_at,
        created_by=created_by,
        expires_at=expires_at,
        revoked_at=revoked_at,
        used_on=used_on,
    )
