"""Counts by spans of time in `figures.db`: never the truth, always to be had again from the audit.

`counted` says up to which audit row everything is in, and is written in the transaction that adds to the
counts: several processes that share the folder count every row once. If the row it names is not the audit's
any more (another audit was put in its place, a backup was brought back), counting starts over.

Each event is in spans of a minute, a quarter of an hour, an hour, a day and a week; fine spans are dropped
when they are old. `savings` sums up what every selection saved, whenever it was.
Payloads that are erased later change nothing here: what is kept of them is how many tokens there were.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from toolhone.models import EventKind
from toolhone.records.durations import bucket_of
from toolhone.records.figures import (
    ALL,
    DAY,
    HOUR,
    MINUTE,
    QUARTER,
    SERVER,
    TOOL,
    WEEK,
    AuditFact,
    Count,
    Durations,
    Progress,
    ReadFacts,
)
from toolhone.storage.migrations import Schema
from toolhone.storage.sqlite import SqliteFile

if TYPE_CHECKING:
    from sqlite_utils import Database

AT_ONCE = 10_000
"""Rows counted in one transaction: a fraction of a second."""

KEPT = {MINUTE: 3 * HOUR, QUARTER: 3 * DAY, HOUR: 60 * DAY, DAY: None, WEEK: None}
"""For how many seconds spans of this width are kept; the widest stay."""

UNKNOWN = "(unknown)"
"""In place of the name of a tool that is none: callers could make up any number of them."""

SAVED_UNTIL = "SELECT seq FROM savings"

_SEEN_DAYS = 2
_COUNTED = frozenset({EventKind.CALL, EventKind.REFUSAL, EventKind.SELECTION})

Key = tuple[int, str, str, str, str]
"""(start, about, server, kind, code)"""

TimesKey = tuple[int, str, str]
"""(start, about, kind)"""


@dataclass(slots=True)
class _Tally:
    events: int = 0
    tokens: int = 0
    of_all: int = 0


def create_figures(db: "Database") -> None:
    """Counts and times by spans, how far the audit is in them, and who has selected on which day."""
    db.conn.execute(
        """
        CREATE TABLE counts (
            width INTEGER NOT NULL,
            about TEXT NOT NULL,
            start INTEGER NOT NULL,
            server TEXT NOT NULL,
            kind TEXT NOT NULL,
            code TEXT NOT NULL,
            events INTEGER NOT NULL,
            tokens INTEGER NOT NULL,
            of_all INTEGER NOT NULL,
            PRIMARY KEY (width, about, start, server, kind, code)
        ) WITHOUT ROWID
        """
    )
    # The buckets of a span together as JSON: a row for each would be read ten times as slowly.
    db.conn.execute(
        """
        CREATE TABLE durations (
            width INTEGER NOT NULL,
            about TEXT NOT NULL,
            start INTEGER NOT NULL,
            kind TEXT NOT NULL,
            buckets TEXT NOT NULL,
            PRIMARY KEY (width, about, start, kind)
        ) WITHOUT ROWID
        """
    )
    db.conn.execute(
        "CREATE TABLE seen (day INTEGER NOT NULL, who TEXT NOT NULL, PRIMARY KEY (day, who)) WITHOUT ROWID"
    )
    db.conn.execute("CREATE TABLE counted (seq INTEGER NOT NULL, row_hash TEXT NOT NULL, timestamp TEXT)")
    db.conn.execute("INSERT INTO counted (seq, row_hash) VALUES (0, '')")


def count_savings(db: "Database") -> None:
    """What selections saved, up to the row `seq`: in files from before it begins behind `counted`."""
    db.conn.execute(
        "CREATE TABLE savings (seq INTEGER NOT NULL, selections INTEGER NOT NULL, saved INTEGER NOT NULL)"
    )
    db.conn.execute("INSERT INTO savings (seq, selections, saved) VALUES (0, 0, 0)")


FIGURES = Schema(name="toolhone.figures", steps=(create_figures, count_savings))


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
        if self._make_up_savings(facts, until=seq):
            return Progress(seq=seq, timestamp=timestamp, complete=False)
        if not fresh:
            return Progress(seq=seq, timestamp=timestamp, complete=True)
        last = fresh[-1]

        def add(connection: sqlite3.Connection) -> bool:
            if _counted(connection)[:2] != (seq, row_hash):
                return False  # another process has counted these
            _add(connection, fresh, now)
            _add_savings(connection, fresh, after=seq, until=last.seq)
            connection.execute(
                "UPDATE counted SET seq = ?, row_hash = ?, timestamp = ?",
                (last.seq, last.row_hash, last.timestamp),
            )
            return True

        if not self._file.write(add):
            return Progress(seq=seq, timestamp=timestamp, complete=False)
        return Progress(seq=last.seq, timestamp=last.timestamp, complete=len(fresh) < AT_ONCE - 1)

    def counts(self, width: int, about: str, *, since: int) -> Sequence[Count]:
        sql = """
            SELECT about, start, server, kind, code, events, tokens, of_all FROM counts
            WHERE width = ? AND about = ? AND start >= ?
        """
        return self._file.read(
            lambda connection: [Count._make(row) for row in connection.execute(sql, (width, about, since))]
        )

    def sums(self, width: int, prefix: str, *, since: int, until: int | None = None) -> Sequence[Count]:
        sql = """
            SELECT about, 0, server, kind, code, SUM(events), SUM(tokens), SUM(of_all) FROM counts
            WHERE width = ? AND about >= ? AND about < ? AND start >= ? AND start < ?
            GROUP BY about, server, kind, code
        """
        values = (width, prefix, prefix + "\U0010ffff", since, _end(until))
        return self._file.read(
            lambda connection: [Count._make(row) for row in connection.execute(sql, values)]
        )

    def durations(
        self, width: int, abouts: Sequence[str], *, since: int, until: int | None = None
    ) -> Sequence[Durations]:
        sql = """
            SELECT about, start, kind, buckets FROM durations
            WHERE width = ? AND about = ? AND start >= ? AND start < ?
        """
        end = _end(until)
        return self._file.read(
            lambda connection: [
                Durations(about, start, kind, json.loads(buckets))
                for chosen in abouts
                for about, start, kind, buckets in connection.execute(sql, (width, chosen, since, end))
            ]
        )

    def savings(self) -> tuple[int, int]:
        return self._file.read(
            lambda connection: connection.execute("SELECT selections, saved FROM savings").fetchone()
        )

    def close(self) -> None:
        self._file.close()

    def _make_up_savings(self, facts: ReadFacts, *, until: int) -> bool:
        """Sum up a part of what was counted before there were savings; whether there was anything left."""
        (after,) = self._file.read(lambda connection: connection.execute(SAVED_UNTIL).fetchone())
        if after >= until:
            return False
        found = facts(after, min(AT_ONCE, until - after))
        last = min(found[-1].seq, until) if found else until
        within = [fact for fact in found if fact.seq <= last]
        self._file.write(lambda connection: _add_savings(connection, within, after=after, until=last))
        return True


def _end(until: int | None) -> int:
    return 2**63 - 1 if until is None else until


def _counted(connection: sqlite3.Connection) -> tuple[int, str, str | None]:
    return connection.execute("SELECT seq, row_hash, timestamp FROM counted").fetchone()


def _start_over(connection: sqlite3.Connection, seq: int, row_hash: str) -> None:
    if _counted(connection)[:2] == (seq, row_hash):
        for table in ("counts", "durations", "seen"):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - one of three fixed words
        connection.execute("UPDATE counted SET seq = 0, row_hash = '', timestamp = NULL")
        connection.execute("UPDATE savings SET seq = 0, selections = 0, saved = 0")


def _add(connection: sqlite3.Connection, facts: Iterable[AuditFact], now: float) -> None:
    counts, times = _by_minute(connection, facts)
    for width, kept in KEPT.items():
        eldest = 0 if kept is None else int(now - kept)
        counts, times = _widened(counts, width), _widened_times(times, width)
        connection.executemany(
            """
            INSERT INTO counts (width, start, about, server, kind, code, events, tokens, of_all)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET events = events + excluded.events,
                tokens = tokens + excluded.tokens, of_all = of_all + excluded.of_all
            """,
            [
                (width, *key, tally.events, tally.tokens, tally.of_all)
                for key, tally in counts.items()
                if key[0] >= eldest
            ],
        )
        _add_times(connection, width, {key: row for key, row in times.items() if key[0] >= eldest})
        if kept is not None:
            for table in ("counts", "durations"):
                sql = f"DELETE FROM {table} WHERE width = ? AND start < ?"  # noqa: S608 - one of two words
                connection.execute(sql, (width, eldest))
    connection.execute("DELETE FROM seen WHERE day < ?", (int(now // DAY) - _SEEN_DAYS,))


def _add_savings(
    connection: sqlite3.Connection, facts: Iterable[AuditFact], *, after: int, until: int
) -> None:
    """Add what the selections among these rows saved, unless another process has."""
    saved = [_saved(fact) for fact in facts if fact.kind == EventKind.SELECTION]
    connection.execute(
        "UPDATE savings SET seq = ?, selections = selections + ?, saved = saved + ? WHERE seq = ?",
        (until, len(saved), sum(saved), after),
    )


def _saved(fact: AuditFact) -> int:
    if not fact.success or fact.tokens_of_available is None:
        return 0
    return fact.tokens_of_available - (fact.tokens_used or 0)


def _add_times(connection: sqlite3.Connection, width: int, times: Mapping[TimesKey, Counter[str]]) -> None:
    where = "width = ? AND start = ? AND about = ? AND kind = ?"
    for key, fresh in times.items():
        found = connection.execute(f"SELECT buckets FROM durations WHERE {where}", (width, *key)).fetchone()  # noqa: S608
        buckets = fresh.copy()
        if found is not None:
            buckets.update(json.loads(found[0]))
        connection.execute(
            "INSERT OR REPLACE INTO durations (width, start, about, kind, buckets) VALUES (?, ?, ?, ?, ?)",
            (width, *key, json.dumps(buckets, separators=(",", ":"))),
        )


def _by_minute(
    connection: sqlite3.Connection, facts: Iterable[AuditFact]
) -> tuple[dict[Key, _Tally], dict[TimesKey, Counter[str]]]:
    """Counts and times of each minute: of everything, by tool, and by server."""
    counts: defaultdict[Key, _Tally] = defaultdict(_Tally)
    times: defaultdict[TimesKey, Counter[str]] = defaultdict(Counter)
    for fact in facts:
        if fact.kind not in _COUNTED:
            continue
        second = int(datetime.fromisoformat(fact.timestamp).timestamp())
        start = second - second % MINUTE
        # A selection that found nothing did not fail.
        failed = fact.success is False and fact.kind != EventKind.SELECTION
        code = (fact.error_code or "unknown") if failed else ""
        of_all = 0
        if fact.tokens_of_all and _first_of_day(connection, fact, second // DAY):
            of_all = fact.tokens_of_all
        timed = fact.execution_time_ms is not None and fact.kind != EventKind.REFUSAL
        bucket = str(bucket_of(fact.execution_time_ms or 0))
        for about, server in _abouts(fact):
            tally = counts[start, about, server, fact.kind, code]
            tally.events += 1
            tally.tokens += fact.tokens_used or 0
            tally.of_all += of_all
            if timed:
                times[start, about, fact.kind][bucket] += 1
    return counts, times


def _abouts(fact: AuditFact) -> list[tuple[str, str]]:
    """What an event is counted for, and the server of that."""
    if not fact.tool:
        return [(ALL, "")]
    if fact.error_code == "unknown_tool":
        return [(ALL, ""), (TOOL + UNKNOWN, "")]
    server = fact.server or ""
    return [(ALL, ""), (TOOL + fact.tool, server), (SERVER + server, server)]


def _first_of_day(connection: sqlite3.Connection, fact: AuditFact, day: int) -> bool:
    """Whether this session, or this caller where there is none, selects for the first time on this day."""
    who = fact.session or fact.principal
    added = connection.execute("INSERT OR IGNORE INTO seen (day, who) VALUES (?, ?)", (day, who))
    return added.rowcount > 0


def _widened(counts: Mapping[Key, _Tally], width: int) -> dict[Key, _Tally]:
    wide: defaultdict[Key, _Tally] = defaultdict(_Tally)
    for key, tally in counts.items():
        sums = wide[key[0] - key[0] % width, *key[1:]]
        sums.events += tally.events
        sums.tokens += tally.tokens
        sums.of_all += tally.of_all
    return wide


def _widened_times(times: Mapping[TimesKey, Counter[str]], width: int) -> dict[TimesKey, Counter[str]]:
    wide: defaultdict[TimesKey, Counter[str]] = defaultdict(Counter)
    for key, buckets in times.items():
        wide[key[0] - key[0] % width, *key[1:]].update(buckets)
    return wide
