"""Who is asking over HTTP: every request gets its caller here, or is turned away.

`/mcp`, `/sse`, `/messages`, REST, metrics and pages need a credential; what is not listed as public needs
one too. Programs send `Authorization: Bearer TOKEN`. Browsers have a cookie, which counts for pages and REST
only, and for what changes anything only with the token of a form of ours.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from toolhone.exceptions import (
    NotAuthenticatedError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ToolhoneError,
)
from toolhone.models import Caller
from toolhone.server.api import problems
from toolhone.server.callers import CALLER, LOOPBACK
from toolhone.server.cookies import own_cookies, take_back
from toolhone.server.entrance import Admitted, Entrance, nobody
from toolhone.server.guard import REQUEST_ID
from toolhone.server.open_requests import OpenRequests
from toolhone.server.origins import address_of, is_of_this_machine
from toolhone.server.paths import PROGRAMS, PROTOCOLS, is_in, is_public
from toolhone.server.same_page import CSRF, same_page

Record = Callable[[Caller, Scope], Awaitable[None]]
"""Records that a caller was refused what the request of this ASGI scope asks for."""

REFUSING = (NotAuthenticatedError, PermissionDeniedError, RateLimitedError)


class Authentication:
    """The ASGI middleware inside of the guard."""

    def __init__(
        self, app: ASGIApp, *, entrance: Entrance, open_requests: OpenRequests, refused: Record
    ) -> None:
        self._app = app
        self._entrance = entrance
        self._open = open_requests
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_public(scope["path"]):
            await self._app(scope, receive, send)
            return
        admitted: Admitted | None = None
        try:
            admitted = await self._admitted(scope)
            if admitted.session is not None:
                receive = await same_page(scope, receive, admitted.session)
                scope[CSRF] = admitted.session.csrf
            self._entrance.spend(admitted)
            self._open.check(admitted.caller.principal)
        except ToolhoneError as error:
            await self._turn_away(scope, receive, send, error, admitted and admitted.caller)
            return
        caller = admitted.caller
        scope[CALLER] = caller
        if caller.principal != LOOPBACK:
            # The SDK binds its sessions to this, and lets nobody else speak in them.
            granted = AccessToken(token="", client_id=caller.principal, scopes=[caller.role.value])
            scope["user"] = AuthenticatedUser(granted)
        await self._serve(admitted, scope, receive, send)

    async def _serve(self, admitted: Admitted, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, for as long as the credential is good."""
        answer = _Answer()

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                if answer.status == 403:
                    # Before it is answered: who is told so finds it on record.
                    await self._refused(admitted.caller, scope)
                elif answer.status == 404 and _names_session(scope):
                    await self._note(NotFoundError.code, admitted.caller, scope)
            elif message["type"] == "http.response.body":
                answer.ended = not message.get("more_body", False)
            await send(message)

        with self._open.opened(admitted.caller.principal, admitted.still) as cancel:
            await self._app(scope, receive, noted)
        if cancel.cancelled_caught and not answer.ended:
            if answer.status:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                error = NotAuthenticatedError("The credential of this request is not valid any more.")
                await problems.of_error(error)(scope, receive, send)

    async def _admitted(self, scope: Scope) -> Admitted:
        headers, path = Headers(scope=scope), scope["path"]
        if given := headers.getlist("authorization"):
            scheme, _, text = given[0].partition(" ")
            if scheme.lower() != "bearer" or len(given) > 1:
                raise NotAuthenticatedError("Send one credential, as Authorization: Bearer TOKEN.")
            return await self._entrance.bearer(text.strip(), address_of(scope))
        if not is_in(path, PROTOCOLS):
            if cookies := own_cookies(scope):
                return await self._entrance.cookie(cookies[0], address_of(scope))
        elif self._entrance.open_loopback and is_of_this_machine(scope):
            return self._entrance.loopback()
        raise NotAuthenticatedError(
            "A credential is needed. Send an API token: Authorization: Bearer TOKEN. "
            "toolhone tokens issue --role ROLE prints one."
        )

    async def _turn_away(
        self, scope: Scope, receive: Receive, send: Send, error: ToolhoneError, caller: Caller | None
    ) -> None:
        headers, path = Headers(scope=scope), scope["path"]
        given = "authorization" in headers
        cookie = not is_in(path, PROTOCOLS) and bool(own_cookies(scope))
        # Who comes without any credential is no news; who comes with a wrong one is.
        if isinstance(error, REFUSING) and (given or cookie or caller is not None):
            await self._note(error.code, caller or nobody(address_of(scope)), scope)
        wants_page = "text/html" in headers.get("accept", "") and not is_in(path, PROGRAMS)
        # A browser whose login has ended is led to the next one, however often it asked.
        stale = cookie and caller is None and isinstance(error, RateLimitedError)
        answer: Response
        if wants_page and (isinstance(error, NotAuthenticatedError) or stale):
            answer = RedirectResponse(_login_from(scope), 303)
        else:
            answer = problems.of_error(error)
            if isinstance(error, NotAuthenticatedError):
                answer.headers["WWW-Authenticate"] = self._entrance.challenge(given=given)
        if cookie and caller is None and not given:
            take_back(answer, scope)
        await answer(scope, receive, send)

    async def _note(self, code: str, caller: Caller, scope: Scope) -> None:
        await self._entrance.refusals.note(
            code, caller, request_id=scope[REQUEST_ID], method=scope["method"], path=scope["path"]
        )


@dataclass(slots=True)
class _Answer:
    """How far an answer is."""

    status: int = 0
    ended: bool = False


def _names_session(scope: Scope) -> bool:
    """Whether a request would speak in a session of MCP, which may be another credential's."""
    if is_in(scope["path"], ("/mcp",)):
        return "mcp-session-id" in Headers(scope=scope)
    return is_in(scope["path"], ("/messages",))


def _login_from(scope: Scope) -> str:
    """The address of the login, which leads back to the page that was asked for."""
    if scope["method"] not in {"GET", "HEAD"} or scope["path"] == "/":
        return "/login"
    query = scope["query_string"].decode("latin-1")
    return f"/login?next={quote(scope['path'] + (f'?{query}' if query else ''), safe='')}"
