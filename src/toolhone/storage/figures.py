"""Counts by spans of time in `figures.db`: never the truth, always to be had again from the audit.

`counted` says up to which audit row everything is in, and is written in the transaction that adds to the
counts: several processes that share the folder count every row once. If the row it names is not the audit's
any more (another audit was put in its place, a backup was brought back), counting starts over.

Each event is in spans of a minute, a quarter, an hour and a day; fine spans are dropped when they are old.
Payloads that are erased later change nothing here: what is kept of them is how many tokens there were.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from toolhone.models import EventKind
from toolhone.records.durations import bucket_of
from toolhone.records.figures import ALL, AuditFact, Count, Durations, Progress, ReadFacts, Tally
from toolhone.storage.migrations import Schema
from toolhone.storage.sqlite import SqliteFile

if TYPE_CHECKING:
    from sqlite_utils import Database

AT_ONCE = 10_000
"""Rows counted in one transaction: a fraction of a second."""

MINUTE, QUARTER, HOUR, DAY = 60, 900, 3_600, 86_400

KEPT = {MINUTE: 3 * HOUR, QUARTER: 3 * DAY, HOUR: 60 * DAY, DAY: None}
"""For how many seconds spans of this width are kept; days stay."""

UNKNOWN = "(unknown)"
"""In place of the name of a tool that is none: callers could make up any number of them."""

_SEEN_DAYS = 2
_COUNTED = frozenset({EventKind.CALL, EventKind.REFUSAL, EventKind.SELECTION})

Key = tuple[int, str, str, str, str]
"""(start, tool, server, kind, code); for times the last is the number of the bucket."""


def create_figures(db: "Database") -> None:
    """Counts and times by spans, how far the audit is in them, and who has selected on which day."""
    db.conn.execute(
        """
        CREATE TABLE counts (
            width INTEGER NOT NULL,
            tool TEXT NOT NULL,
            start INTEGER NOT NULL,
            server TEXT NOT NULL,
            kind TEXT NOT NULL,
            code TEXT NOT NULL,
            events INTEGER NOT NULL,
            tokens INTEGER NOT NULL,
            of_all INTEGER NOT NULL,
            PRIMARY KEY (width, tool, start, server, kind, code)
        ) WITHOUT ROWID
        """
    )
    db.conn.execute(
        """
        CREATE TABLE durations (
            width INTEGER NOT NULL,
            tool TEXT NOT NULL,
            start INTEGER NOT NULL,
            server TEXT NOT NULL,
            kind TEXT NOT NULL,
            bucket INTEGER NOT NULL,
            events INTEGER NOT NULL,
            PRIMARY KEY (width, tool, start, server, kind, bucket)
        ) WITHOUT ROWID
        """
    )
    db.conn.execute(
        "CREATE TABLE seen (day INTEGER NOT NULL, who TEXT NOT NULL, PRIMARY KEY (day, who)) WITHOUT ROWID"
    )
    db.conn.execute("CREATE TABLE counted (seq INTEGER NOT NULL, row_hash TEXT NOT NULL, timestamp TEXT)")
    db.conn.execute("INSERT INTO counted (seq, row_hash) VALUES (0, '')")


FIGURES = Schema(name="toolhone.figures", steps=(create_figures,))


class SqliteFigureStore:
    """Counts in `figures.db` of the data folder."""

    def __init__(self, folder: Path) -> None:
        self._file = SqliteFile(folder / "figures.db", FIGURES, rebuildable=True)

    def catch_up(self, facts: ReadFacts, *, now: float) -> Progress:
        seq, row_hash, timestamp = self._file.read(_counted)
        fresh = facts(max(0, seq - 1), AT_ONCE)
        if seq:
            if not fresh or fresh[0].seq != seq or fresh[0].row_hash != row_hash:
                self._file.write(lambda connection: _start_over(connection, seq, row_hash))
                return Progress(seq=0, timestamp=None, complete=False)
            fresh = fresh[1:]
        if not fresh:
            return Progress(seq=seq, timestamp=timestamp, complete=True)
        last = fresh[-1]

        def add(connection: sqlite3.Connection) -> bool:
            if _counted(connection)[:2] != (seq, row_hash):
                return False  # another process has counted these
            _add(connection, fresh, now)
            connection.execute(
                "UPDATE counted SET seq = ?, row_hash = ?, timestamp = ?",
                (last.seq, last.row_hash, last.timestamp),
            )
            return True

        if not self._file.write(add):
            return Progress(seq=seq, timestamp=timestamp, complete=False)
        return Progress(seq=last.seq, timestamp=last.timestamp, complete=len(fresh) < AT_ONCE - 1)

    def counts(self, width: int, *, since: int, tools: bool) -> Sequence[Count]:
        if tools:
            sql = f"{_SUMS} WHERE {_TOOLS} GROUP BY tool, server, kind, code"
        else:
            sql = f"{_COUNTS} WHERE width = ? AND tool = '' AND start >= ?"
        return self._counts(sql, (width, since))

    def durations(self, width: int, *, since: int, tools: bool) -> Sequence[Durations]:
        if tools:
            sql = f"{_TIME_SUMS} WHERE {_TOOLS} GROUP BY tool, server, kind, bucket"
        else:
            sql = f"{_TIMES} WHERE width = ? AND tool = '' AND start >= ?"
        return self._durations(sql, (width, since))

    def tool_counts(self, width: int, tool: str, *, since: int) -> Sequence[Count]:
        return self._counts(f"{_COUNTS} WHERE width = ? AND tool = ? AND start >= ?", (width, tool, since))

    def tool_durations(self, width: int, tool: str, *, since: int) -> Sequence[Durations]:
        return self._durations(f"{_TIMES} WHERE width = ? AND tool = ? AND start >= ?", (width, tool, since))

    def server_counts(self, width: int, server: str, *, since: int) -> Sequence[Count]:
        sql = f"{_COUNTS} WHERE {_TOOLS} AND server = ?"
        return self._counts(sql, (width, since, server))

    def server_durations(self, width: int, server: str, *, since: int) -> Sequence[Durations]:
        sql = f"{_TIMES} WHERE {_TOOLS} AND server = ?"
        return self._durations(sql, (width, since, server))

    def close(self) -> None:
        self._file.close()

    def _counts(self, sql: str, values: tuple[int | str, ...]) -> list[Count]:
        rows = self._file.read(lambda connection: connection.execute(sql, values).fetchall())
        return [
            Count(
                start=start,
                tool=tool,
                server=server,
                kind=kind,
                code=code,
                events=events,
                tokens=tokens,
                of_all=of_all,
            )
            for start, tool, server, kind, code, events, tokens, of_all in rows
        ]

    def _durations(self, sql: str, values: tuple[int | str, ...]) -> list[Durations]:
        rows = self._file.read(lambda connection: connection.execute(sql, values).fetchall())
        return [
            Durations(start=start, tool=tool, server=server, kind=kind, bucket=bucket, events=events)
            for start, tool, server, kind, bucket, events in rows
        ]


_TOOLS = "width = ? AND tool > '' AND start >= ?"
_COUNTS = "SELECT start, tool, server, kind, code, events, tokens, of_all FROM counts"
_SUMS = "SELECT 0, tool, server, kind, code, SUM(events), SUM(tokens), SUM(of_all) FROM counts"
_TIMES = "SELECT start, tool, server, kind, bucket, events FROM durations"
_TIME_SUMS = "SELECT 0, tool, server, kind, bucket, SUM(events) FROM durations"


def _counted(connection: sqlite3.Connection) -> tuple[int, str, str | None]:
    return connection.execute("SELECT seq, row_hash, timestamp FROM counted").fetchone()


def _start_over(connection: sqlite3.Connection, seq: int, row_hash: str) -> None:
    if _counted(connection)[:2] == (seq, row_hash):
        for table in ("counts", "durations", "seen"):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - one of three fixed words
        connection.execute("UPDATE counted SET seq = 0, row_hash = '', timestamp = NULL")


def _add(connection: sqlite3.Connection, facts: Iterable[AuditFact], now: float) -> None:
    minutes, times = _by_minute(connection, facts)
    for width, kept in KEPT.items():
        eldest = 0 if kept is None else int(now - kept)
        connection.executemany(
            """
            INSERT INTO counts (width, start, tool, server, kind, code, events, tokens, of_all)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET events = events + excluded.events,
                tokens = tokens + excluded.tokens, of_all = of_all + excluded.of_all
            """,
            [
                (width, *key, tally.events, tally.tokens, tally.of_all)
                for key, tally in _widened(minutes, width).items()
                if key[0] >= eldest
            ],
        )
        wide: Counter[Key] = Counter()
        for key, events in times.items():
            wide[key[0] - key[0] % width, *key[1:]] += events
        connection.executemany(
            """
            INSERT INTO durations (width, start, tool, server, kind, bucket, events)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET events = events + excluded.events
            """,
            [(width, *key[:4], int(key[4]), events) for key, events in wide.items() if key[0] >= eldest],
        )
        if kept is not None:
            for table in ("counts", "durations"):
                sql = f"DELETE FROM {table} WHERE width = ? AND start < ?"  # noqa: S608 - one of two words
                connection.execute(sql, (width, eldest))
    connection.execute("DELETE FROM seen WHERE day < ?", (int(now // DAY) - _SEEN_DAYS,))


def _by_minute(
    connection: sqlite3.Connection, facts: Iterable[AuditFact]
) -> tuple[dict[Key, Tally], Counter[Key]]:
    """Counts and times of each minute, of everything and by tool."""
    counts: dict[Key, Tally] = {}
    times: Counter[Key] = Counter()
    for fact in facts:
        if fact.kind not in _COUNTED:
            continue
        second = int(datetime.fromisoformat(fact.timestamp).timestamp())
        start = second - second % MINUTE
        code = "" if fact.success is not False else fact.error_code or "unknown"
        of_all = 0
        if fact.kind == EventKind.SELECTION:
            # A selection that found nothing did not fail.
            code = fact.error_code or ""
            of_all = fact.tokens_of_all or 0
            if of_all and not _first_of_day(connection, fact, second // DAY):
                of_all = 0
        abouts = [(ALL, "")]
        if fact.tool:
            known = fact.error_code != "unknown_tool"
            abouts.append((fact.tool if known else UNKNOWN, fact.server or ""))
        for tool, server in abouts:
            tally = counts.setdefault((start, tool, server, fact.kind, code), Tally())
            tally.events += 1
            tally.tokens += fact.tokens_used or 0
            tally.of_all += of_all
            if fact.execution_time_ms is not None and fact.kind != EventKind.REFUSAL:
                times[start, tool, server, fact.kind, str(bucket_of(fact.execution_time_ms))] += 1
    return counts, times


def _first_of_day(connection: sqlite3.Connection, fact: AuditFact, day: int) -> bool:
    """Whether this session, or this caller where there is none, selects for the first time on this day."""
    who = fact.session or fact.principal
    added = connection.execute("INSERT OR IGNORE INTO seen (day, who) VALUES (?, ?)", (day, who))
    return added.rowcount > 0


def _widened(minutes: dict[Key, Tally], width: int) -> dict[Key, Tally]:
    if width == MINUTE:
        return minutes
    wide: dict[Key, Tally] = {}
    for key, tally in minutes.items():
        sums = wide.setdefault((key[0] - key[0] % width, *key[1:]), Tally())
        sums.events += tally.events
        sums.tokens += tally.tokens
        sums.of_all += tally.of_all
    return wide
