"""Requests with idempotency keys, and their answers, in `requests.db`: they outlive a restart."""

import logging
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from toolhone.records.requests import Begun, FirstAnswer, KeyedRequest
from toolhone.storage.migrations import Schema
from toolhone.storage.sqlite import SqliteFile

if TYPE_CHECKING:
    from sqlite_utils import Database

logger = logging.getLogger(__name__)

MOST = 100_000
"""Requests that are kept at most; the oldest go first."""

_UNTOLD = 0
"""The status of a request that was under way when answers were erased."""

_OF_CALLER = "WHERE principal = :principal AND key = :key"


def create_requests(db: "Database") -> None:
    db.conn.execute(
        """
        CREATE TABLE requests (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            principal TEXT NOT NULL,
            key TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            at TEXT NOT NULL,
            status INTEGER,
            body BLOB,
            UNIQUE (principal, key)
        )
        """
    )
    db.conn.execute("CREATE INDEX requests_by_time ON requests (at)")


REQUESTS = Schema(name="toolhone.requests", steps=(create_requests,))


class SqliteKeyedRequestStore:
    """Requests in `requests.db` of the data folder."""

    def __init__(self, folder: Path, *, most: int = MOST) -> None:
        # Not rebuildable: a request whose trace is lost could take effect twice without anybody being told.
        self._file = SqliteFile(folder / "requests.db", REQUESTS)
        self._most = most

    def begin(self, request: KeyedRequest, *, forget_before: str) -> Begun | None:
        def work(connection: sqlite3.Connection) -> Begun | None:
            connection.execute("DELETE FROM requests WHERE at < ?", (forget_before,))
            row = connection.execute(
                f"SELECT fingerprint, at, status, body FROM requests {_OF_CALLER}",  # noqa: S608 - constant
                _named(request),
            ).fetchone()
            if row is not None:
                return _found(request, *row)
            (seq,) = connection.execute(
                "INSERT INTO requests (principal, key, fingerprint, at) "
                "VALUES (:principal, :key, :fingerprint, :at) RETURNING seq",
                {**_named(request), "fingerprint": request.fingerprint, "at": request.at},
            ).fetchone()
            connection.execute("DELETE FROM requests WHERE seq <= ?", (seq - self._most,))
            return None

        return self._file.write(work)

    def answered(self, request: KeyedRequest, answer: FirstAnswer) -> None:
        values = {**_named(request), "status": answer.status, "body": answer.body}
        self._file.write(
            lambda connection: connection.execute(
                # What was begun before an erasure is marked, and may quote what it erased.
                f"UPDATE requests SET status = :status, body = :body {_OF_CALLER} AND status IS NULL",  # noqa: S608
                values,
            )
        )

    def forget(self, request: KeyedRequest) -> None:
        self._file.write(
            lambda connection: connection.execute(
                f"DELETE FROM requests {_OF_CALLER}",  # noqa: S608 - constant
                _named(request),
            )
        )

    def erase_answers(self) -> int:
        if not self._file.exists():
            return 0

        def work(connection: sqlite3.Connection) -> int:
            connection.execute("UPDATE requests SET status = ? WHERE status IS NULL", (_UNTOLD,))
            return connection.execute("UPDATE requests SET body = NULL WHERE body IS NOT NULL").rowcount

        erased = self._file.write(work)
        if erased:
            self._empty_log()
        return erased

    def drop(self, before: str) -> int:
        if not self._file.exists():
            return 0
        dropped = self._file.write(
            lambda connection: connection.execute("DELETE FROM requests WHERE at < ?", (before,)).rowcount
        )
        if dropped:
            self._empty_log()
        return dropped

    def _empty_log(self) -> None:
        """What went is in the write-ahead log yet."""
        if self._file.bare(lambda db: db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]):
            logger.warning("Answers that went stay readable in 'requests.db-wal' until the next checkpoint.")

    def close(self) -> None:
        self._file.close()


def _named(request: KeyedRequest) -> dict[str, object]:
    return {"principal": request.principal, "key": request.key}


def _found(request: KeyedRequest, fingerprint: str, at: str, status: int | None, body: bytes | None) -> Begun:
    first = KeyedRequest(principal=request.principal, key=request.key, fingerprint=fingerprint, at=at)
    answer = None if status is None else FirstAnswer(status=status, body=body or b"", erased=body is None)
    return first, answer


def leave_answers_out(copy: sqlite3.Connection) -> None:
    """Take the answers out of a copy of the file. Its requests stay: none of them takes effect twice."""
    with copy:
        copy.execute("UPDATE requests SET body = NULL WHERE body IS NOT NULL")
    # What was taken out stands in free pages yet.
    copy.execute("VACUUM")
