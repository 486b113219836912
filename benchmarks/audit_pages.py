"""A million audit rows: what figures, the explorer's filters and a timeline cost, and what an append does.

    python benchmarks/audit_pages.py [--rows 1000000] [--data FOLDER]

The rows are real appends to a real audit, redaction apart: calls of 60 tools on 6 servers and of local
ones, selections, refusals, repairs and retries, over 30 days. FOLDER is filled once and used again.
"""

import argparse
import random
import resource
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import Any

import anyio

from toolhone.audit import new_event
from toolhone.figures import Figures
from toolhone.models import AuditEvent, Caller, EventKind
from toolhone.storage.audit import SqliteAuditStore
from toolhone.storage.audit_indexes import INDEXES
from toolhone.storage.figures import SqliteFigureStore
from toolhone.stores import AuditQuery

BATCH = 1_000
ROUNDS = 40
CALLERS = [Caller(principal=f"agent-{number}", session=f"session-{number}") for number in range(20)]
TOOLS = [
    (f"server{number % 7}__tool_{number}", f"server{number % 7}" if number % 7 else None)
    for number in range(60)
]
ERRORS = ("timeout", "tool_failed", "connection_lost")


def events(rows: int, rng: random.Random) -> Iterator[AuditEvent]:
    """Rows as they come: half of them calls, in the proportions of a working day."""
    begin = datetime.now(UTC) - timedelta(days=30)
    for number in range(rows):
        stamp = (begin + timedelta(days=30) * number / rows).isoformat(timespec="microseconds")
        caller, request = rng.choice(CALLERS), f"request-{number // 4}"
        tool, server = TOOLS[min(int(rng.expovariate(0.08)), len(TOOLS) - 1)]
        dice = rng.random()
        fields: dict[str, Any] = {"request_id": request, "tool": tool, "server": server}
        if dice < 0.7:
            failed = rng.random() < 0.04
            event = new_event(
                EventKind.CALL,
                caller,
                **fields,
                call_id=f"call-{number}",
                slot="0",
                success=not failed,
                error_code=rng.choice(ERRORS) if failed else None,
                execution_time_ms=rng.lognormvariate(4, 1.2),
                tokens_used=rng.randrange(40, 900),
                payload={
                    "arguments": {"query": "x" * 120},
                    "result": {"text": "y" * rng.randrange(100, 900)},
                },
            )
        elif dice < 0.92:
            event = new_event(
                EventKind.SELECTION,
                caller,
                request_id=request,
                success=True,
                execution_time_ms=rng.lognormvariate(2, 0.5),
                tokens_used=rng.randrange(100, 500),
                payload={
                    "task": "z" * 80,
                    "selected": [[name, 0.5] for name, _ in TOOLS[:5]],
                    "tokens_of_all": 24_000,
                },
            )
        elif dice < 0.96:
            event = new_event(
                EventKind.REFUSAL, caller, **fields, success=False, error_code="invalid_arguments"
            )
        elif dice < 0.9999:
            event = new_event(
                EventKind.REPAIR, caller, **fields, payload={"repair": "a string was made a number"}
            )
        else:
            event = new_event(EventKind.ACCESS, caller, success=True, payload={"what": "login"})
        object.__setattr__(event, "timestamp", stamp)
        yield event


def fill(folder: Path, rows: int) -> None:
    store = SqliteAuditStore(folder)
    batch: list[AuditEvent] = []
    began = time.perf_counter()
    for event in events(rows, random.Random(6)):
        batch.append(event)
        if len(batch) == BATCH:
            store.append(batch)
            batch = []
    store.append(batch)
    store.close()
    took = time.perf_counter() - began
    print(
        f"{rows:,} rows appended in {took:.0f} s; "
        f"audit.db {(folder / 'audit.db').stat().st_size / 1e6:,.0f} MB"
    )


def show(what: str, times: list[float]) -> None:
    cuts = quantiles(times, n=20)
    print(f"{what:44} p50 {cuts[9]:8.2f} ms   p95 {cuts[18]:8.2f} ms")


def timed(what: str, work: Callable[[], object], rounds: int = ROUNDS) -> None:
    work()
    times: list[float] = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    show(what, times)


def explorer(folder: Path) -> None:
    store = SqliteAuditStore(folder)
    newest = store.query(AuditQuery(limit=1))[0]["seq"]
    middle = store.query(AuditQuery(before=newest // 2, limit=1))[0]
    old, less_old = (
        middle["timestamp"],
        store.query(AuditQuery(before=newest // 2 + 2000, limit=1))[0]["timestamp"],
    )
    rare, server = TOOLS[50]
    queries = {
        "newest": AuditQuery(),
        "a page from the middle": AuditQuery(before=newest // 2),
        "oldest first": AuditQuery(newest_first=False),
        "kind: call": AuditQuery(kinds=["call"]),
        "kind: access (rare)": AuditQuery(kinds=["access"]),
        "kinds: call and access": AuditQuery(kinds=["call", "access"]),
        "kind: model (none)": AuditQuery(kinds=["model"]),
        "tool, often called": AuditQuery(tool=TOOLS[0][0]),
        "tool, rarely called": AuditQuery(tool=rare),
        "server": AuditQuery(server="server3"),
        "principal": AuditQuery(principal="agent-7"),
        "failed": AuditQuery(success=False),
        "succeeded": AuditQuery(success=True),
        "error code": AuditQuery(error_code="timeout"),
        "one hour in the middle": AuditQuery(since=old, until=less_old),
        "before a day long ago": AuditQuery(until=old),
        "a time without rows": AuditQuery(since="2999-01-01"),
        "tool + failed": AuditQuery(tool=rare, success=False),
        "kind + principal": AuditQuery(kinds=["refusal"], principal="agent-7"),
        "server + error code + principal": AuditQuery(
            server="server3", error_code="timeout", principal="agent-7"
        ),
        "filters that never meet": AuditQuery(tool=rare, server="server3"),
        "the same in an hour": AuditQuery(tool=rare, server="server3", since=old, until=less_old),
        "a request's timeline": AuditQuery(request_id=middle["request_id"], newest_first=False),
    }
    assert server == "server1"
    for what, query in queries.items():
        timed(what, partial(store.query, query))
    store.close()


async def figures(folder: Path) -> None:
    answers = Figures(lambda: SqliteFigureStore(folder), lambda: SqliteAuditStore(folder))
    began = time.perf_counter()
    while not (await answers.catch_up()).complete:
        pass
    print(
        f"counted for the first time in {time.perf_counter() - began:.1f} s; "
        f"figures.db {(folder / 'figures.db').stat().st_size / 1e6:.1f} MB"
    )
    for what, window in {
        "overview, an hour": timedelta(hours=1),
        "overview, a day": timedelta(days=1),
        "overview, a week": timedelta(days=7),
        "overview, 30 days": timedelta(days=30),
    }.items():
        times: list[float] = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            await answers.overview(window)
            times.append((time.perf_counter() - began) * 1000)
        show(what, times)
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await answers.tool(TOOLS[0][0], timedelta(days=7))
        times.append((time.perf_counter() - began) * 1000)
    show("one tool, a week", times)
    await answers.aclose()


def append_cost(rows: int = 20_000) -> None:
    """Appends one by one, as calls come, and in batches: with what serves reading, and without it."""
    for without in (True, False):
        for size in (1, 100):
            with tempfile.TemporaryDirectory() as folder:
                store = SqliteAuditStore(Path(folder))
                made = list(events(rows, random.Random(1)))
                store.append(made[:1])
                if without:
                    raw = sqlite3.connect(Path(folder) / "audit.db")
                    for name in INDEXES:
                        raw.execute(f"DROP INDEX {name}")
                    raw.execute("DROP TRIGGER audit_rows_widen_their_span")
                    raw.close()
                count = 2_000 if size == 1 else rows
                began = time.perf_counter()
                for start in range(1, count, size):
                    store.append(made[start : start + size])
                each = (time.perf_counter() - began) / count * 1e6
                store.close()
            print(
                f"append, {'without' if without else 'with   '} the indexes, {size:3} at a time: "
                f"{each:6.1f} µs a row"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--data", type=Path)
    arguments = parser.parse_args()
    append_cost()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.data or Path(temporary)
        if not (folder / "audit.db").exists():
            fill(folder, arguments.rows)
        anyio.run(figures, folder)
        explorer(folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MB")


if __name__ == "__main__":
    main()
