"""Whole results behind handles, in `results.db`: bound to a principal, emptied by age and size.

What is in here is not redacted. A result that is gone leaves its handle, principal and times for a
week, so that its owner is told "expired" instead of "unknown". Nobody else can tell either from the
other.
"""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from toolhone.exceptions import ExpiredHandleError, StorageError, UnknownHandleError
from toolhone.storage.migrations import RESULTS
from toolhone.storage.sqlite import SqliteFile
from toolhone.stores import StoredResult

TOMBSTONE_SECONDS = 7 * 86_400.0


class SqliteResultStore:
    """Whole results in `results.db` of the data folder.

    Args:
        max_bytes: What all bodies together may take.
        clock: Seconds since the epoch.
    """

    def __init__(self, folder: Path, *, max_bytes: int, clock: Callable[[], float] = time.time) -> None:
        self._file = SqliteFile(folder / "results.db", RESULTS)
        self._max_bytes = max_bytes
        self._clock = clock

    def put(self, result: StoredResult) -> None:
        """Keep it; what has expired goes, then the oldest until it fits.

        Raises:
            StorageError: It is larger than the whole store, or its handle is taken.
        """
        size = len(result.body)
        check_size(size, self._max_bytes)

        def work(connection: sqlite3.Connection) -> None:
            _drop_expired(connection, self._clock())
            _make_room(connection, self._max_bytes - size)
            connection.execute(
                "INSERT INTO results "
                "(handle, principal, tool, call_id, created_at, expires_at, media, size, body) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    result.handle,
                    result.principal,
                    result.tool,
                    result.call_id,
                    result.created_at,
                    result.expires_at,
                    result.media,
                    size,
                    result.body,
                ),
            )

        self._file.write(work)

    def get(self, handle: str, principal: str) -> StoredResult:
        if not handle.isascii():  # none is, and a lone surrogate cannot even be looked for
            raise unknown(handle)
        row = self._file.read(
            lambda connection: connection.execute(
                "SELECT tool, call_id, created_at, expires_at, media, body FROM results "
                "WHERE handle = ? AND principal = ?",
                (handle, principal),
            ).fetchone()
        )
        if row is None:
            raise unknown(handle)
        tool, call_id, created_at, expires_at, media, body = row
        if expires_at <= self._clock():
            raise expired(handle)
        if body is None:
            raise made_room(handle)
        return StoredResult(
            handle=handle,
            principal=principal,
            tool=tool,
            call_id=call_id,
            created_at=created_at,
            expires_at=expires_at,
            media=media,
            body=body,
        )

    def prune(self) -> int:
        """Drop what has expired, and give the space back; returns how many results went."""
        now = self._clock()

        def work(connection: sqlite3.Connection) -> int:
            connection.execute("DELETE FROM results WHERE expires_at <= ?", (now - TOMBSTONE_SECONDS,))
            return _drop_expired(connection, now)

        dropped = self._file.write(work)
        self._file.bare(_give_back)
        return dropped

    def erase(self, principal: str) -> int:
        """Delete all of this principal, tombstones too; returns how many of them still had a body."""
        if not self._file.exists():
            return 0

        def work(connection: sqlite3.Connection) -> int:
            (kept,) = connection.execute(
                "SELECT COUNT(*) FROM results WHERE principal = ? AND body IS NOT NULL", (principal,)
            ).fetchone()
            connection.execute("DELETE FROM results WHERE principal = ?", (principal,))
            return kept

        erased = self._file.write(work)
        self._file.bare(_give_back)
        return erased

    def close(self) -> None:
        self._file.close()


def check_size(size: int, max_bytes: int) -> None:
    """Raises StorageError if one result is more than the store may hold."""
    if size > max_bytes:
        raise StorageError(
            f"A result of {size} bytes is larger than the store of results ({max_bytes} bytes). "
            "Raise 'results_size', or ask the tool for less.",
            data={"bytes": size, "max_bytes": max_bytes},
        )


def unknown(handle: str) -> UnknownHandleError:
    return UnknownHandleError(
        f"There is no stored result {handle!r} for this caller. Use a handle of one of your own calls."
    )


def expired(handle: str) -> ExpiredHandleError:
    return ExpiredHandleError(f"The stored result {handle!r} has expired. Call the tool again.")


def made_room(handle: str) -> ExpiredHandleError:
    return ExpiredHandleError(
        f"The stored result {handle!r} had to make room for newer ones. Call the tool again."
    )


def _drop_expired(connection: sqlite3.Connection, now: float) -> int:
    return connection.execute(
        "UPDATE results SET body = NULL WHERE body IS NOT NULL AND expires_at <= ?", (now,)
    ).rowcount


def _make_room(connection: sqlite3.Connection, allowed: int) -> None:
    (kept,) = connection.execute(
        "SELECT COALESCE(SUM(size), 0) FROM results WHERE body IS NOT NULL"
    ).fetchone()
    if kept <= allowed:
        return
    oldest = connection.execute(
        "SELECT id, size FROM results WHERE body IS NOT NULL ORDER BY created_at, id"
    ).fetchall()
    for row_id, size in oldest:
        connection.execute("UPDATE results SET body = NULL WHERE id = ?", (row_id,))
        kept -= size
        if kept <= allowed:
            return


def _give_back(connection: sqlite3.Connection) -> None:
    """Hand free pages back to the file system, and empty the log, which still holds what went."""
    # It frees a page a step, and `execute` takes only one step of a statement without columns.
    connection.executescript("PRAGMA incremental_vacuum")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
