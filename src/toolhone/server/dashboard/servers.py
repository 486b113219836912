"""The downstream servers: where each stands, and starting one anew."""

from contextlib import suppress
from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from toolhone.access import allows
from toolhone.exceptions import ServerUnavailableError
from toolhone.records.figures import Share
from toolhone.redaction import redact
from toolhone.registry.server_state import ServerStatus
from toolhone.roles import Permission
from toolhone.server.api.given import GivenApp, GivenCaller, allowed
from toolhone.server.api.servers import server_json
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.formats import segment
from toolhone.server.dashboard.layout import render

TONES = {
    ServerStatus.READY: "good",
    ServerStatus.STARTING: "busy",
    ServerStatus.BACKOFF: "warn",
    ServerStatus.NEEDS_LOGIN: "warn",
    ServerStatus.FAILED: "bad",
    ServerStatus.INVALID: "bad",
}
"""The colours of states; the others are quiet."""


WINDOW = timedelta(days=1)
"""Of the figures of each server."""


def servers_pages() -> APIRouter:
    router = page_router()

    @router.get("/servers", dependencies=[allowed(Permission.OPERATE)])
    async def servers(request: Request, app: GivenApp, caller: GivenCaller) -> HTMLResponse:
        shares: dict[str | None, Share] = {}
        if allows(caller, Permission.READ_AUDIT):
            figures = await app.figures.overview(WINDOW, most_tools=0)
            shares = {share.server: share for share in figures.servers}
        return render(
            request,
            "servers.html",
            title="Servers",
            nav="servers",
            servers=[server_json(state) for state in app.upkeep.servers(caller=caller)],
            shares=shares,
            waiting=await app.approvals.count(caller=caller),
            tones=TONES,
            notices=[redact(notice) for notice in app.notices()],
        )

    @router.post("/servers/{name}/restart", dependencies=[allowed(Permission.OPERATE)])
    async def restart(app: GivenApp, caller: GivenCaller, name: str) -> RedirectResponse:
        with suppress(ServerUnavailableError):  # the page it leads to says why
            await app.upkeep.restart(name, caller=caller)
        return RedirectResponse(f"/servers#{segment(name)}", 303)

    return router
