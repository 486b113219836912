"""Pages of tuned models, and of the aliases that stand for them."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from toolhone.exceptions import InvalidRequestError
from toolhone.models import Category
from toolhone.operations import Finetuning
from toolhone.records.jobs import AliasChange, ModelRecord
from toolhone.roles import Permission
from toolhone.server.api.given import GivenCaller, GivenSystem, allowed
from toolhone.server.dashboard.category_choice import ALL_CATEGORIES, category_of
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.layout import render
from toolhone.training.model_registry import standing

DECISIONS = {"passed": "good", "failed": "bad"}
"""How a gate's decision is coloured; whatever else it says is a warning."""

DONE = {
    "promoted": "The alias stands for this model from now on.",
    "rolled_back": "The alias stands again for what it stood for before.",
}


def models_pages() -> APIRouter:
    router = page_router()

    @router.get("/models", dependencies=[allowed(Permission.MONITOR)])
    async def models(
        request: Request, system: GivenSystem, caller: GivenCaller, category: str = "", done: str = ""
    ) -> HTMLResponse:
        chosen = category_of(category)
        found = await system.models(chosen, caller=caller)
        aliases = await system.aliases(chosen, caller=caller)
        return render(
            request,
            "models.html",
            title="Models",
            nav="models",
            models=found,
            aliases=aliases,
            names=_names(aliases),
            categories=ALL_CATEGORIES,
            category=category,
            tones=DECISIONS,
            done=DONE.get(done),
        )

    @router.get("/models/{model_id:path}", dependencies=[allowed(Permission.MONITOR)])
    async def model(
        request: Request, system: GivenSystem, caller: GivenCaller, model_id: str, done: str = ""
    ) -> HTMLResponse:
        found = await system.model(model_id, caller=caller)
        aliases = await system.aliases(caller=caller)
        return render(
            request,
            "model.html",
            title=found.model_id,
            nav="models",
            model=found,
            against=_against(found),
            aliases=[one for one in aliases if one.model_id == model_id],
            tones=DECISIONS,
            done=DONE.get(done),
        )

    @router.get("/aliases/promote", dependencies=[allowed(Permission.PROMOTE)])
    async def ask_promote(
        request: Request,
        system: GivenSystem,
        caller: GivenCaller,
        model: str,
        alias: str,
    ) -> HTMLResponse:
        found = await system.model(model, caller=caller)
        before = await _now(system, found.category, alias, caller)
        return render(
            request,
            "promote.html",
            title=f"Let {found.category.value}/{alias} stand for another model",
            nav="models",
            model=found,
            alias=alias,
            before=before,
            against=_against(found),
            tones=DECISIONS,
        )

    @router.post("/aliases/promote", dependencies=[allowed(Permission.PROMOTE)])
    async def promote(
        system: GivenSystem,
        caller: GivenCaller,
        model: Annotated[str, Form()],
        alias: Annotated[str, Form()],
        override: Annotated[str, Form()] = "",
    ) -> RedirectResponse:
        found = await system.model(model, caller=caller)
        why = override.strip() or None
        await system.set_alias(found.category, alias, model, override=why, caller=caller)
        return RedirectResponse("/models?done=promoted", 303)

    @router.get("/aliases/rollback", dependencies=[allowed(Permission.PROMOTE)])
    async def ask_rollback(
        request: Request, system: GivenSystem, caller: GivenCaller, category: str, alias: str
    ) -> HTMLResponse:
        chosen = _chosen(category)
        history = await system.alias_history(chosen, alias, caller=caller)
        stands = standing(history)
        if not stands:
            raise InvalidRequestError(
                f"{chosen.value}/{alias} stands for the base model; there is nothing to go back to."
            )
        return render(
            request,
            "rollback.html",
            title=f"Roll {chosen.value}/{alias} back",
            nav="models",
            category=chosen.value,
            alias=alias,
            now=stands[-1],
            before=stands[-2] if len(stands) > 1 else None,
            history=history,
        )

    @router.post("/aliases/rollback", dependencies=[allowed(Permission.PROMOTE)])
    async def rollback(
        system: GivenSystem,
        caller: GivenCaller,
        category: Annotated[str, Form()],
        alias: Annotated[str, Form()],
    ) -> RedirectResponse:
        await system.rollback_alias(_chosen(category), alias, caller=caller)
        return RedirectResponse("/models?done=rolled_back", 303)

    return router


def _chosen(name: str) -> Category:
    category = category_of(name)
    if category is None:
        raise InvalidRequestError("Say which category the alias is of.")
    return category


async def _now(system: Finetuning, category: Category, alias: str, caller: GivenCaller) -> AliasChange | None:
    """What the alias stands for now."""
    aliases = await system.aliases(category, caller=caller)
    return next((one for one in aliases if one.alias == alias), None)


def _names(aliases: list[AliasChange]) -> dict[str, list[str]]:
    """The aliases of each model."""
    names: dict[str, list[str]] = {}
    for one in aliases:
        if one.model_id is not None:
            names.setdefault(one.model_id, []).append(one.alias)
    return names


def _against(model: ModelRecord) -> str | None:
    """Why somebody has to give a reason to use it."""
    if model.tainted is not None:
        return f"It is not to be used any more: {model.tainted}"
    return None if model.passed else f"It did not pass its gate. {model.verdict.get('why') or ''}".strip()
