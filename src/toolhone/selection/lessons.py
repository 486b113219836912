"""Reads the audit log page by page for what it teaches."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from anyio import to_thread

from toolhone.models import JsonObject
from toolhone.selection.evidence import KINDS, Gathering, Lesson
from toolhone.stores import AuditQuery

PAGE = 1_000
"""Audit rows read at a time: their payloads are large, and only a little of each is kept."""

READ_BACK = timedelta(days=180)
"""How far back the log is read."""


async def read_lessons(rows_of: Callable[[AuditQuery], Awaitable[list[JsonObject]]]) -> list[Lesson]:
    """What the log teaches, read page by page."""
    newest = await rows_of(AuditQuery(kinds=KINDS, limit=1))
    if not newest:
        return []
    since = (datetime.fromisoformat(newest[0]["timestamp"]) - READ_BACK).isoformat()
    gathering = Gathering()
    seen = 0
    while True:
        query = AuditQuery(kinds=KINDS, since=since, limit=PAGE, newest_first=False)
        page = [row for row in await rows_of(query) if row["seq"] > seen]
        if not page:
            return await to_thread.run_sync(gathering.lessons)
        seen, since = page[-1]["seq"], page[-1]["timestamp"]
        await to_thread.run_sync(gathering.take, page)
