"""The form by which two models are compared: first what it would cost at most, then the start."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from toolhone.access import require
from toolhone.errands import ErrandKind, Report
from toolhone.exceptions import ToolhoneError
from toolhone.models import Caller
from toolhone.operations import Finetuning
from toolhone.records.datasets import Manifest, Purpose, Split
from toolhone.roles import Permission
from toolhone.server.api.comparisons import Compared
from toolhone.server.api.given import GivenApp, GivenCaller, GivenSystem, allowed
from toolhone.server.dashboard.category_choice import CATEGORIES
from toolhone.server.dashboard.errands import carry_out
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.filled import Filled, asked, checked, refused, typed
from toolhone.server.dashboard.formats import most_usd
from toolhone.server.dashboard.layout import render
from toolhone.server.dashboard.scorer_choice import scorers_of

WHAT = ("a", "b", "category", "dataset_id", "scorer")
FIELDS = (*WHAT, "max_cost_usd")

PLACES = {"budget_exceeded": "max_cost_usd", "not_found": "dataset_id", "conflict": "dataset_id"}

SHOWN = 100
"""Datasets to choose among."""


def comparison_form_pages() -> APIRouter:
    router = page_router()

    async def page(
        request: Request,
        app: GivenApp,
        system: Finetuning,
        caller: Caller,
        filled: Filled,
        wanted: Compared | None,
    ) -> HTMLResponse:
        """The form, with what it would cost if it is known what is wanted."""
        cost = None
        if wanted is not None:
            try:
                cost = await _cost(system, wanted, caller)
            except ToolhoneError as error:
                filled = filled if filled.status != 200 else _refused(filled.values, wanted, error)
        if cost and not filled.values["max_cost_usd"]:
            proposed = most_usd(cost).lstrip("$").replace(",", "")
            filled = replace(filled, values={**filled.values, "max_cost_usd": proposed})
        datasets = [
            one
            for one in await system.datasets(caller=caller)
            if one.revoked_at is None and one.purpose is Purpose.AGENT
        ]
        return render(
            request,
            "comparison_new.html",
            title="Compare two models",
            nav="models",
            http_status=filled.status,
            filled=filled,
            cost=cost,
            names=await _names(system, caller),
            categories=[("", "that of the models"), *CATEGORIES],
            datasets=[("", "what the models were judged by, else the newest")]
            + [(one.dataset_id, _described(one)) for one in datasets[:SHOWN]],
            nothing=not datasets,
            scorers=scorers_of(app),
        )

    @router.get("/comparisons/new", dependencies=[allowed(Permission.PREPARE)])
    async def new(request: Request, app: GivenApp, system: GivenSystem, caller: GivenCaller) -> HTMLResponse:
        """To ask what it costs changes nothing, so that is a matter of the address."""
        named = asked(request, FIELDS)
        values = {**dict.fromkeys(FIELDS, ""), **named}
        wanted, wrong = None, dict[str, str]()
        if {"a", "b"} <= named.keys():
            wanted, wrong = checked(Compared, _said(values, WHAT))
        return await page(request, app, system, caller, Filled(values=values, errors=wrong), wanted)

    @router.post("/comparisons/new", dependencies=[allowed(Permission.PREPARE)])
    async def start(request: Request, app: GivenApp, system: GivenSystem, caller: GivenCaller) -> Response:
        values = await typed(request, FIELDS)
        # Who names no sum agrees to none.
        wanted, wrong = checked(Compared, _said(values, FIELDS))
        if wanted is None:
            which, _ = checked(Compared, _said(values, WHAT))
            return await page(request, app, system, caller, Filled(values=values, errors=wrong), which)
        if wanted.max_cost_usd > 0:
            require(caller, Permission.APPROVE)

        async def work(report: Report) -> str:
            made = await system.compare(
                wanted.a,
                wanted.b,
                dataset_id=wanted.dataset_id,
                category=wanted.category,
                scorer=wanted.scorer,
                at_most_usd=wanted.max_cost_usd,
                caller=caller,
                progress=report,
            )
            return made.comparison_id or ""

        title = f"Comparing {wanted.b} against {wanted.a}"
        outcome = await carry_out(
            app, ErrandKind.COMPARISON, title, work, typed=values, places=PLACES, caller=caller
        )
        if isinstance(outcome, Filled):
            return await page(request, app, system, caller, outcome, wanted)
        return outcome

    return router


async def _cost(system: Finetuning, wanted: Compared, caller: Caller) -> float:
    return await system.comparison_usd(
        wanted.a,
        wanted.b,
        dataset_id=wanted.dataset_id,
        category=wanted.category,
        scorer=wanted.scorer,
        caller=caller,
    )


async def _names(system: Finetuning, caller: Caller) -> list[str]:
    """What can be compared, by the names that are known here: models, aliases and what models came from."""
    models = [one for one in await system.models(caller=caller) if one.tainted is None]
    aliases = await system.aliases(caller=caller)
    bases = {f"{one.provider.value}:{one.base_model}" for one in models if one.base_model}
    return [
        *(f"{one.category.value}/{one.alias}" for one in aliases if one.model_id is not None),
        *(one.model_id for one in models),
        *sorted(bases),
    ]


def _said(values: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    return {name: values[name].strip() for name in names}


def _refused(values: Mapping[str, str], wanted: Compared, error: ToolhoneError) -> Filled:
    sides = {wanted.b: "b", wanted.a: "a"}
    if (side := sides.get(str(error.data.get("model")))) is not None:
        return Filled(values=values, errors={side: error.message})
    return refused(values, error.code, error.message, PLACES, about=error.data.get("field"))


def _described(manifest: Manifest) -> str:
    held_out = manifest.counts.get(Split.TEST.value, 0)
    return f"{manifest.category.value}, version {manifest.version}: {held_out:,} rows held out"
