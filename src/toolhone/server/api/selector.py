"""What the selector ranks with, over REST: versions learned from use, promote, roll back."""

from typing import Annotated

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from toolhone.models import JsonObject
from toolhone.roles import Permission
from toolhone.server.api.bodies_of_tools import Taken
from toolhone.server.api.endpoints import endpoints
from toolhone.server.api.given import GivenApp, GivenCaller, allowed
from toolhone.server.api.idempotency import GivenOnce
from toolhone.server.api.openapi import also

router = endpoints("/selector", tag="selector")

PROMOTING = [allowed(Permission.PROMOTE)]

VERSION: JsonObject = {
    "version": "3f9a1c2e",
    "status": "active",
    "created_at": "2026-11-23T10:48:03.123456+00:00",
    "encoder": "toolhone-encoder-1",
    "artifact_hash": "sha256:3f9a1c2e",
    "data_hash": "sha256:77b0c1d9",
    "until": "2026-11-23T10:40:00.000000+00:00",
    "parent": None,
    "expired": None,
    "figures": {"learned_from": 812, "verdict": {"decision": "promoted"}},
}
STATUS: JsonObject = {
    "active": "3f9a1c2e",
    "new_calls": 31,
    "learn_after": 200,
    "versions": [VERSION],
    "promotions": [{"version": "3f9a1c2e", "at": "2026-11-23T10:48:03.123456+00:00", "why": "it finds more"}],
}


class SelectorVersion(BaseModel):
    """One learned ranking, and how it was judged."""

    version: str
    status: str
    """`active`, `expired`, or what the gate decided."""
    created_at: str
    encoder: str
    """Whose vectors it was learned from; with another encoder it is of no use."""
    artifact_hash: str
    data_hash: str
    until: str
    """The time of the newest request that it learned from."""
    parent: str | None
    expired: str | None
    """Why it is of no use any more."""
    figures: JsonObject


class SelectorPromotion(BaseModel):
    """What began to be used, when and why; null is the ranking without use."""

    version: str | None
    at: str
    why: str


class SelectorStatus(BaseModel):
    """What is in use and what was learned."""

    model_config = ConfigDict(json_schema_extra={"examples": [STATUS]})

    active: str | None
    """Null is the ranking without use."""
    new_calls: int
    """Calls recorded since the last version was learned."""
    learn_after: int
    """After so many new calls a version is learned; 0 is never."""
    versions: list[SelectorVersion]
    promotions: list[SelectorPromotion]


class Promote(Taken):
    """A version to rank with."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"version": "3f9a1c2e"}]})

    version: Annotated[str, Field(max_length=200)]
    anyway: Annotated[bool, Field(description="Also if it did not pass the gate.")] = False


@router.get(
    "",
    dependencies=[allowed(Permission.MONITOR)],
    response_model=SelectorStatus,
    summary="Show what was learned from use",
    operation_id="get_selector",
)
async def get_selector(app: GivenApp, caller: GivenCaller) -> JsonObject:
    """What tools are ranked with, the versions that were learned, and how each was judged."""
    return (await app.upkeep.selector(caller=caller)).as_json()


@router.post(
    "/promote",
    dependencies=PROMOTING,
    response_model=SelectorStatus,
    responses=also(404, 409),
    summary="Rank with a version",
    operation_id="promote_selector",
)
async def promote_selector(body: Promote, app: GivenApp, caller: GivenCaller) -> JsonObject:
    """Rank with a version from now on, if it passed the gate when it was learned."""
    return (await app.upkeep.promote(body.version, anyway=body.anyway, caller=caller)).as_json()


@router.post(
    "/rollback",
    dependencies=PROMOTING,
    response_model=SelectorStatus,
    responses=also(409),
    summary="Rank with what was used before",
    operation_id="rollback_selector",
)
async def rollback_selector(app: GivenApp, caller: GivenCaller, once: GivenOnce) -> Response:
    """Rank again with what was used before the present version."""

    async def work() -> JsonObject:
        return (await app.upkeep.rollback(caller=caller)).as_json()

    return await once.answer(work, status=200)
