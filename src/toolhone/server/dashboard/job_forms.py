"""The form by which a training is planned, and the page of a plan: what it takes before anything is spent."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from toolhone.errands import ErrandKind, Report
from toolhone.models import Caller, Json
from toolhone.operations import Finetuning
from toolhone.records.datasets import Manifest, Split
from toolhone.records.jobs import FinetuningConfig, FinetuningProvider, JobStatus
from toolhone.roles import Permission
from toolhone.server.api.given import GivenApp, GivenCaller, GivenSystem, allowed
from toolhone.server.dashboard.category_choice import CATEGORIES
from toolhone.server.dashboard.errands import carry_out
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.filled import Filled, asked, checked, defaults, typed, written
from toolhone.server.dashboard.formats import query, segment
from toolhone.server.dashboard.layout import render
from toolhone.server.dashboard.scorer_choice import scorers_of

NUMBERS = (
    *("n_epochs", "batch_size", "learning_rate", "seed"),
    *("min_training_samples", "min_validation_accuracy", "max_training_cost_usd", "max_training_hours"),
)
WORDS = ("base_model", "scorer", "model_version", "description", "tags")
FIELDS = ("category", "provider", "dataset_id", *NUMBERS, *WORDS)

PLACES = {
    "insufficient_data": "min_training_samples",
    "budget_exceeded": "max_training_cost_usd",
    "provider_not_set_up": "provider",
    "not_found": "dataset_id",
    "conflict": "dataset_id",
}

SHOWN = 100
"""Datasets to choose among."""


def job_form_pages() -> APIRouter:
    router = page_router()

    async def page(
        request: Request, app: GivenApp, system: Finetuning, caller: Caller, filled: Filled
    ) -> HTMLResponse:
        datasets = [one for one in await system.datasets(caller=caller) if one.revoked_at is None]
        providers = system.capabilities(caller=caller)
        return render(
            request,
            "job_new.html",
            title="Plan a training",
            nav="jobs",
            http_status=filled.status,
            filled=filled,
            categories=[("", "Choose…"), *CATEGORIES],
            providers=providers,
            provider_choices=[
                (one.provider.value, one.provider.value + ("" if one.available else " (not set up here)"))
                for one in providers
            ],
            datasets=[("", "the newest of the category")]
            + [(one.dataset_id, _described(one)) for one in datasets[:SHOWN]],
            nothing=not datasets,
            scorers=scorers_of(app),
        )

    @router.get("/jobs/new", dependencies=[allowed(Permission.TRAIN)])
    async def new(request: Request, app: GivenApp, system: GivenSystem, caller: GivenCaller) -> HTMLResponse:
        able = [one.provider for one in system.capabilities(caller=caller) if one.available]
        values = {
            **dict.fromkeys((*FIELDS, "tags"), ""),
            **defaults(FinetuningConfig, (*NUMBERS, "model_version")),
            "provider": (able or [FinetuningProvider.LOCAL])[0].value,
            **asked(request, FIELDS),
        }
        return await page(request, app, system, caller, Filled(values=values))

    @router.post("/jobs/new", dependencies=[allowed(Permission.TRAIN)])
    async def estimate(request: Request, app: GivenApp, system: GivenSystem, caller: GivenCaller) -> Response:
        """Plan it. Some providers look into the model and the data first, which takes a while."""
        values = await typed(request, FIELDS)
        dataset_id = values["dataset_id"].strip() or None
        config, wrong = checked(FinetuningConfig, _given(values))
        if config is None:
            return await page(request, app, system, caller, Filled(values=values, errors=wrong))

        async def work(report: Report) -> str:
            return (await system.estimate(config, dataset_id=dataset_id, caller=caller)).plan_id

        title = f"Estimating a training for {config.category.value}"
        outcome = await carry_out(
            app, ErrandKind.ESTIMATE, title, work, typed=values, places=PLACES, caller=caller
        )
        if isinstance(outcome, Filled):
            return await page(request, app, system, caller, outcome)
        return outcome

    @router.get("/jobs/plans/{plan_id}", dependencies=[allowed(Permission.MONITOR)])
    async def plan(request: Request, system: GivenSystem, caller: GivenCaller, plan_id: str) -> HTMLResponse:
        found = await system.plan(plan_id, caller=caller)
        config = found.config
        limit, reserved, spent = await system.budget(config.category, caller=caller)
        jobs = await system.jobs(category=config.category, limit=None, caller=caller)
        return render(
            request,
            "plan.html",
            title=f"{config.base_model or config.provider.value} for {config.category.value}",
            nav="jobs",
            plan=found,
            config=config,
            estimate=found.estimate,
            dataset=await system.dataset(found.dataset_id, caller=caller),
            left=None if limit is None else max(0.0, limit - reserved - spent),
            job=next((one for one in jobs if one.plan_id == plan_id), None),
            expired=datetime.now(UTC).isoformat() >= found.expires_at,
            again="/jobs/new" + query(_typed_of(config), dataset_id=found.dataset_id),
        )

    @router.post("/jobs/plans/{plan_id}/create", dependencies=[allowed(Permission.TRAIN)])
    async def create(system: GivenSystem, caller: GivenCaller, plan_id: str) -> RedirectResponse:
        """Create the plan's job. It has one: whoever sends this twice comes to the same."""
        job = await system.create_job(plan_id=plan_id, caller=caller)
        done = "waits" if job.status is JobStatus.AWAITING_APPROVAL else "created"
        return RedirectResponse(f"/jobs/{segment(job.job_id)}?done={done}", 303)

    return router


def _given(values: dict[str, str]) -> dict[str, Json]:
    """What was typed, as a configuration takes it."""
    tags = [tag.strip() for tag in values["tags"].split(",") if tag.strip()]
    texts = {name: text.strip() for name, text in values.items() if name not in {"dataset_id", "tags"}}
    return {**texts, "tags": tags}


def _typed_of(config: FinetuningConfig) -> dict[str, str]:
    """A configuration as it would be typed."""
    told = config.model_dump(mode="json", exclude_none=True)
    told["tags"] = ", ".join(config.tags)
    return {name: written(value) for name, value in told.items()}


def _described(manifest: Manifest) -> str:
    rows = manifest.counts.get(Split.TRAIN.value, 0)
    return f"{manifest.category.value}, version {manifest.version}: {rows:,} rows to train on"
