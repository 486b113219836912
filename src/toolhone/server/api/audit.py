"""The audit over REST: list, export, verify, erase."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Query
from fastapi.responses import StreamingResponse

from toolhone.models import EventKind, JsonObject
from toolhone.roles import Permission
from toolhone.server.api.bodies_of_audit import ROW, AuditRows, Erased, EraseRows, Pruned, Verified
from toolhone.server.api.endpoints import endpoints
from toolhone.server.api.given import GivenApp, GivenCaller, allowed
from toolhone.server.api.paging import Cursor, Limit, cursor_of, place_of, strange
from toolhone.stores import AuditQuery

router = endpoints("/audit", tag="audit")

LINES = "application/x-ndjson"

READING = [allowed(Permission.READ_AUDIT)]

Name = Annotated[str | None, Query(max_length=1000)]
Moment = Annotated[
    str | None,
    Query(max_length=64, description="ISO 8601; UTC if it names no zone.", examples=["2026-11-23"]),
]


async def filters(
    kinds: Annotated[list[EventKind] | None, Query(description="Only rows of these kinds.")] = None,
    tool: Name = None,
    server: Name = None,
    principal: Annotated[str | None, Query(max_length=1000, description="Only what this caller did.")] = None,
    success: bool | None = None,
    request_id: Annotated[
        str | None, Query(max_length=1000, description="Only what one request caused.")
    ] = None,
    call_id: Annotated[str | None, Query(max_length=1000, description="Only what is about one call.")] = None,
    since: Moment = None,
    until: Moment = None,
) -> AuditQuery:
    """What the query of a request asks for; without its page."""
    return AuditQuery(
        kinds=None if kinds is None else [kind.value for kind in kinds],
        tool=tool,
        server=server,
        principal=principal,
        success=success,
        request_id=request_id,
        call_id=call_id,
        since=since,
        until=until,
        limit=None,
    )


Filters = Annotated[AuditQuery, Depends(filters)]


@router.get(
    "",
    dependencies=READING,
    response_model=AuditRows,
    summary="List audit rows",
    operation_id="list_audit",
)
async def list_audit(
    app: GivenApp,
    caller: GivenCaller,
    query: Filters,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> JsonObject:
    """What happened: calls, refusals, selections, erasures and the rest; redacted, the newest first."""
    way, place = ("before", None) if cursor is None else _place(cursor)
    newer = way == "after"
    turned = replace(query, **({way: place}), newest_first=not newer, limit=limit + 1)
    found = await app.oversight.rows(turned, caller=caller)
    rows = found[:limit]
    if newer:
        rows.reverse()
    before = cursor_of("before", rows[-1]["seq"]) if rows and (newer or len(found) > limit) else None
    after = cursor_of("after", rows[0]["seq"]) if rows else cursor if newer else None
    return {"items": rows, "next_cursor": before, "previous_cursor": after}


def _place(cursor: str) -> tuple[str, int]:
    """Which way a cursor leads, and from where.

    Raises:
        InvalidRequestError: It is not of this list.
    """
    way, place = place_of(cursor, str, int)
    if way not in {"before", "after"} or not isinstance(place, int):
        raise strange(cursor)
    return str(way), place


@router.get(
    "/export",
    dependencies=READING,
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "One row a line, oldest first, as `tool_calls_audit.jsonl`.",
            "content": {LINES: {"schema": {"type": "string"}, "example": json.dumps(ROW) + "\n"}},
        }
    },
    summary="Export the audit",
    operation_id="export_audit",
)
async def export_audit(app: GivenApp, caller: GivenCaller, query: Filters) -> StreamingResponse:
    """All matching rows as JSON lines, read while they are sent."""
    pieces = await app.oversight.export(query, caller=caller)
    return StreamingResponse(_lines(pieces), media_type=LINES)


async def _lines(pieces: AsyncGenerator[list[JsonObject]]) -> AsyncGenerator[bytes]:
    async for piece in pieces:
        # ASCII: what UTF-8 cannot spell becomes JSON's own escape for it.
        yield "".join(json.dumps(row) + "\n" for row in piece).encode("ascii")


@router.get(
    "/verify",
    dependencies=READING,
    response_model=Verified,
    summary="Verify the audit",
    operation_id="verify_audit",
)
async def verify_audit(
    app: GivenApp,
    caller: GivenCaller,
    remembered: Annotated[
        str | None, Query(max_length=200, description="The head of an earlier check; it must still be there.")
    ] = None,
) -> JsonObject:
    """Check that no row was changed or removed. It reads all of them: a second for some ten thousand."""
    outcome = await app.oversight.verify(remembered=remembered, caller=caller)
    return {
        "whole": outcome.whole,
        "rows": outcome.rows,
        "erased": outcome.erased,
        "head": outcome.head,
        "problems": list(outcome.problems),
    }


@router.post(
    "/erase",
    dependencies=[allowed(Permission.ERASE)],
    response_model=Erased,
    summary="Erase what audit rows hold",
    operation_id="erase_audit",
)
async def erase_audit(body: EraseRows, app: GivenApp, caller: GivenCaller) -> JsonObject:
    """Remove what rows hold; rows and chain stay, and the erasure is recorded. Unknown ids do no harm."""
    return {"erased": await app.oversight.erase(body.audit_ids, caller=caller)}


@router.post(
    "/prune",
    dependencies=[allowed(Permission.ERASE)],
    response_model=Pruned,
    summary="Erase what audit rows hold longer than the settings allow",
    operation_id="prune_audit",
)
async def prune_audit(app: GivenApp, caller: GivenCaller) -> JsonObject:
    """Remove what rows hold that are older than `audit_days`, as is done by itself every six hours.

    Rows and chain stay, and the erasure is recorded.
    """
    return {"erased": await app.keeping.prune_audit(caller=caller)}
