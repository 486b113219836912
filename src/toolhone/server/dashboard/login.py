"""Logging a browser in and out."""

from urllib.parse import parse_qs

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRouter

from toolhone.exceptions import NotAuthenticatedError, PermissionDeniedError, RateLimitedError
from toolhone.server.api.problems import status_of
from toolhone.server.authentication import COOKIE, HOST_COOKIE, address_of, is_same_origin, is_secure
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.layout import render_bare
from toolhone.server.entrance import Entrance
from toolhone.server.guard import REQUEST_ID

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
            cookie = await _entrance(request).login_by_code(
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
            cookie = await _entrance(request).login(
                token, address_of(request.scope), request_id=request.scope[REQUEST_ID]
            )
        except (NotAuthenticatedError, RateLimitedError) as error:
            return _again(error, onward)
        return _with_cookie(RedirectResponse(onward, 303), request, cookie)

    @router.post("/logout")
    async def log_out(request: Request) -> Response:
        answer = RedirectResponse("/login", 303)
        for name in (COOKIE, HOST_COOKIE):
            if name in request.cookies:
                _entrance(request).logins.end(request.cookies[name])
                answer.delete_cookie(name, secure=name == HOST_COOKIE, httponly=True, samesite="strict")
        return answer

    return router


def within(address: str) -> str:
    """Where to go on: a path of ours, whatever was asked."""
    is_path = address.startswith("/") and not address.startswith("//")
    return address if is_path and address.isprintable() and "\\" not in address else "/"


def _entrance(request: Request) -> Entrance:
    entrance: Entrance = request.app.state.entrance
    return entrance


def _again(error: NotAuthenticatedError | RateLimitedError, onward: str) -> Response:
    return render_bare(
        "login.html", title="Log in", status=status_of(error), next=onward, problem=error.message
    )


def _with_cookie(answer: Response, request: Request, cookie: str) -> Response:
    secure = is_secure(request.scope)
    # No lifetime: the browser forgets it at its end, and we after twelve hours.
    answer.set_cookie(
        HOST_COOKIE if secure else COOKIE, cookie, path="/", secure=secure, httponly=True, samesite="strict"
    )
    return answer
