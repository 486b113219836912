"""The page of tokens and roles: who may come in, and what each role may do."""

import re
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from toolhone.auth.tokens import LONGEST_LIFE, MOST_RATE
from toolhone.identifiers import utc_timestamp
from toolhone.models import Caller
from toolhone.records.access import TokenState
from toolhone.roles import PERMISSIONS, Permission, Role
from toolhone.server.api.given import GivenApp, GivenCaller, allowed
from toolhone.server.api.given_entrance import GivenEntrance
from toolhone.server.cookies import own_cookies
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.layout import render
from toolhone.server.dashboard.meanings import meanings_of
from toolhone.server.dashboard.typed import whole_number
from toolhone.server.guard import REQUEST_ID

TONES = {TokenState.VALID: "good", TokenState.EXPIRED: "warn", TokenState.REVOKED: "plain"}
"""The colour of a state."""

LIVES = [("1", "1 day"), ("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("", "never")]
"""After how many days a token expires, as it can be chosen."""

DONE = {
    "revoked": "The token is revoked. It opens nothing from now on, in no process.",
    "logins": "All other browsers are logged out.",
}


def access_pages() -> APIRouter:
    router = page_router()

    async def page(
        request: Request, app: GivenApp, caller: Caller, *, issued: str | None = None, done: str = ""
    ) -> HTMLResponse:
        tokens = await app.tokens.tokens(caller=caller)
        now = utc_timestamp()
        return render(
            request,
            "access.html",
            title="Access",
            nav="access",
            tokens=[(token, state.value, TONES[state]) for token in tokens for state in [token.state(now)]],
            issued=issued,
            roles=list(Role),
            role_headings=[("Permission", "wide"), *((role.value, "") for role in Role)],
            role_choices=[(role.value, role.value) for role in Role],
            meanings=[(permission, meanings_of(Permission)[permission.name]) for permission in Permission],
            permissions=PERMISSIONS,
            lives=LIVES,
            own=caller.principal.removeprefix("token:"),
            done=DONE.get(done),
        )

    @router.get("/access", dependencies=[allowed(Permission.ADMINISTER)])
    async def access(request: Request, app: GivenApp, caller: GivenCaller, done: str = "") -> HTMLResponse:
        return await page(request, app, caller, done=done)

    @router.post("/access/issue", dependencies=[allowed(Permission.ADMINISTER)])
    async def issue(
        request: Request,
        app: GivenApp,
        caller: GivenCaller,
        name: Annotated[str, Form()],
        role: Annotated[Role, Form()],
        days: Annotated[str, Form()] = "",
        tools: Annotated[str, Form()] = "",
        rate: Annotated[str, Form()] = "",
    ) -> HTMLResponse:
        """Issue a token, and show it on the page that answers: nowhere else, and never again."""
        lasting = whole_number(days, "days", most=LONGEST_LIFE.days)
        _, text = await app.tokens.issue(
            caller=caller,
            name=name.strip(),
            role=role,
            tools=[one for one in re.split(r"[\s,]+", tools) if one] or None,
            expires_in=None if lasting is None else timedelta(days=lasting),
            requests_per_minute=whole_number(rate, "requests a minute", most=MOST_RATE),
        )
        return await page(request, app, caller, issued=text)

    @router.post("/access/{token_id}/revoke", dependencies=[allowed(Permission.ADMINISTER)])
    async def revoke(app: GivenApp, caller: GivenCaller, token_id: str) -> RedirectResponse:
        await app.tokens.revoke(token_id, caller=caller)
        return RedirectResponse("/access?done=revoked", 303)

    @router.post("/access/end-logins", dependencies=[allowed(Permission.ADMINISTER)])
    async def end_logins(request: Request, entrance: GivenEntrance, caller: GivenCaller) -> RedirectResponse:
        """Log everybody else out; whoever asks can log out by itself."""
        await entrance.end_logins(
            but=own_cookies(request.scope), caller=caller, request_id=request.scope[REQUEST_ID]
        )
        return RedirectResponse("/access?done=logins", 303)

    return router
