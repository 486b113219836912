"""The overview: how it goes, by time, and how everything stands, as far as the caller may see."""

from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from toolhone.access import allows
from toolhone.app import App
from toolhone.audit_words import subject
from toolhone.models import Caller, EventKind, Json
from toolhone.records.figures import Overview
from toolhone.roles import Permission
from toolhone.server.api.given import GivenApp, GivenCaller, GivenGateway, known
from toolhone.server.dashboard.audit import Listed
from toolhone.server.dashboard.call_charts import over_time, tokens_over_time
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.layout import render
from toolhone.server.dashboard.servers import TONES
from toolhone.server.dashboard.typed import one_of
from toolhone.server.dashboard.windows import WINDOWS
from toolhone.stores import AuditQuery
from toolhone.work_answers import ACTIVE

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
        shown |= {"servers": None, "jobs": None, "counts": None, "tools": None, "waiting": 0}
        one_of(WINDOWS, window, "time")
        if allows(caller, Permission.READ_AUDIT):
            figures = await app.figures.overview(WINDOWS.get(window, WINDOWS[FIRST]), most_tools=TOOLS)
            if window not in WINDOWS:
                window = SHORT if _is_young(figures) else FIRST
                if window == SHORT:
                    figures = await app.figures.overview(WINDOWS[SHORT], most_tools=TOOLS)
            shown["figures"] = figures
            shown["charts_shown"] = [*over_time(figures), tokens_over_time(figures)]
            shown["refusals"] = await _refusals(app, caller)
        if allows(caller, Permission.FIND_TOOLS):
            shown["tools"] = len(gateway.tools(caller))
            shown["receipt"] = gateway.receipts()
        if allows(caller, Permission.OPERATE):
            shown["servers"] = app.upkeep.servers(caller=caller)
            shown["waiting"] = await app.approvals.count(caller=caller)
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
