"""Record one event, say its id, and wait to be killed: nothing is closed or flushed."""

import sys
from pathlib import Path

import anyio

from toolhone.audit import AuditLog
from toolhone.events import new_event
from toolhone.models import LOCAL_CALLER, EventKind, Json
from toolhone.storage.audit import SqliteAuditStore


def redact(value: Json) -> Json:
    return value


async def main() -> None:
    log = AuditLog(lambda: SqliteAuditStore(Path(sys.argv[1])), redact=redact)
    event = new_event(EventKind.CALL, LOCAL_CALLER, tool="get_weather", success=True)
    await log.record(event)
    print(event.event_id, flush=True)
    sys.stdin.readline()


anyio.run(main)
