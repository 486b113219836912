"""Snapshots over REST: hand in, import, list, count, prune."""

import io
from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect

from toolhone.exceptions import InvalidRequestError
from toolhone.models import Category, JsonObject
from toolhone.records.snapshots import CategoryCount, NewSnapshot, Snapshot, SnapshotQuery
from toolhone.roles import Permission
from toolhone.server.api.bodies_of_finetuning import SNAPSHOT
from toolhone.server.api.endpoints import endpoints
from toolhone.server.api.examples_of_work import COUNT, page, shown
from toolhone.server.api.examples_of_work import SNAPSHOT as KEPT
from toolhone.server.api.given import GivenCaller, GivenSystem, allowed
from toolhone.server.api.given_pages import GivenPages
from toolhone.server.api.idempotency import GivenOnce, without_key
from toolhone.server.api.openapi import also
from toolhone.server.api.paging import Cursor, Limit, Page, cursor_of, place_of
from toolhone.server.api.uploads import BUFFER, Upload
from toolhone.snapshots.importing import Imported, collect_lines

router = endpoints("/snapshots", tag="snapshots")

MOST = 1_000
"""Snapshots in one request; a file of any number is imported."""

Moment = Annotated[str | None, Query(max_length=64, examples=["2026-11-01"])]
Word = Annotated[str | None, Query(max_length=200)]


class NewSnapshots(BaseModel):
    """Snapshots that are kept together or not at all."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"snapshots": [SNAPSHOT]}]})

    snapshots: Annotated[list[NewSnapshot], Field(min_length=1, max_length=MOST)]


class Kept(BaseModel):
    """They are kept, redacted, on the disk."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"snapshot_ids": [KEPT["snapshot_id"]]}]})

    snapshot_ids: Annotated[list[str], Field(description="In the order in which they were handed in.")]


class LineProblem(BaseModel):
    """Why a line was not kept."""

    line: int
    why: str


class ImportReport(BaseModel):
    """What became of an upload."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "lines": 1000,
                    "kept": 999,
                    "refused": 1,
                    "problems": [{"line": 17, "why": "The snapshot is not valid: 'success' is missing."}],
                }
            ]
        }
    )

    lines: Annotated[int, Field(description="Read, empty ones too.")]
    kept: int
    refused: int
    problems: Annotated[list[LineProblem], Field(description="The first hundred of those refused.")]


class Pruned(BaseModel):
    """What was too old."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"deleted": {"core_security": 12}}]})

    deleted: Annotated[dict[Category, int], Field(description="How many snapshots of each category.")]


class Filters:
    """Which snapshots."""

    def __init__(
        self,
        category: Category | None = None,
        agent_id: Word = None,
        task_type: Word = None,
        success: bool | None = None,
        since: Moment = None,
        until: Moment = None,
        oldest_first: bool = False,
    ) -> None:
        self.query = SnapshotQuery(
            category=category,
            agent_id=agent_id,
            task_type=task_type,
            success=success,
            since=since,
            until=until,
            newest_first=not oldest_first,
        )


@router.get(
    "",
    operation_id="list_snapshots",
    summary="Snapshots, a page at a time",
    responses={200: page(KEPT), **also()},
    dependencies=[allowed(Permission.READ_WORK)],
)
async def snapshots(
    filters: Annotated[Filters, Depends()],
    pages: GivenPages,
    caller: GivenCaller,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Snapshot]:
    """The snapshots that match, as they are kept, the newest first. A page also ends after 4 MiB."""
    query = filters.query
    if cursor is not None:
        at, snapshot_id = place_of(cursor, str, str)
        query = replace(query, after=(str(at), str(snapshot_id)))
    found, more = await pages.snapshots(query, limit, caller=caller)
    last = cursor_of(found[-1].recorded_at, found[-1].snapshot_id) if more else None
    return Page(items=found, next_cursor=last)


@router.post(
    "",
    status_code=201,
    operation_id="add_snapshots",
    summary="Hand in snapshots",
    response_model=Kept,
    responses=also(409),
    dependencies=[allowed(Permission.COLLECT)],
)
async def add(body: NewSnapshots, system: GivenSystem, caller: GivenCaller, once: GivenOnce) -> Response:
    """Keep up to a thousand snapshots, all or none of them, redacted. On the disk when this answers."""

    async def work() -> Kept:
        return Kept(snapshot_ids=await system.collect(body.snapshots, caller=caller))

    return await once.answer(work)


_LINES: JsonObject = {
    "description": "JSON lines: one snapshot a line, of any number. Read as it arrives.",
    "required": True,
    "content": {
        "application/x-ndjson": {"schema": {"type": "string"}, "example": '{"agent_id": "scanner_v2", …}\n'}
    },
}


@router.post(
    "/import",
    operation_id="import_snapshots",
    summary="Import a file of snapshots",
    responses=also(413),
    openapi_extra={"requestBody": _LINES},
    # An upload is read as it comes, so nobody can tell whether it is the same again.
    dependencies=[allowed(Permission.COLLECT), without_key],
)
async def import_lines(request: Request, system: GivenSystem, caller: GivenCaller) -> ImportReport:
    """Keep each line of the body as a snapshot. A bad line is reported and keeps no other from being kept.

    Lines are kept some hundred at a time while the rest is still on its way. Where the upload breaks off, or
    the disk fails, those before are kept; the error says with which line to go on.
    """
    imported = Imported()

    def note(so_far: Imported) -> None:
        nonlocal imported
        imported = so_far

    with io.BufferedReader(Upload(request), buffer_size=BUFFER) as stream:
        try:
            imported = await collect_lines(stream, system.collect, caller=caller, progress=note)
        except ClientDisconnect as exc:
            raise InvalidRequestError(
                f"The upload broke off after line {imported.lines}; {imported.kept} of them were kept."
            ) from exc
    return ImportReport(
        lines=imported.lines,
        kept=imported.kept,
        refused=imported.refused,
        problems=[LineProblem(line=one.line, why=one.why) for one in imported.problems],
    )


@router.get(
    "/counts",
    operation_id="count_snapshots",
    summary="Snapshots by category, counted",
    responses={200: shown([COUNT]), **also()},
    dependencies=[allowed(Permission.MONITOR)],
)
async def counts(system: GivenSystem, caller: GivenCaller) -> list[CategoryCount]:
    """How many snapshots there are of each category, how old and how good they are."""
    return await system.counts(caller=caller)


@router.post(
    "/prune",
    operation_id="prune_snapshots",
    summary="Delete what is older than the settings allow",
    dependencies=[allowed(Permission.ERASE)],
)
async def prune(system: GivenSystem, caller: GivenCaller) -> Pruned:
    """Delete the snapshots that are older than the days of their category (setting `snapshot_days`)."""
    return Pruned(deleted=await system.prune(caller=caller))
