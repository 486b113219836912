"""Pages of datasets: all of them, and the card of one."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from toolhone.errands import ErrandKind
from toolhone.models import JsonObject
from toolhone.records.datasets import Manifest, Purpose, Split
from toolhone.roles import Permission
from toolhone.server.api.given import GivenApp, GivenCaller, GivenSystem, allowed
from toolhone.server.dashboard.category_choice import ALL_CATEGORIES, category_of
from toolhone.server.dashboard.charts import Chart, Series
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.layout import render

SHOWN = 200

WHAT_FOR = {
    "train": "to train on",
    "validation": "to watch the training with",
    "test": "held out; what a model is judged by",
    "failures": "answers that failed: to judge by, never to learn",
    "pairs": "a good and a failed answer to one request each",
}


def datasets_pages() -> APIRouter:
    router = page_router()

    @router.get("/datasets", dependencies=[allowed(Permission.MONITOR)])
    async def datasets(
        request: Request, app: GivenApp, system: GivenSystem, caller: GivenCaller, category: str = ""
    ) -> HTMLResponse:
        found = await system.datasets(category_of(category), caller=caller)
        return render(
            request,
            "datasets.html",
            title="Datasets",
            nav="datasets",
            datasets=[(one, _rows(one)) for one in found[:SHOWN]],
            left_out=max(0, len(found) - SHOWN),
            going=app.host.errands.going(ErrandKind.DATASET, caller=caller),
            categories=ALL_CATEGORIES,
            category=category,
        )

    @router.get("/datasets/{dataset_id}", dependencies=[allowed(Permission.MONITOR)])
    async def dataset(
        request: Request, system: GivenSystem, caller: GivenCaller, dataset_id: str
    ) -> HTMLResponse:
        manifest = await system.dataset(dataset_id, caller=caller)
        jobs = await system.jobs(category=manifest.category, limit=None, caller=caller)
        return render(
            request,
            "dataset.html",
            title=f"{manifest.category.value}, version {manifest.version}",
            nav="datasets",
            charts=True,
            dataset=manifest,
            rows=_rows(manifest),
            files=[(name, manifest.counts.get(name, 0), what) for name, what in WHAT_FOR.items()],
            figures=manifest.statistics,
            scores=_scores(manifest.statistics),
            task_types=_task_types(manifest.statistics),
            jobs=[job for job in jobs if job.dataset_id == dataset_id],
            usable=manifest.revoked_at is None and manifest.purpose is Purpose.AGENT,
        )

    return router


def _rows(manifest: Manifest) -> int:
    return sum(manifest.counts.get(split.value, 0) for split in Split)


def _scores(figures: JsonObject) -> Chart | None:
    bins = figures.get("score_histogram")
    if not bins:
        return None
    return Chart(
        id="scores",
        caption="Scores of the rows",
        labels=[f"{one['from']:.1f} to {one['to']:.1f}" for one in bins],
        series=[Series(label="Rows", values=[one["rows"] for one in bins])],
        heading="Score",
        whole=True,
    )


def _task_types(figures: JsonObject) -> Chart | None:
    counts: dict[str, int] = figures.get("task_type_distribution") or {}
    if not counts:
        return None
    largest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:24]
    return Chart(
        id="task-types",
        caption="Task types",
        labels=[name for name, _ in largest],
        series=[Series(label="Rows", values=[count for _, count in largest], tone="third")],
        heading="Task type",
        whole=True,
    )
