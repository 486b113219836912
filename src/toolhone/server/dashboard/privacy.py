"""The page of privacy: what is kept for how long and where it goes, and erasing an agent or a user."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from toolhone.access import permissions
from toolhone.exceptions import InvalidRequestError
from toolhone.models import Category
from toolhone.roles import Permission
from toolhone.server.api.backup import TarAnswer, sent
from toolhone.server.api.given import GivenApp, GivenCaller, GivenSystem, allowed
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.layout import render
from toolhone.server.stored import inventory_of
from toolhone.settings import Settings

if TYPE_CHECKING:
    from toolhone.keeping.backup import Backup

WHOSE = [("agent", "an agent, by its id"), ("user", "a user, by the id that was handed in")]

DONE = {
    "pruned": "Snapshots older than their category allows are deleted.",
    "emptied": "Rows of the audit older than the settings allow hold nothing any more.",
    "exported": "The exports are up to date.",
}

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
        # A credential can be narrower than any role.
        sees_data = Permission.OPERATE in permissions(caller)
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
            inventory=await inventory_of(app, caller=caller) if sees_data else None,
            exports=await app.keeping.exports_now(caller=caller) if sees_data else None,
        )

    @router.post("/privacy/prune", dependencies=[allowed(Permission.ERASE)])
    async def prune(system: GivenSystem, caller: GivenCaller) -> RedirectResponse:
        await system.prune(caller=caller)
        return RedirectResponse("/privacy?done=pruned", 303)

    @router.post("/privacy/prune-audit", dependencies=[allowed(Permission.ERASE)])
    async def prune_audit(app: GivenApp, caller: GivenCaller) -> RedirectResponse:
        await app.keeping.prune_audit(caller=caller)
        return RedirectResponse("/privacy?done=emptied", 303)

    @router.post("/privacy/export", dependencies=[allowed(Permission.ADMINISTER)])
    async def export(app: GivenApp, caller: GivenCaller) -> RedirectResponse:
        await app.keeping.export(caller=caller)
        return RedirectResponse("/privacy?done=exported", 303)

    @router.post("/privacy/check", dependencies=[allowed(Permission.OPERATE)])
    async def check(request: Request, app: GivenApp, caller: GivenCaller) -> HTMLResponse:
        """Examine the data folder and say what was found. Nothing is changed."""
        found = await app.keeping.examine(caller=caller)
        return render(request, "checked.html", title="The data folder", nav="privacy", found=found)

    @router.post("/privacy/backup", response_class=TarAnswer, dependencies=[allowed(Permission.ADMINISTER)])
    async def backup(made: Annotated["Backup", Depends(_made)]) -> Response:
        return sent(made)

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


async def _made(
    app: GivenApp, caller: GivenCaller, with_results: Annotated[bool, Form()] = False
) -> AsyncGenerator["Backup"]:
    async with app.keeping.download(with_results=with_results, caller=caller) as made:
        yield made


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
