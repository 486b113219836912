"""Definitions of downstream tools that are held back, over REST: list, compare, approve, reject."""

from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from toolhone.approvals import service
from toolhone.models import JsonObject
from toolhone.records.approvals import Place
from toolhone.roles import Permission
from toolhone.server.api.endpoints import endpoints
from toolhone.server.api.examples_of_work import page
from toolhone.server.api.given import GivenApp, GivenCaller, allowed
from toolhone.server.api.openapi import also
from toolhone.server.api.paging import Cursor, Limit, Page, cursor_of, place_of

router = endpoints("/approvals", tag="approvals")

LOOKING = [allowed(Permission.OPERATE)]
DECIDING = [allowed(Permission.TRUST)]

HASH = "sha256:" + "2c26b46b68ffc68ff99b453c1d304134" * 2

EXAMPLE: JsonObject = {
    "tool": "github__create_issue",
    "server": "github",
    "original_name": "create_issue",
    "hash": HASH,
    "status": "waiting",
    "why": "changed",
    "seen_at": "2026-11-23T10:48:03.123456+00:00",
    "decided_at": None,
    "decided_by": None,
    "approved": {
        "hash": "sha256:" + "fcde2b2edba56bf408601fb721fe9b5c" * 2,
        "approved_at": "2026-10-01T08:00:00.000000+00:00",
        "approved_by": "first use",
    },
}
CHANGE: JsonObject = {
    "field": "/description",
    "change": "changed",
    "before": "Create an issue.",
    "after": "Create an issue now.",
    "words": [
        {"kind": "same", "text": "Create an issue"},
        {"kind": "added", "text": " now"},
        {"kind": "same", "text": "."},
    ],
}


class ApprovedBefore(BaseModel):
    """The definition that was approved last, and by whom."""

    hash: str
    approved_at: str | None
    approved_by: str | None
    """A principal, or `first use`: nobody looked at it."""


class Approval(BaseModel):
    """One definition of one tool, and what was decided about it."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    tool: str
    server: str
    original_name: str
    hash: str
    status: Literal["approved", "waiting", "rejected"]
    why: Literal["changed", "new"]
    seen_at: str
    decided_at: str | None
    decided_by: str | None
    approved: ApprovedBefore | None


class Words(BaseModel):
    """A run of words."""

    kind: Literal["same", "removed", "added"]
    text: str


class Change(BaseModel):
    """What differs in one field. Characters that are not seen stand as `⟨U+202E⟩`."""

    field: str
    """A JSON Pointer into the definition."""
    change: Literal["added", "removed", "changed"]
    before: str | None
    after: str | None
    words: list[Words] = []


class Difference(Approval):
    """A definition that is held back, and how it differs from what was approved."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **EXAMPLE,
                    "changes": [CHANGE],
                    "more_changes": 0,
                    "unseen": [],
                    "definition": {"name": "create_issue", "description": "Create an issue now."},
                    "approved_definition": {"name": "create_issue", "description": "Create an issue."},
                }
            ]
        }
    )

    changes: list[Change]
    more_changes: int
    """How many there are that `changes` leaves out."""
    unseen: list[str]
    """Characters in the definition that a reader does not see."""
    definition: JsonObject
    approved_definition: JsonObject | None


class Decision(BaseModel):
    """Which definition is decided about."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"hash": HASH}]})

    hash: str = Field(max_length=100)
    """Of the definition that was looked at. One that has come since stays as it is."""


Name = Annotated[str, Path(max_length=200, description="The tool's name, as callers say it.")]


@router.get(
    "",
    dependencies=LOOKING,
    response_model=Page[Approval],
    responses={200: page(EXAMPLE), **also()},
    summary="Definitions that are held back, a page at a time",
    operation_id="list_approvals",
)
async def list_approvals(
    app: GivenApp,
    caller: GivenCaller,
    rejected: Annotated[bool, Query(description="Those that were rejected, not those that wait.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> JsonObject:
    """Tools whose definition waits for an admin, because it changed or, if so configured, is new.

    The last seen first.
    """
    after: Place | None = None
    if cursor is not None:
        seen_at, server, name, digest = map(str, place_of(cursor, str, str, str, str))
        after = (seen_at, server, name, digest)
    found = await app.approvals.pending(rejected=rejected, limit=limit + 1, after=after, caller=caller)
    shown = found[:limit]
    last = cursor_of(*service.place_of(shown[-1])) if len(found) > limit else None
    return {"items": shown, "next_cursor": last}


@router.get(
    "/{tool}",
    dependencies=LOOKING,
    response_model=Difference,
    responses=also(404),
    summary="Compare a definition with the approved one",
    operation_id="get_approval",
)
async def get_approval(tool: Name, app: GivenApp, caller: GivenCaller) -> JsonObject:
    """The definition that is held back, field by field against the one that was approved last."""
    return await app.approvals.diff(tool, caller=caller)


@router.post(
    "/{tool}/approve",
    dependencies=DECIDING,
    response_model=Approval,
    responses=also(404, 409),
    summary="Approve a definition",
    operation_id="approve_definition",
)
async def approve(tool: Name, body: Decision, app: GivenApp, caller: GivenCaller) -> JsonObject:
    """Let the tool be used with this definition. 409 if the tool has another one by now."""
    return await app.approvals.approve(tool, body.hash, caller=caller)


@router.post(
    "/{tool}/reject",
    dependencies=DECIDING,
    response_model=Approval,
    responses=also(404, 409),
    summary="Reject a definition",
    operation_id="reject_definition",
)
async def reject(tool: Name, body: Decision, app: GivenApp, caller: GivenCaller) -> JsonObject:
    """Never let the tool be used with this definition; takes back an approval, too."""
    return await app.approvals.reject(tool, body.hash, caller=caller)
