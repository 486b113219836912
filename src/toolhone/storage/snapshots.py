"""Snapshots in `snapshots.db`, redacted before they get here; streamed by time, deleted for good.

What is deleted leaves its id behind in the table `gone`, since datasets made from it may live on:

- deleted by age, with the agent and the subject it was of, so that an erasure that comes later still finds
  the datasets that hold it;
- erased, with nothing but the moment, so that an erasure that was interrupted can be finished.
"""

import json
import logging
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from toolhone.exceptions import InvalidRequestError
from toolhone.json_values import minified
from toolhone.models import Category, Json, JsonObject
from toolhone.records.snapshots import CategoryCount, Snapshot, SnapshotQuery
from toolhone.storage.migrations import Schema
from toolhone.storage.snapshot_query import checked, erasure_query, select, values_of
from toolhone.storage.snapshot_query import count as counting
from toolhone.storage.sqlite import SqliteFile

if TYPE_CHECKING:
    from sqlite_utils import Database

logger = logging.getLogger(__name__)

KEY_BYTES = 32

_CHUNK_ROWS = 1_000
_CHUNK_CHARACTERS = 4 * 1024 * 1024
"""A chunk ends at whichever comes first: a single snapshot may have a million."""

_DELETED_AT_ONCE = 2_000
"""Rows a transaction, so that whoever wants to write meanwhile need not wait for all."""

_PAGES_FREED_AT_ONCE = 4_096

# The index holds all that is asked for: no row, with its content, is read.
_COUNTS = """
    SELECT category, COUNT(*), SUM(success), MIN(recorded_at), MAX(recorded_at), AVG(performance_score)
    FROM snapshots INDEXED BY snapshots_by_category
    GROUP BY category ORDER BY category
"""

_COLUMNS = (
    "seq, recorded_at, snapshot_id, agent_id, agent_name, category, task_type, success, performance_score, "
    "execution_time_ms, tokens_used, user_feedback, session, subject, content"
)
_COLUMN_NAMES = _COLUMNS.replace(",", "").split()


def create_snapshots(db: "Database") -> None:
    """The snapshots, what is left of those that are gone, and the secret of this data folder."""
    db.conn.execute(
        """
        CREATE TABLE snapshots (
            seq INTEGER PRIMARY KEY,
            snapshot_id TEXT NOT NULL UNIQUE,
            recorded_at TEXT NOT NULL,
            agent_id TEXT NOT NULL,
            agent_name TEXT NOT NULL,
            category TEXT NOT NULL,
            task_type TEXT NOT NULL,
            success INTEGER NOT NULL,
            performance_score REAL NOT NULL,
            execution_time_ms REAL NOT NULL,
            tokens_used INTEGER NOT NULL,
            user_feedback REAL,
            session TEXT,
            subject TEXT,
            content TEXT NOT NULL
        )
        """
    )
    # Holds all that the counts of categories need, so that they are read without touching a row.
    db.conn.execute(
        "CREATE INDEX snapshots_by_category ON snapshots (category, recorded_at, success, performance_score)"
    )
    db.conn.execute("CREATE INDEX snapshots_by_time ON snapshots (recorded_at)")
    db.conn.execute("CREATE INDEX snapshots_by_agent ON snapshots (agent_id, recorded_at)")
    db.conn.execute(
        "CREATE INDEX snapshots_by_subject ON snapshots (subject, recorded_at) WHERE subject IS NOT NULL"
    )
    db.conn.execute(
        """
        CREATE TABLE gone (
            snapshot_id TEXT PRIMARY KEY,
            agent_id TEXT,
            subject TEXT,
            erased_at TEXT
        ) WITHOUT ROWID
        """
    )
    db.conn.execute("CREATE INDEX gone_by_agent ON gone (agent_id) WHERE agent_id IS NOT NULL")
    db.conn.execute("CREATE INDEX gone_by_subject ON gone (subject) WHERE subject IS NOT NULL")
    db.conn.execute("CREATE INDEX gone_for_good ON gone (erased_at, snapshot_id) WHERE erased_at IS NOT NULL")
    db.conn.execute("CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")


def number_snapshots(db: "Database") -> None:
    """The number of the last snapshot, so that it is not given again when that one is gone."""
    db.conn.execute("CREATE TABLE numbers (last INTEGER NOT NULL)")
    db.conn.execute("INSERT INTO numbers SELECT COALESCE(MAX(seq), 0) FROM snapshots")


SNAPSHOTS = Schema(name="toolhone.snapshots", steps=(create_snapshots, number_snapshots))

_LAST = "SELECT MAX(last, COALESCE((SELECT MAX(seq) FROM snapshots), 0)) FROM numbers"


class SqliteSnapshotStore:
    """Snapshots in `snapshots.db` of the data folder. Reading creates nothing."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self._file = SqliteFile(folder / "snapshots.db", SNAPSHOTS, durable=durable)

    def add(self, snapshots: Sequence[Snapshot]) -> None:
        """Keep them all, in one transaction.

        Raises:
            InvalidRequestError: One cannot be stored, or is there already; none was written.
        """
        # Made ready before the lock is taken: other processes may be waiting for it.
        rows = [_row(snapshot) for snapshot in snapshots]
        if not rows:
            return

        def work(connection: sqlite3.Connection) -> None:
            (last,) = connection.execute(_LAST).fetchone()
            numbered = [(last + place, *row) for place, row in enumerate(rows, 1)]
            try:
                connection.executemany(
                    """
                    INSERT INTO snapshots (
                        seq, snapshot_id, recorded_at, agent_id, agent_name, category, task_type, success,
                        performance_score, execution_time_ms, tokens_used, user_feedback, session, subject,
                        content
                    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                    numbered,
                )
            except (sqlite3.IntegrityError, OverflowError, UnicodeEncodeError) as exc:
                raise InvalidRequestError(f"A snapshot cannot be kept, so none was: {exc}.") from exc

        self._file.write(work)

    def select(self, query: SnapshotQuery) -> Iterator[Snapshot]:
        query = checked(query)
        if not self._file.exists():
            return
        last = self._file.read(
            lambda connection: connection.execute("SELECT COALESCE(MAX(seq), 0) FROM snapshots").fetchone()[0]
        )
        sql = select(query, _COLUMNS)
        values = {**values_of(query, self._number_of(query.after)), "last": last}
        left = query.limit
        while left is None or left > 0:
            values["limit"] = _CHUNK_ROWS if left is None else min(_CHUNK_ROWS, left)
            rows = self._file.read(lambda connection: _fetch(connection, sql, values))
            if not rows:
                return
            values["after_seq"], values["after_at"] = rows[-1][:2]
            left = None if left is None else left - len(rows)
            yield from map(_snapshot, rows)

    def added(self, after: int, limit: int) -> tuple[list[tuple[int, Snapshot]], int]:
        if not self._file.exists():
            return [], 0
        sql = f"SELECT {_COLUMNS} FROM snapshots WHERE seq > :after ORDER BY seq LIMIT :limit"  # noqa: S608
        rows, (last,) = self._file.read(
            lambda connection: (
                _fetch(connection, sql, {"after": after, "limit": limit}),
                connection.execute(_LAST).fetchone(),
            )
        )
        return [(int(row[0] or 0), _snapshot(row)) for row in rows], last

    def count(self, query: SnapshotQuery) -> int:
        query = checked(query)
        if not self._file.exists():
            return 0
        sql = counting(query)
        values = values_of(query, self._number_of(query.after))
        (count,) = self._file.read(lambda connection: connection.execute(sql, values).fetchone())
        return count if query.limit is None else min(count, query.limit)

    def counts(self) -> list[CategoryCount]:
        if not self._file.exists():
            return []
        rows = self._file.read(lambda connection: connection.execute(_COUNTS).fetchall())
        return [
            CategoryCount(
                category=Category(category),
                snapshots=snapshots,
                successes=successes,
                oldest=oldest,
                newest=newest,
                mean_score=mean_score,
            )
            for category, snapshots, successes, oldest, newest, mean_score in rows
        ]

    def delete(self, query: SnapshotQuery) -> list[str]:
        return self._remove(query, erased_at=None)

    def erase(self, *, agent_id: str | None = None, subject: str | None = None, at: str) -> list[str]:
        if not self._file.exists():
            return []
        query = erasure_query(agent_id, subject)
        ids = self._remove(query, erased_at=at)
        column = "agent_id" if subject is None else "subject"
        sql = " ".join(
            (
                "UPDATE gone SET agent_id = NULL, subject = NULL, erased_at = :at WHERE",
                column,
                "= :whose RETURNING snapshot_id",
            )
        )
        values = {"at": at, "whose": agent_id if subject is None else subject}
        ids += [row[0] for row in self._file.write(lambda db: db.execute(sql, values).fetchall())]
        if ids:
            self._give_back()
        return ids

    def erased(self) -> list[str]:
        if not self._file.exists():
            return []
        rows = self._file.read(
            lambda connection: connection.execute(
                "SELECT snapshot_id FROM gone WHERE erased_at IS NOT NULL ORDER BY erased_at, snapshot_id"
            ).fetchall()
        )
        return [snapshot_id for (snapshot_id,) in rows]

    def subject_key(self) -> bytes:
        def work(connection: sqlite3.Connection) -> bytes:
            connection.execute(
                "INSERT OR IGNORE INTO secrets (name, value) VALUES ('subject', ?)",
                (secrets.token_bytes(KEY_BYTES),),
            )
            return connection.execute("SELECT value FROM secrets WHERE name = 'subject'").fetchone()[0]

        return self._file.write(work)

    def close(self) -> None:
        self._file.close()

    def _number_of(self, named: tuple[str, str] | None) -> int | None:
        """The number of a snapshot that a query begins after, if it is still there."""
        if named is None:
            return None
        sql = "SELECT seq FROM snapshots WHERE snapshot_id = ? AND recorded_at = ?"
        row = self._file.read(lambda connection: connection.execute(sql, (named[1], named[0])).fetchone())
        return None if row is None else row[0]

    def _remove(self, query: SnapshotQuery, *, erased_at: str | None) -> list[str]:
        """Delete what matches, a part a transaction; each part leaves its traces in the same one."""
        query = checked(query)
        if not self._file.exists():
            return []
        chosen = select(query, "seq")
        leave = (
            "INSERT OR REPLACE INTO gone SELECT snapshot_id, agent_id, subject, NULL FROM snapshots"
            if erased_at is None
            else "INSERT OR REPLACE INTO gone SELECT snapshot_id, NULL, NULL, :at FROM snapshots"
        )
        values = {**values_of(query, self._number_of(query.after)), "at": erased_at}
        ids: list[str] = []

        def work(connection: sqlite3.Connection) -> list[str]:
            seqs = json.dumps([seq for (seq,) in connection.execute(chosen, values)])
            connection.execute(f"UPDATE numbers SET last = ({_LAST})")  # noqa: S608 - constant
            among = "WHERE seq IN (SELECT value FROM json_each(:seqs))"
            connection.execute(" ".join((leave, among)), {"seqs": seqs, "at": erased_at})
            return [
                snapshot_id
                for (snapshot_id,) in connection.execute(
                    " ".join(("DELETE FROM snapshots", among, "RETURNING snapshot_id")), {"seqs": seqs}
                )
            ]

        while query.limit is None or len(ids) < query.limit:
            left = _DELETED_AT_ONCE if query.limit is None else query.limit - len(ids)
            values["limit"] = min(_DELETED_AT_ONCE, left)
            removed = self._file.write(work)
            if not removed:
                break
            ids += removed
        if ids:
            self._give_back()
        return ids

    def _give_back(self) -> None:
        """Hand free pages back to the file system, and empty the log, which still holds what went."""
        while self._file.bare(_free_pages):
            pass
        if self._file.bare(lambda db: db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]):
            logger.warning(
                "Deleted snapshots stay readable in 'snapshots.db-wal' until every other toolhone has "
                "finished reading; they go with the next checkpoint."
            )


def _fetch(connection: sqlite3.Connection, sql: str, values: JsonObject) -> list[tuple[Json, ...]]:
    rows: list[tuple[Json, ...]] = []
    characters = 0
    for row in connection.execute(sql, values):
        rows.append(row)
        characters += len(row[-1])
        if characters >= _CHUNK_CHARACTERS:
            break
    return rows


def _row(snapshot: Snapshot) -> tuple[object, ...]:
    content: JsonObject = {"input": snapshot.input_data, "output": snapshot.output_data}
    # Most have none of these.
    if snapshot.tools_offered:
        content["offered"] = snapshot.tools_offered
    if snapshot.tools_used:
        content["used"] = snapshot.tools_used
    if snapshot.metadata:
        content["metadata"] = snapshot.metadata
    text = minified(content)
    return (
        snapshot.snapshot_id,
        snapshot.recorded_at,
        snapshot.agent_id,
        snapshot.agent_name,
        snapshot.category.value,
        snapshot.task_type,
        snapshot.success,
        snapshot.performance_score,
        snapshot.execution_time_ms,
        snapshot.tokens_used,
        snapshot.user_feedback,
        snapshot.session,
        snapshot.subject,
        # Half a surrogate pair, which UTF-8 cannot spell, becomes JSON's own escape for it.
        text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8"),
    )


def _snapshot(row: tuple[Json, ...]) -> Snapshot:
    values: JsonObject = dict(zip(_COLUMN_NAMES, row, strict=True))
    content: JsonObject = json.loads(values["content"])
    return Snapshot(
        snapshot_id=values["snapshot_id"],
        recorded_at=values["recorded_at"],
        agent_id=values["agent_id"],
        agent_name=values["agent_name"],
        category=Category(values["category"]),
        task_type=values["task_type"],
        input_data=content["input"],
        output_data=content["output"],
        success=bool(values["success"]),
        performance_score=values["performance_score"],
        execution_time_ms=values["execution_time_ms"],
        tokens_used=values["tokens_used"],
        user_feedback=values["user_feedback"],
        session=values["session"],
        subject=values["subject"],
        tools_offered=tuple(content.get("offered", ())),
        tools_used=tuple(content.get("used", ())),
        metadata=content.get("metadata", {}),
    )


def _free_pages(connection: sqlite3.Connection) -> bool:
    """Free some pages; returns whether there are more. A part at a time: writers wait for each."""
    (before,) = connection.execute("PRAGMA freelist_count").fetchone()
    if before:
        # It frees a page a step, and `execute` takes only one step of a statement without columns.
        connection.executescript(f"PRAGMA incremental_vacuum({_PAGES_FREED_AT_ONCE})")
    (left,) = connection.execute("PRAGMA freelist_count").fetchone()
    return 0 < left < before
