"""The page of privacy: what is kept for how long, and erasing an agent or a user."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from toolhone.exceptions import InvalidRequestError
from toolhone.models import Category
from toolhone.roles import Permission
from toolhone.server.api.given import GivenApp, GivenCaller, GivenSystem, allowed
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.layout import render
from toolhone.settings import Settings

WHOSE = [("agent", "an agent, by its id"), ("user", "a user, by the id that was handed in")]

DONE = {"pruned": "Snapshots older than their category allows are deleted."}

Kind = Literal["agent", "user"]


def privacy_pages() -> APIRouter:
    router = page_router()

    def confirm(
        request: Request, kind: Kind, name: str, *, problem: str = "", status: int = 200
    ) -> HTMLResponse:
        """Ask once more before anything is erased."""
        return render(
            request,
            "erase.html",
            title=f"Erase {'an agent' if kind == 'agent' else 'a user'}",
            nav="privacy",
            http_status=status,
            kind=kind,
            name=name,
            problem=problem,
        )

    @router.get("/privacy", dependencies=[allowed(Permission.ERASE)])
    async def privacy(
        request: Request, app: GivenApp, system: GivenSystem, caller: GivenCaller, done: str = ""
    ) -> HTMLResponse:
        counts = await system.counts(caller=caller)
        return render(
            request,
            "privacy.html",
            title="Privacy",
            nav="privacy",
            kept={count.category: count for count in counts},
            days=_days(app.settings),
            modes=_modes(app.settings),
            settings=app.settings,
            whose=WHOSE,
            done=DONE.get(done),
        )

    @router.post("/privacy/prune", dependencies=[allowed(Permission.ERASE)])
    async def prune(system: GivenSystem, caller: GivenCaller) -> RedirectResponse:
        await system.prune(caller=caller)
        return RedirectResponse("/privacy?done=pruned", 303)

    # Both are posted: an address would keep the name of a person in histories.

    @router.post("/privacy/ask", dependencies=[allowed(Permission.ERASE)])
    async def ask(
        request: Request, kind: Annotated[Kind, Form()], name: Annotated[str, Form()]
    ) -> HTMLResponse:
        return confirm(request, kind, _named(name))

    @router.post("/privacy/erase", dependencies=[allowed(Permission.ERASE)])
    async def erase(
        request: Request,
        system: GivenSystem,
        caller: GivenCaller,
        kind: Annotated[Kind, Form()],
        name: Annotated[str, Form()],
        again: Annotated[str, Form()] = "",
    ) -> HTMLResponse:
        """Erase, and say what came of it. To send it again finds nothing more, and is harmless."""
        named = _named(name)
        if again.strip() != named:
            return confirm(
                request, kind, named, problem="Nothing was erased: this is not the id.", status=400
            )
        erased = await system.erase(
            agent_id=named if kind == "agent" else None,
            user_id=named if kind == "user" else None,
            caller=caller,
        )
        return render(request, "erased.html", title="Erased", nav="privacy", kind=kind, erased=erased)

    return router


def _named(name: str) -> str:
    if not name.strip():
        raise InvalidRequestError("Name the agent or the user to erase.")
    return name.strip()


def _days(settings: Settings) -> dict[Category, int | None]:
    """How many days snapshots are kept; `None` is for ever."""
    every = settings.snapshot_days.get("*")
    return {one: settings.snapshot_days.get(one.value, every) for one in Category}


def _modes(settings: Settings) -> dict[Category, str]:
    """What of a tool call becomes a snapshot by itself."""
    every = settings.snapshots.get("*", "off")
    return {one: settings.snapshots.get(one.value, every) for one in Category}
