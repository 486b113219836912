"""Collect from several tasks at once and print each id once it is acknowledged, until killed."""

import sys
from itertools import count
from pathlib import Path

import anyio

from toolhone.audit import AuditLog
from toolhone.events import new_event
from toolhone.identifiers import new_id, utc_timestamp
from toolhone.models import LOCAL_CALLER
from toolhone.redaction import redact
from toolhone.snapshots.collector import Collector, new_snapshot
from toolhone.storage.audit import SqliteAuditStore
from toolhone.storage.snapshots import SqliteSnapshotStore


async def main() -> None:
    folder = Path(sys.argv[1])
    store = SqliteSnapshotStore(folder)
    log = AuditLog(lambda: SqliteAuditStore(folder), redact=redact)
    collector = Collector(
        lambda: store,
        redact=redact,
        record=log.record,
        new_event=new_event,
        now=utc_timestamp,
        new_id=new_id,
    )

    async def collect(task: int) -> None:
        for number in count():
            snapshot = new_snapshot(
                {
                    "agent_id": f"agent-{task}",
                    "agent_name": "Agent",
                    "category": "general",
                    "task_type": "count",
                    "input_data": {"number": number},
                    "output_data": {},
                    "success": True,
                    "performance_score": 1,
                    "execution_time_ms": 1,
                }
            )
            for snapshot_id in await collector.collect([snapshot] * (1 + number % 3), caller=LOCAL_CALLER):
                print(snapshot_id, flush=True)

    async with anyio.create_task_group() as tasks:
        for task in range(4):
            tasks.start_soon(collect, task)


anyio.run(main)
