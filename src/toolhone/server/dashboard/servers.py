"""The downstream servers: where each stands, and starting one anew."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from toolhone.exceptions import ServerUnavailableError
from toolhone.registry.server_state import ServerStatus
from toolhone.roles import Permission
from toolhone.server.api.given import GivenApp, allowed
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.formats import segment
from toolhone.server.dashboard.layout import render

TONES = {
    ServerStatus.READY: "good",
    ServerStatus.STARTING: "busy",
    ServerStatus.BACKOFF: "warn",
    ServerStatus.FAILED: "bad",
    ServerStatus.INVALID: "bad",
}
"""The colours of states; the others are quiet."""


def servers_pages() -> APIRouter:
    router = page_router()

    @router.get("/servers", dependencies=[allowed(Permission.OPERATE)])
    async def servers(request: Request, app: GivenApp) -> HTMLResponse:
        await app.gateway()
        return render(
            request,
            "servers.html",
            title="Servers",
            nav="servers",
            servers=app.server_states(),
            tones=TONES,
            notices=app.notices(),
            config=app.settings.config,
        )

    @router.post("/servers/{name}/restart", dependencies=[allowed(Permission.OPERATE)])
    async def restart(app: GivenApp, name: str) -> RedirectResponse:
        try:
            await app.downstream.restart(name)
        except ServerUnavailableError:
            pass  # the page it leads to says why
        return RedirectResponse(f"/servers#{segment(name)}", 303)

    return router
