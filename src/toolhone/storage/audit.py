"""The audit log in `audit.db`. Of its rows, `storage/chain.py` says how they are chained and exported.

Appending takes the write lock, reads the head, writes the rows and the new head, and commits: processes
that share the file make one unbroken chain.
"""

import json
import logging
import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from toolhone.exceptions import DamagedStorageError, InvalidRequestError
from toolhone.models import AuditEvent, EventKind, JsonObject
from toolhone.records.figures import AuditFact
from toolhone.storage.audit_query import BOUNDS, checked, parameters, select, within
from toolhone.storage.chain import AuditRow, ChainCheck, exported, seal, unsealed
from toolhone.storage.migrations import AUDIT
from toolhone.storage.sqlite import SqliteFile
from toolhone.stores import RECENT_CALLS, RECENT_SECONDS, AuditQuery, AuditVerification, ToolUsage

logger = logging.getLogger(__name__)

_CHUNK = 500
"""Rows read under one hold of the connection, so that a long read never keeps a writer waiting."""

_RECENT_ROWS = 2_000
"""Rows among which the last calls are looked for; what a busy log pushed out of them is not recent."""


class SqliteAuditStore:
    """Append-only, hash-chained rows in `audit.db` of the data folder.

    Args:
        durable: Whether a row is on the disk itself before `append` returns, so that it also outlives
            a power loss. It always outlives the death of the process.
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self._file = SqliteFile(folder / "audit.db", AUDIT, durable=durable)

    def append(self, events: Sequence[AuditEvent]) -> None:
        """Write the events, already redacted, in one transaction.

        Raises:
            InvalidRequestError: An event is not valid or already there; none was written.
        """
        # Made ready before the lock is taken: other processes may be waiting for it.
        rows = [unsealed(event) for event in events]
        self._file.write(lambda connection: _append(connection, rows))

    def query(self, query: AuditQuery) -> list[JsonObject]:
        query = checked(query)
        sql = select(query, newest_first=query.newest_first)
        rows = self._file.read(lambda connection: _fetch(connection, sql, _values(connection, query)))
        return [exported(row) for row in rows]

    def export(self, query: AuditQuery) -> Iterator[JsonObject]:
        """The rows that were there when the export began, in chunks, oldest first."""
        query = checked(query)
        values = self._file.read(lambda connection: _span(connection, query))
        sql, after = select(query), values["after"]
        left = query.limit
        while left is None or left > 0:
            size = _CHUNK if left is None else min(_CHUNK, left)
            rows = self._rows(sql, {**values, "after": after, "limit": size})
            if not rows:
                return
            yield from map(exported, rows)
            after = rows[-1]["seq"]
            left = None if left is None else left - len(rows)

    def verify(self, *, remembered: str | None = None) -> AuditVerification:
        check = ChainCheck(remembered=remembered)
        head, last = self._file.read(_ends)
        sql = "SELECT * FROM audit WHERE seq > :after AND seq <= :last ORDER BY seq LIMIT :limit"
        after = -(2**63)  # so that a row which somebody put before the first is seen
        while rows := self._rows(sql, {"after": after, "last": last, "limit": _CHUNK}):
            for row in rows:
                check.add(row)
            after = rows[-1]["seq"]
        return check.finish(head)

    def erase(self, event_ids: Sequence[str], *, record: AuditEvent) -> int:
        row = unsealed(record)

        def work(connection: sqlite3.Connection) -> int:
            erased = connection.execute(
                "UPDATE audit SET payload = NULL, salt = NULL WHERE payload IS NOT NULL AND kind <> ? "
                "AND event_id IN (SELECT value FROM json_each(?))",
                (EventKind.ERASURE.value, json.dumps(list(event_ids))),
            ).rowcount
            if erased:
                _append(connection, [row])
            return erased

        erased = self._file.write(work)
        if erased:
            self._file.bare(_empty_log)
        return erased

    def aged(self, before: str, *, after: int, limit: int) -> tuple[list[str], int | None]:
        query = checked(AuditQuery(until=before, after=after, limit=limit))
        sql = """
            SELECT seq, event_id FROM audit
            WHERE seq > :after AND seq <= :last AND timestamp < :until AND payload IS NOT NULL
                AND kind <> 'erasure'
            ORDER BY seq LIMIT :limit
        """
        rows = self._file.read(
            lambda connection: connection.execute(sql, _values(connection, query)).fetchall()
        )
        return [event_id for _, event_id in rows], rows[-1][0] if rows else None

    def usage(self) -> dict[str, ToolUsage]:
        # The index holds all that is asked for: no row, with its payload, is read.
        sql = """
            SELECT
                tool, COUNT(*), COUNT(*) FILTER (WHERE success = 0),
                COALESCE(AVG(execution_time_ms), 0.0), COALESCE(AVG(tokens_used), 0.0)
            FROM audit INDEXED BY audit_usage
            WHERE kind = 'call' AND tool IS NOT NULL
            GROUP BY tool
        """
        rows, recent = self._file.read(
            lambda connection: (connection.execute(sql).fetchall(), _recent(connection))
        )
        return {
            tool: ToolUsage(
                calls=calls,
                failures=failures,
                mean_ms=mean_ms,
                mean_tokens=mean_tokens,
                recent=tuple(recent.get(tool, ())),
            )
            for tool, calls, failures, mean_ms, mean_tokens in rows
        }

    def calls(self) -> int:
        # The narrowest index that has them.
        sql = "SELECT COUNT(*) FROM audit INDEXED BY audit_by_kind WHERE kind = 'call'"
        (calls,) = self._file.read(lambda connection: connection.execute(sql).fetchone())
        return calls

    def facts(self, after: int, limit: int) -> list[AuditFact]:
        # Only a selection's payload is looked into, for the two numbers that have no column.
        sql = """
            SELECT
                seq, row_hash, timestamp, kind, principal, session, tool, server, success, error_code,
                execution_time_ms, tokens_used,
                CASE WHEN kind = 'selection' AND json_valid(payload)
                    THEN CAST(json_extract(payload, '$.tokens_of_all') AS INTEGER) END,
                CASE WHEN kind = 'selection' AND json_valid(payload) THEN CAST(
                    COALESCE(
                        json_extract(payload, '$.tokens_of_available'),
                        json_extract(payload, '$.tokens_of_all')
                    ) AS INTEGER) END
            FROM audit WHERE seq > ? ORDER BY seq LIMIT ?
        """
        rows = self._file.read(lambda connection: connection.execute(sql, (after, limit)).fetchall())
        return [
            AuditFact._make((*row[:8], None if row[8] is None else bool(row[8]), *row[9:])) for row in rows
        ]

    def check_writable(self) -> None:
        self._file.write(_write_nothing)

    def close(self) -> None:
        self._file.close()

    def _rows(self, sql: str, values: JsonObject) -> list[AuditRow]:
        return self._file.read(lambda connection: _fetch(connection, sql, values))


def _write_nothing(connection: sqlite3.Connection) -> None:
    """Take the lock that a write takes. A full disk shows only where a page is written, so one is dirtied."""
    connection.execute("UPDATE audit_head SET seq = seq WHERE id = 1")


def _recent(connection: sqlite3.Connection) -> dict[str, deque[tuple[float, bool]]]:
    """How the last calls of each tool went; see `ToolUsage.recent`. Only the newest rows are looked at."""
    sql = """
        SELECT tool, timestamp, success FROM audit
        WHERE seq > (SELECT COALESCE(MAX(seq), 0) FROM audit) - :rows AND timestamp >= :since
            AND kind = 'call' AND tool IS NOT NULL AND success IS NOT NULL AND error_code IS NOT 'cancelled'
        ORDER BY seq
    """
    since = datetime.now(UTC) - timedelta(seconds=RECENT_SECONDS)
    values = {"rows": _RECENT_ROWS, "since": since.isoformat(timespec="microseconds")}
    found: dict[str, deque[tuple[float, bool]]] = {}
    for tool, timestamp, success in connection.execute(sql, values):
        ended = datetime.fromisoformat(timestamp).timestamp()
        found.setdefault(tool, deque(maxlen=RECENT_CALLS)).append((ended, bool(success)))
    return found


def _append(connection: sqlite3.Connection, rows: Sequence[AuditRow]) -> None:
    head = _head(connection)
    if head is None:
        raise DamagedStorageError(
            "The audit log has lost the head of its chain, so nothing can be added to it. "
            "Keep 'audit.db' for examination, move it away, and start again."
        )
    seq, previous = head
    sealed: list[AuditRow] = []
    for row in rows:
        seq += 1
        sealed.append(seal(row, seq=seq, previous_hash=previous))
        previous = sealed[-1]["row_hash"]
    try:
        connection.executemany(
            """
            INSERT INTO audit VALUES (
                :seq, :event_id, :timestamp, :kind, :principal, :client, :session, :request_id, :call_id,
                :slot, :tool, :server, :success, :error_code, :execution_time_ms, :tokens_used,
                :payload_hash, :previous_hash, :row_hash, :salt, :payload
            )
            """,
            sealed,
        )
    except (sqlite3.IntegrityError, OverflowError) as exc:
        raise InvalidRequestError(f"An audit event cannot be recorded: {exc}.") from exc
    connection.execute("UPDATE audit_head SET seq = ?, row_hash = ? WHERE id = 1", (seq, previous))


def _head(connection: sqlite3.Connection) -> tuple[int, str] | None:
    return connection.execute("SELECT seq, row_hash FROM audit_head WHERE id = 1").fetchone()


def _ends(connection: sqlite3.Connection) -> tuple[tuple[int, str] | None, int]:
    (last,) = connection.execute("SELECT COALESCE(MAX(seq), 0) FROM audit").fetchone()
    return _head(connection), last


def _values(connection: sqlite3.Connection, query: AuditQuery) -> JsonObject:
    """The parameters of the query, over no more rows than may be of its time."""
    values = parameters(query)
    if query.since is None and query.until is None:
        return values
    first, last = connection.execute(BOUNDS, values).fetchone()
    return within(values, query, first, last)


def _span(connection: sqlite3.Connection, query: AuditQuery) -> JsonObject:
    """The parameters of an export: over the rows that are there now."""
    values = _values(connection, query)
    if query.limit is not None and query.newest_first:
        newest = _fetch(connection, select(query, columns="seq", newest_first=True), values)
        values["after"] = newest[-1]["seq"] - 1 if newest else values["last"]
    _, last = _ends(connection)
    return values | {"last": min(values["last"], last)}


def _fetch(connection: sqlite3.Connection, sql: str, values: JsonObject) -> list[AuditRow]:
    cursor = connection.execute(sql, values)
    columns = [column[0] for column in cursor.description]
    rows: list[AuditRow] = [dict(zip(columns, found, strict=True)) for found in cursor]
    for row in rows:
        if row.get("success") is not None:
            row["success"] = bool(row["success"])  # SQLite has no truth values
    return rows


def _empty_log(connection: sqlite3.Connection) -> None:
    """Move the write-ahead log into the file and empty it: it still holds what was just erased."""
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        logger.warning(
            "Erased payloads stay readable in 'audit.db-wal' until every other toolhone has finished "
            "reading; they go with the next checkpoint."
        )
