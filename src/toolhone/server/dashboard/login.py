"""Logging a browser in and out."""

from urllib.parse import parse_qs

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRouter

from toolhone.exceptions import NotAuthenticatedError, PermissionDeniedError, RateLimitedError
from toolhone.server.api.given_entrance import entrance_of
from toolhone.server.api.problems import status_of
from toolhone.server.cookies import own_cookies, set_cookie, take_back
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.layout import render_bare
from toolhone.server.guard import REQUEST_ID
from toolhone.server.origins import address_of, is_same_origin

LARGEST_FORM = 16_384


def login_pages() -> APIRouter:
    router = page_router()

    @router.get("/login")
    async def form(request: Request, code: str | None = None, next: str = "/") -> Response:
        """The form that takes a token; with a code of a login address, the login itself."""
        onward = within(next)
        if code is None or request.method == "HEAD":
            # Who only looks whether the page is there must not use the code up.
            return render_bare("login.html", title="Log in", next=onward, problem="")
        try:
            cookie = await entrance_of(request).login_by_code(
                code, address_of(request.scope), request_id=request.scope[REQUEST_ID]
            )
        except (NotAuthenticatedError, RateLimitedError) as error:
            return _again(error, onward)
        # A page that leads on, and no redirect: the address may have been opened from a page of another
        # site (a terminal in a browser), and a strict cookie is not sent along what that began.
        answer = render_bare("logged_in.html", title="Logged in", next=onward)
        return _with_cookie(answer, request, cookie)

    @router.post("/login")
    async def log_in(request: Request) -> Response:
        if is_same_origin(request.scope) is False:
            raise PermissionDeniedError("This form is not of this toolhone.")
        fields = parse_qs((await request.body())[:LARGEST_FORM].decode("utf-8", "replace"))
        onward = within(fields.get("next", ["/"])[0])
        token = fields.get("token", [""])[0].strip()
        try:
            cookie = await entrance_of(request).login(
                token, address_of(request.scope), request_id=request.scope[REQUEST_ID]
            )
        except (NotAuthenticatedError, RateLimitedError) as error:
            return _again(error, onward)
        return _with_cookie(RedirectResponse(onward, 303), request, cookie)

    @router.post("/logout")
    async def log_out(request: Request) -> Response:
        answer = RedirectResponse("/login", 303)
        for cookie in own_cookies(request.scope):
            entrance_of(request).logins.end(cookie)
            take_back(answer, request.scope)
        return answer

    return router


def within(address: str) -> str:
    """Where to go on: a path of ours, whatever was asked."""
    is_path = address.startswith("/") and not address.startswith("//")
    return address if is_path and address.isprintable() and "\\" not in address else "/"


def _again(error: NotAuthenticatedError | RateLimitedError, onward: str) -> Response:
    return render_bare(
        "login.html", title="Log in", status=status_of(error), next=onward, problem=error.message
    )


def _with_cookie(answer: Response, request: Request, cookie: str) -> Response:
    set_cookie(answer, request.scope, cookie)
    return answer
