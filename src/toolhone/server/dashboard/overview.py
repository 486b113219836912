"""The overview: how it goes, by time, and how everything stands, as far as the caller may see."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from toolhone.access import allows
from toolhone.app import App
from toolhone.audit_words import subject
from toolhone.models import Caller, EventKind, Json
from toolhone.operations import ACTIVE
from toolhone.records.figures import Overview
from toolhone.roles import Permission
from toolhone.server.api.catalog import visible
from toolhone.server.api.given import GivenApp, GivenCaller, GivenGateway, known
from toolhone.server.dashboard.audit import Listed
from toolhone.server.dashboard.charts import Chart, Series
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.formats import compact, milliseconds
from toolhone.server.dashboard.layout import render
from toolhone.server.dashboard.servers import TONES
from toolhone.stores import AuditQuery

WINDOWS = {
    "1h": timedelta(hours=1),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}

FIRST = "24h"
SHORT = "1h"
"""Is shown first while all there is happened in it."""

REFUSALS = 6
JOBS = 5
TOOLS = 8


def overview_pages() -> APIRouter:
    router = page_router()

    @router.get("/", dependencies=[known()])
    async def overview(
        request: Request, app: GivenApp, gateway: GivenGateway, caller: GivenCaller, window: str = ""
    ) -> HTMLResponse:
        shown: dict[str, Json] = {"figures": None, "charts_shown": [], "refusals": None, "receipt": None}
        shown |= {"servers": None, "jobs": None, "counts": None, "tools": None}
        if allows(caller, Permission.READ_AUDIT):
            figures = await app.figures.overview(WINDOWS.get(window, WINDOWS[FIRST]))
            if window not in WINDOWS:
                window = SHORT if _is_young(figures) else FIRST
                if window == SHORT:
                    figures = await app.figures.overview(WINDOWS[SHORT])
            shown["figures"] = figures
            shown["charts_shown"] = over_time(figures)
            shown["refusals"] = await _refusals(app, caller)
        if allows(caller, Permission.FIND_TOOLS):
            shown["tools"] = len(visible(gateway, caller))
            shown["receipt"] = gateway.receipts()
        if allows(caller, Permission.OPERATE):
            shown["servers"] = app.upkeep.servers(caller=caller)
        if allows(caller, Permission.MONITOR):
            system = await app.finetuning()
            shown["jobs"] = await system.jobs(status=ACTIVE, limit=JOBS, caller=caller)
            shown["counts"] = await system.counts(caller=caller)
        return render(
            request,
            "overview.html",
            title="Overview",
            nav="overview",
            charts=bool(shown["charts_shown"]),
            window=window,
            windows=list(WINDOWS),
            tones=TONES,
            most_tools=TOOLS,
            **shown,
        )

    return router


async def _refusals(app: App, caller: Caller) -> list[Listed]:
    rows = await app.oversight.rows(AuditQuery(kinds=(EventKind.REFUSAL,), limit=REFUSALS), caller=caller)
    return [Listed(row, subject(row)) for row in rows]


def _is_young(figures: Overview) -> bool:
    """Whether nothing happened before the last hour."""
    since = datetime.fromisoformat(figures.until) - WINDOWS[SHORT]
    older = (point for point in figures.points if datetime.fromisoformat(point.start) < since)
    return not any(point.calls or point.selections or point.refusals for point in older)


def over_time(figures: Overview) -> list[Chart]:
    """The three figures of calls, times and tokens."""
    points = figures.points
    labels = moments([point.start for point in points], figures.width_seconds)
    calls = Chart(
        id="calls",
        caption="Calls",
        labels=labels,
        series=(
            Series(label="ok", values=[point.calls - point.errors for point in points], tone="first"),
            Series(label="failed", values=[point.errors for point in points], tone="bad"),
            Series(label="refused", values=[point.refusals for point in points], tone="warn"),
        ),
        stacked=True,
        whole=True,
    )
    latency = Chart(
        id="latency",
        caption="Time of calls",
        labels=labels,
        series=(
            Series(label="p50", values=[point.latency.p50 for point in points], tone="first"),
            Series(label="p95", values=[point.latency.p95 for point in points], tone="second"),
            Series(label="p99", values=[point.latency.p99 for point in points], tone="third"),
        ),
        kind="line",
        unit="ms",
        write=milliseconds,
    )
    tokens = Chart(
        id="tokens",
        caption="Tokens of tool definitions",
        labels=labels,
        series=(
            Series(label="sent", values=[point.tokens_sent for point in points], tone="second"),
            Series(label="saved", values=[max(0, point.tokens_saved) for point in points], tone="good"),
        ),
        stacked=True,
        whole=True,
        write=compact,
    )
    return [calls, latency, tokens]


def moments(starts: Sequence[str], width_seconds: int) -> list[str]:
    """How the spans of a series are named: by the time of day, with the day, or by the day. In UTC."""
    parsed = [datetime.fromisoformat(start) for start in starts]
    if width_seconds >= 86_400:
        return [f"{moment:%b} {moment.day}" for moment in parsed]
    days = {moment.date() for moment in parsed}
    if len(days) <= 2:
        return [f"{moment:%H:%M}" for moment in parsed]
    return [f"{moment:%b} {moment.day} {moment:%H:%M}" for moment in parsed]
