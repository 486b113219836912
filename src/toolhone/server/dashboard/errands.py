"""Pages of work that goes on while nobody waits for it: how it goes, what came of it, and stopping it."""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from toolhone.app import App
from toolhone.errands import Errand, ErrandKind, ErrandState, Work
from toolhone.exceptions import ConflictError
from toolhone.models import Caller
from toolhone.server.api.given import GivenApp, GivenCaller, known
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.filled import Filled, refused
from toolhone.server.dashboard.formats import query, segment
from toolhone.server.dashboard.layout import render

SHORTLY = 1.5
"""Seconds for which an answer waits: most preparations are over then, and nobody needs to see them go on."""

NAV = {ErrandKind.DATASET: "datasets", ErrandKind.ESTIMATE: "jobs", ErrandKind.COMPARISON: "models"}

LISTS = {
    ErrandKind.DATASET: ("Datasets", "/datasets"),
    ErrandKind.ESTIMATE: ("Jobs", "/jobs"),
    ErrandKind.COMPARISON: ("Comparisons", "/comparisons"),
}
"""Where what comes of it is listed."""

FORMS = {
    ErrandKind.DATASET: "/datasets/new",
    ErrandKind.ESTIMATE: "/jobs/new",
    ErrandKind.COMPARISON: "/comparisons/new",
}

MADE = {
    ErrandKind.DATASET: ("The dataset is ready.", "See the dataset"),
    ErrandKind.ESTIMATE: ("The estimate is ready. Nothing was spent.", "See the estimate"),
    ErrandKind.COMPARISON: ("The comparison is ready.", "See the comparison"),
}
"""What is said at the end, and what the way to it is called."""


def errands_pages() -> APIRouter:
    router = page_router()

    # What it takes depends on the kind of work, which the service knows.
    @router.get("/errands/{errand_id}", dependencies=[known()])
    async def errand(request: Request, app: GivenApp, caller: GivenCaller, errand_id: str) -> HTMLResponse:
        found = app.host.errands.find(errand_id, caller=caller)
        return render(
            request,
            "errand.html",
            title=found.title,
            nav=NAV[found.kind],
            errand=found,
            listed=LISTS[found.kind],
            made=MADE[found.kind],
            address=address_of(found),
            again=FORMS[found.kind] + query(found.asked),
        )

    @router.post("/errands/{errand_id}/stop", dependencies=[known()])
    async def stop(app: GivenApp, caller: GivenCaller, errand_id: str) -> RedirectResponse:
        app.host.errands.stop(errand_id, caller=caller)
        await app.host.errands.wait(errand_id, seconds=SHORTLY)
        return RedirectResponse(f"/errands/{segment(errand_id)}", 303)

    return router


async def carry_out(
    app: App,
    kind: ErrandKind,
    title: str,
    work: Work,
    *,
    typed: Mapping[str, str],
    places: Mapping[str, str],
    caller: Caller,
) -> RedirectResponse | Filled:
    """Have what a form asks for done: leads to what came of it, or to how it goes if that takes longer.

    Returns:
        The form, with what was said against it, if it was refused at once.
    """
    errands = app.host.errands
    try:
        begun = errands.begin(kind, title, work, asked=typed, caller=caller)
    except ConflictError as error:
        return Filled(values=typed, problem=error.message)
    errand = await errands.wait(begun.errand_id, seconds=SHORTLY)
    if errand.state is ErrandState.FAILED:
        return refused(typed, errand.error_code or "", errand.error or "", places, about=errand.error_about)
    done = errand.state is ErrandState.DONE
    return RedirectResponse(address_of(errand) if done else f"/errands/{segment(errand.errand_id)}", 303)


def address_of(errand: Errand) -> str:
    """The page of what came of it; of its list if it could not be kept, or is not there yet."""
    if not errand.made:
        return LISTS[errand.kind][1]
    if errand.kind is ErrandKind.ESTIMATE:
        return f"/jobs/plans/{segment(errand.made)}"
    return f"{LISTS[errand.kind][1]}/{segment(errand.made)}"
