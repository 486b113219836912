"""Pages of comparisons between two models, and each as a file that opens anywhere."""

from collections import Counter

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from toolhone.errands import ErrandKind
from toolhone.roles import Permission
from toolhone.server.api.comparisons import sent_report
from toolhone.server.api.given import GivenApp, GivenCaller, GivenSystem, allowed
from toolhone.server.dashboard.charts import Chart, Series
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.formats import milliseconds
from toolhone.server.dashboard.layout import render
from toolhone.training.comparison_report import MOST_TASK_TYPES, STEPS
from toolhone.training.model_comparison import Compared, ModelComparison


def comparisons_pages() -> APIRouter:
    router = page_router()

    @router.get("/comparisons", dependencies=[allowed(Permission.MONITOR)])
    async def comparisons(
        request: Request, app: GivenApp, system: GivenSystem, caller: GivenCaller
    ) -> HTMLResponse:
        found = await system.comparisons(caller=caller)
        return render(
            request,
            "comparisons.html",
            title="Comparisons",
            nav="models",
            comparisons=[(one, _verdict(one.overall)) for one in found],
            going=app.host.errands.going(ErrandKind.COMPARISON, caller=caller),
        )

    @router.get("/comparisons/{comparison_id}", dependencies=[allowed(Permission.READ_WORK)])
    async def comparison(
        request: Request, system: GivenSystem, caller: GivenCaller, comparison_id: str
    ) -> HTMLResponse:
        found = await system.comparison(comparison_id, caller=caller)
        return render(
            request,
            "comparison.html",
            title=f"{found.overall.b.name} against {found.overall.a.name}",
            nav="models",
            charts=True,
            comparison=found,
            a=found.overall.a,
            b=found.overall.b,
            verdict=_verdict(found.overall),
            scores=_scores(found),
            differences=_differences(found),
            latency=_latency(found),
        )

    @router.get("/comparisons/{comparison_id}/report", dependencies=[allowed(Permission.READ_WORK)])
    async def report(system: GivenSystem, caller: GivenCaller, comparison_id: str) -> Response:
        return await sent_report(await system.comparison(comparison_id, caller=caller))

    return router


def _verdict(overall: Compared) -> tuple[str, str]:
    """Which is better, in a word and its colour."""
    if overall.paired.surely_better:
        return "B is better", "good"
    if overall.paired.surely_worse:
        return "B is worse", "bad"
    return "cannot be told", "plain"


def _scores(comparison: ModelComparison) -> Chart:
    largest = sorted(comparison.by_task_type.items(), key=lambda item: -item[1].n)[:MOST_TASK_TYPES]
    shown = dict(sorted(largest))
    return Chart(
        id="scores",
        caption="Mean score by task type",
        labels=list(shown),
        series=[
            Series(label="A", values=[one.a.score.mean for one in shown.values()], tone="dim"),
            Series(label="B", values=[one.b.score.mean for one in shown.values()], tone="second"),
        ],
        heading="Task type",
    )


def _differences(comparison: ModelComparison) -> Chart:
    counts = Counter(round(difference * STEPS) for difference in comparison.differences)
    steps = range(-STEPS, STEPS + 1)
    return Chart(
        id="differences",
        caption="How many rows changed by how much",
        labels=[f"{step / STEPS:+.1f}" if step else "0" for step in steps],
        series=[Series(label="Rows", values=[counts[step] for step in steps], tone="second")],
        heading="Score of B minus A",
        whole=True,
    )


def _latency(comparison: ModelComparison) -> Chart:
    sides = comparison.overall.a, comparison.overall.b
    return Chart(
        id="latency",
        caption="Latency of a turn",
        labels=["Median", "95th percentile"],
        series=[
            Series(label="A", values=[sides[0].latency_p50_ms, sides[0].latency_p95_ms], tone="dim"),
            Series(label="B", values=[sides[1].latency_p50_ms, sides[1].latency_p95_ms], tone="second"),
        ],
        heading="",
        unit="ms",
        write=milliseconds,
    )
