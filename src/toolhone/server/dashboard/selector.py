"""The page of the selector: what it ranks with, and how each version that was learned from use was judged."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from toolhone.exceptions import NotFoundError
from toolhone.models import Category, Json, JsonObject
from toolhone.roles import Permission
from toolhone.selection.learning_reports import status_of
from toolhone.server.api.given import GivenApp, GivenCaller, GivenSystem, allowed
from toolhone.server.dashboard.charts import Chart, Series
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.formats import NOTHING
from toolhone.server.dashboard.layout import render
from toolhone.stores import LearnedVersion
from toolhone.training.selector_alias import is_selector

TONES = {"active": "good", "promoted": "busy", "expired": "plain"}
"""How the state of a version is coloured; one that did not pass is a warning."""

DONE = {
    "promoted": "This version is served from now on.",
    "rolled_back": "What was served before is served again.",
}

SHOWN = 50


def selector_pages() -> APIRouter:
    router = page_router()

    @router.get("/selector", dependencies=[allowed(Permission.MONITOR)])
    async def selector(
        request: Request, app: GivenApp, system: GivenSystem, caller: GivenCaller, done: str = ""
    ) -> HTMLResponse:
        status = await app.upkeep.selector(caller=caller)
        aliases = await system.aliases(Category.GENERAL, caller=caller)
        versions = list(status.versions)[:SHOWN]
        return render(
            request,
            "selector.html",
            title="Selector",
            nav="selector",
            charts=True,
            learned=status,
            versions=[(one, status_of(one, status.active), _verdict(one)) for one in versions],
            names={one.version: one for one in status.versions},
            encoder=next((one for one in aliases if is_selector(one.category, one.alias)), None),
            quality=_quality(versions),
            differences=_differences(versions),
            tones=TONES,
            done=DONE.get(done),
        )

    @router.get("/selector/promote", dependencies=[allowed(Permission.PROMOTE)])
    async def ask_promote(request: Request, app: GivenApp, caller: GivenCaller, version: str) -> HTMLResponse:
        status = await app.upkeep.selector(caller=caller)
        found = next((one for one in status.versions if one.version == version), None)
        if found is None:
            raise NotFoundError(f"There is no learned version {version!r}.")
        return render(
            request,
            "selector_promote.html",
            title=f"Serve version {version}",
            nav="selector",
            version=found,
            active=status.active,
            verdict=_verdict(found),
        )

    @router.post("/selector/promote", dependencies=[allowed(Permission.PROMOTE)])
    async def promote(
        app: GivenApp,
        caller: GivenCaller,
        version: Annotated[str, Form()],
        anyway: Annotated[bool, Form()] = False,
    ) -> RedirectResponse:
        await app.upkeep.promote(version, anyway=anyway, caller=caller)
        return RedirectResponse("/selector?done=promoted", 303)

    @router.post("/selector/rollback", dependencies=[allowed(Permission.PROMOTE)])
    async def rollback(app: GivenApp, caller: GivenCaller) -> RedirectResponse:
        await app.upkeep.rollback(caller=caller)
        return RedirectResponse("/selector?done=rolled_back", 303)

    return router


def _verdict(version: LearnedVersion) -> JsonObject:
    return version.figures.get("verdict") or {}


def _judged(versions: list[LearnedVersion]) -> list[LearnedVersion]:
    """Those that there was enough to judge by, the oldest first."""
    return [one for one in reversed(versions) if _verdict(one).get("recall") is not None]


def _quality(versions: list[LearnedVersion]) -> Chart | None:
    """How good each version was on the requests it was judged by; they differ from version to version."""
    judged = _judged(versions)
    if not judged:
        return None

    def reached(version: LearnedVersion, figure: str) -> float:
        verdict = _verdict(version)
        return float(verdict[f"current_{figure}"]) + float(verdict[figure]["mean"])

    return Chart(
        id="quality",
        caption="How often the right tools are found",
        summary="By version; each on the requests that came after those it learned from.",
        labels=[one.version for one in judged],
        series=[
            Series(label="Recall in the first 5", values=[reached(one, "recall") for one in judged]),
            Series(label="nDCG at 5", values=[reached(one, "ndcg") for one in judged], tone="third"),
        ],
        kind="line" if len(judged) > 1 else "bar",
        heading="Version",
        write=lambda value: NOTHING if value is None else f"{value:.3f}",
    )


def _differences(versions: list[LearnedVersion]) -> Chart | None:
    judged = _judged(versions)
    if not judged:
        return None

    def points(version: LearnedVersion, figure: str) -> float | None:
        interval: Json = _verdict(version).get(figure)
        return None if interval is None else 100 * float(interval["mean"])

    return Chart(
        id="differences",
        caption="Against what was served",
        summary="Points of nDCG at 5: all requests, and those whose tools had no use yet.",
        labels=[one.version for one in judged],
        series=[
            Series(label="All requests", values=[points(one, "ndcg") for one in judged]),
            Series(label="New tools", values=[points(one, "cold_ndcg") for one in judged], tone="second"),
        ],
        heading="Version",
        unit="points",
        write=lambda value: NOTHING if value is None else f"{value:+.1f}",
    )
