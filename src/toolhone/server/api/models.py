"""Models, and what their aliases stand for, over REST."""

from typing import Annotated

from fastapi import Path, Response
from pydantic import BaseModel, ConfigDict, Field

from toolhone.models import Category
from toolhone.records.jobs import AliasChange, ModelRecord
from toolhone.roles import Permission
from toolhone.server.api.endpoints import endpoints
from toolhone.server.api.examples_of_work import ALIAS, MODEL, page, shown
from toolhone.server.api.given import GivenCaller, GivenSystem, allowed
from toolhone.server.api.idempotency import GivenOnce
from toolhone.server.api.openapi import also
from toolhone.server.api.paging import Cursor, Limit, Page, page_of

router = endpoints(tag="models")

AliasName = Annotated[str, Path(max_length=50, examples=["production"])]


class AliasWanted(BaseModel):
    """Which model an alias is to stand for."""

    model_config = ConfigDict(
        extra="forbid",
        protected_namespaces=(),
        json_schema_extra={"examples": [{"model_id": MODEL["model_id"]}]},
    )

    model_id: Annotated[str, Field(min_length=1, max_length=200)]
    override: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=1_000,
            description="Why a model is used that did not pass its gate or is marked. Recorded.",
        ),
    ] = None


@router.get(
    "/models",
    operation_id="list_models",
    summary="Models, a page at a time",
    responses={200: page(MODEL), **also()},
    dependencies=[allowed(Permission.MONITOR)],
)
async def models(
    system: GivenSystem,
    caller: GivenCaller,
    category: Category | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ModelRecord]:
    """What jobs made, the newest first."""
    found = await system.models(category, caller=caller)
    return page_of(found, limit, cursor, name=lambda one: one.model_id)


@router.get(
    "/models/{model_id:path}",
    operation_id="get_model",
    summary="A model and its gate's verdict",
    responses={200: shown(MODEL), **also(404)},
    dependencies=[allowed(Permission.MONITOR)],
)
async def model(
    model_id: Annotated[str, Path(max_length=200, examples=[MODEL["model_id"]])],
    system: GivenSystem,
    caller: GivenCaller,
) -> ModelRecord:
    """What it was made of, whether it passed, and whether it is not to be used any more."""
    return await system.model(model_id, caller=caller)


@router.get(
    "/aliases",
    operation_id="list_aliases",
    summary="What aliases stand for",
    responses={200: shown([ALIAS]), **also()},
    dependencies=[allowed(Permission.MONITOR)],
)
async def aliases(
    system: GivenSystem, caller: GivenCaller, category: Category | None = None
) -> list[AliasChange]:
    """What each alias stands for now, since when and why; `model_id` null is the base model."""
    return await system.aliases(category, caller=caller)


@router.get(
    "/aliases/{category}/{alias}",
    operation_id="get_alias_history",
    summary="What an alias stood for",
    responses={200: shown([ALIAS]), **also()},
    dependencies=[allowed(Permission.MONITOR)],
)
async def alias_history(
    category: Category, alias: AliasName, system: GivenSystem, caller: GivenCaller
) -> list[AliasChange]:
    """Every change of it, the newest first; none if it was never set."""
    return await system.alias_history(category, alias, caller=caller)


@router.put(
    "/aliases/{category}/{alias}",
    operation_id="set_alias",
    summary="Let an alias stand for a model",
    responses={200: shown(ALIAS), **also(404, 409)},
    dependencies=[allowed(Permission.PROMOTE)],
)
async def set_alias(
    category: Category, alias: AliasName, body: AliasWanted, system: GivenSystem, caller: GivenCaller
) -> AliasChange:
    """The model must have passed its gate, or `override` says why it is used all the same."""
    return await system.set_alias(category, alias, body.model_id, override=body.override, caller=caller)


@router.post(
    "/aliases/{category}/{alias}/rollback",
    operation_id="rollback_alias",
    summary="Let an alias stand for what it stood for before",
    response_model=AliasChange,
    responses={200: shown(ALIAS), **also(409)},
    dependencies=[allowed(Permission.PROMOTE)],
)
async def rollback_alias(
    category: Category, alias: AliasName, system: GivenSystem, caller: GivenCaller, once: GivenOnce
) -> Response:
    """Again, for what it stood for before that; at the end for the base model."""
    return await once.answer(lambda: system.rollback_alias(category, alias, caller=caller), status=200)
