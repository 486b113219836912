"""A data folder with as many audit rows as one likes, as benchmarks of the audit want it.

The rows are real appends to a real audit, redaction apart: calls of 60 tools on 6 servers and of local
ones, selections, refusals, repairs and retries, over the 30 days until now.
"""

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from toolhone.events import new_event
from toolhone.models import AuditEvent, Caller, EventKind
from toolhone.storage.audit import SqliteAuditStore

BATCH = 1_000
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
