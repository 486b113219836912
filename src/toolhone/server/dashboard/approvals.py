"""Definitions of downstream tools that are held back: which, how they differ, and deciding about them."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from toolhone.app import App
from toolhone.models import Caller
from toolhone.records.approvals import ApprovalStatus
from toolhone.roles import Permission
from toolhone.server.api.given import GivenApp, GivenCaller, allowed
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.formats import query
from toolhone.server.dashboard.layout import render

SHOWN = 100
"""Definitions in a list: a server can change all of its tools at once."""

DONE = {
    ApprovalStatus.APPROVED: "Approved: the tool is used with this definition from now on.",
    ApprovalStatus.REJECTED: "Rejected: the tool is not used with this definition.",
}


def approvals_pages() -> APIRouter:
    router = page_router()

    @router.get("/servers/approvals", dependencies=[allowed(Permission.OPERATE)])
    async def approvals(
        request: Request, app: GivenApp, caller: GivenCaller, done: str = "", tool: str = ""
    ) -> HTMLResponse:
        return render(
            request,
            "approvals.html",
            title="Changed definitions",
            nav="servers",
            waiting=await app.approvals.pending(limit=SHOWN, caller=caller),
            all_waiting=await app.approvals.count(caller=caller),
            rejected=await app.approvals.pending(rejected=True, limit=SHOWN, caller=caller),
            all_rejected=await app.approvals.count(rejected=True, caller=caller),
            policy=app.settings.approve,
            done=await _done(app, caller, done, tool),
        )

    @router.get("/servers/approvals/{tool}", dependencies=[allowed(Permission.OPERATE)])
    async def approval(request: Request, app: GivenApp, caller: GivenCaller, tool: str) -> HTMLResponse:
        """Raises NotFoundError if no definition of this tool is held back."""
        return render(
            request,
            "approval.html",
            title=tool,
            nav="servers",
            held=await app.approvals.diff(tool, caller=caller),
        )

    @router.post("/servers/approvals/{tool}/approve", dependencies=[allowed(Permission.TRUST)])
    async def approve(
        app: GivenApp, caller: GivenCaller, tool: str, hash: Annotated[str, Form(max_length=100)]
    ) -> RedirectResponse:
        """Raises ConflictError if the definition that was looked at is not the one that waits."""
        await app.approvals.approve(tool, hash, caller=caller)
        return RedirectResponse(
            f"/servers/approvals{query({'done': ApprovalStatus.APPROVED, 'tool': tool})}", 303
        )

    @router.post("/servers/approvals/{tool}/reject", dependencies=[allowed(Permission.TRUST)])
    async def reject(
        app: GivenApp, caller: GivenCaller, tool: str, hash: Annotated[str, Form(max_length=100)]
    ) -> RedirectResponse:
        """Raises ConflictError if the definition that was looked at is not the one that waits."""
        await app.approvals.reject(tool, hash, caller=caller)
        return RedirectResponse(
            f"/servers/approvals{query({'done': ApprovalStatus.REJECTED, 'tool': tool})}", 303
        )

    return router


async def _done(app: App, caller: Caller, done: str, tool: str) -> str:
    """What was decided, if it was: anybody can write the address of this page."""
    for status, said in DONE.items():
        if done == status and await app.approvals.stands(tool, status, caller=caller):
            return f"{tool}: {said}"
    return ""
