"""The form by which a dataset is prepared."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from toolhone.errands import ErrandKind, Report
from toolhone.models import Caller, Category
from toolhone.operations import Finetuning
from toolhone.records.datasets import DatasetRequest, SplitBy
from toolhone.roles import Permission
from toolhone.server.api.given import GivenApp, GivenCaller, GivenSystem, allowed
from toolhone.server.dashboard.errands import carry_out
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.filled import Filled, asked, checked, defaults, typed
from toolhone.server.dashboard.layout import render

BOUNDS = ("min_samples", "max_samples", "quality_threshold", "time_range_days", "split_by", "balance")
FIELDS = ("category", *BOUNDS)

PLACES = {"insufficient_data": "min_samples"}

SPLITS = [
    (SplitBy.GROUP.value, "by chance, like rows together"),
    (SplitBy.TIME.value, "by time: the newest rows"),
]
"""What is held out, as it can be chosen."""

BALANCES = [("yes", "Cap those that have far more rows"), ("no", "Take all as they are")]


def dataset_form_pages() -> APIRouter:
    router = page_router()

    async def page(request: Request, system: Finetuning, caller: Caller, filled: Filled) -> HTMLResponse:
        counts = {one.category: one for one in await system.counts(caller=caller)}
        kept = [(one, counts[one].snapshots if one in counts else 0) for one in Category]
        return render(
            request,
            "dataset_new.html",
            title="Prepare a dataset",
            nav="datasets",
            http_status=filled.status,
            filled=filled,
            categories=[("", "Choose…")]
            + [(one.value, f"{one.value} ({number:,} snapshots)") for one, number in kept],
            nothing=not any(number for _, number in kept),
            splits=SPLITS,
            balances=BALANCES,
        )

    @router.get("/datasets/new", dependencies=[allowed(Permission.PREPARE)])
    async def new(request: Request, system: GivenSystem, caller: GivenCaller) -> HTMLResponse:
        values = {"category": "", **defaults(DatasetRequest, BOUNDS), **asked(request, FIELDS)}
        return await page(request, system, caller, Filled(values=values))

    @router.post("/datasets/new", dependencies=[allowed(Permission.PREPARE)])
    async def prepare(request: Request, app: GivenApp, system: GivenSystem, caller: GivenCaller) -> Response:
        values = await typed(request, FIELDS)
        wanted, wrong = checked(DatasetRequest, values)
        if wanted is None:
            return await page(request, system, caller, Filled(values=values, errors=wrong))

        async def work(report: Report) -> str:
            return (await system.prepare_dataset(wanted, caller=caller, progress=report)).dataset_id

        title = f"Preparing a dataset of {wanted.category.value}"
        outcome = await carry_out(
            app, ErrandKind.DATASET, title, work, typed=values, places=PLACES, caller=caller
        )
        return await page(request, system, caller, outcome) if isinstance(outcome, Filled) else outcome

    return router
