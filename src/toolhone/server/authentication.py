"""Who is asking over HTTP: every request gets its caller here, or is turned away.

`/mcp`, `/sse`, `/messages`, REST, metrics and pages need a credential; what is not listed as public needs
one too. Programs send `Authorization: Bearer TOKEN`. Browsers have a cookie, which counts for pages and REST
only, and for what changes anything only with the token of a form of ours.
"""

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast
from urllib.parse import parse_qs, quote, urlsplit

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from toolhone.auth.logins import Session, proves
from toolhone.exceptions import (
    NotAuthenticatedError,
    PermissionDeniedError,
    RateLimitedError,
    ToolhoneError,
)
from toolhone.models import Caller
from toolhone.server.api import problems
from toolhone.server.callers import CALLER, LOOPBACK
from toolhone.server.entrance import Admitted, Entrance, nobody
from toolhone.server.guard import LOOPBACK_NAMES, REQUEST_ID, without_port
from toolhone.server.open_requests import OpenRequests

Record = Callable[[Caller, Scope], Awaitable[None]]
"""Records that a caller was refused what the request of this ASGI scope asks for."""

PUBLIC = frozenset({"/health", "/ready", "/login"})
PUBLIC_FOLDERS = ("/static/", "/.well-known/")

PROTOCOLS = ("/mcp", "/sse", "/messages")
PROGRAMS = (*PROTOCOLS, "/api", "/metrics")
"""Where who has no credential is told so; elsewhere a browser is led to the login."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

CSRF = "toolhone.csrf"
"""Where in an ASGI scope the token stands that a form must send back as `csrf`."""

COOKIE = "toolhone_session"
HOST_COOKIE = f"__Host-{COOKIE}"
"""Over https, where browsers guarantee that no other host has set it."""

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
        if scope["type"] != "http" or _is_public(scope["path"]):
            await self._app(scope, receive, send)
            return
        admitted: Admitted | None = None
        try:
            admitted = await self._admitted(scope)
            if admitted.session is not None:
                receive = await _same_page(scope, receive, admitted.session)
                scope[CSRF] = admitted.session.csrf
            self._entrance.spend(admitted)
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
            elif message["type"] == "http.response.body":
                answer.ended = not message.get("more_body", False)
            await send(message)

        with self._open.opened(admitted.still) as cancel:
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
        protocol = _is_in(path, PROTOCOLS)
        if not protocol:
            connection = HTTPConnection(scope)
            for name in (HOST_COOKIE, COOKIE):
                admitted = await self._entrance.cookie(connection.cookies.get(name, ""))
                if admitted is not None:
                    return admitted
        elif self._entrance.open_loopback and _is_of_this_machine(scope, headers):
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
        # Who comes without any credential is no news; who comes with a wrong one is.
        if isinstance(error, REFUSING) and (given or caller is not None):
            await self._entrance.refusals.note(
                error,
                caller or nobody(address_of(scope)),
                request_id=scope[REQUEST_ID],
                method=scope["method"],
                path=path,
            )
        answer: Response
        wants_page = "text/html" in headers.get("accept", "")
        if isinstance(error, NotAuthenticatedError) and wants_page and not _is_in(path, PROGRAMS):
            answer = RedirectResponse(_login_from(scope), 303)
        else:
            answer = problems.of_error(error)
            if isinstance(error, NotAuthenticatedError):
                answer.headers["WWW-Authenticate"] = self._entrance.challenge(given=given)
        await answer(scope, receive, send)


@dataclass(slots=True)
class _Answer:
    """How far an answer is."""

    status: int = 0
    ended: bool = False


def _is_public(path: str) -> bool:
    return path in PUBLIC or path.startswith(PUBLIC_FOLDERS)


def _is_in(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def address_of(scope: Scope) -> str:
    """Where a request comes from: the other end of its connection, whatever its headers say."""
    client = cast("tuple[str, int] | None", scope.get("client"))
    return client[0] if client else "unknown"


def is_secure(scope: Scope) -> bool:
    """Whether the browser sees https: ours, or that of a proxy of this machine."""
    if scope["scheme"] == "https":
        return True
    return _is_loopback(address_of(scope)) and Headers(scope=scope).get("x-forwarded-proto") == "https"


def is_same_origin(scope: Scope) -> bool | None:
    """Whether the page that sent this is of this toolhone; `None` if no browser says so."""
    headers = Headers(scope=scope)
    if (site := headers.get("sec-fetch-site")) is not None:
        return site == "same-origin"
    if (origin := headers.get("origin")) is not None:
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    return None


async def _same_page(scope: Scope, receive: Receive, session: Session) -> Receive:
    """Make sure that what changes something was sent by a page of this session.

    Returns:
        How the body is received from here on: that of a form is read already.

    Raises:
        PermissionDeniedError: It may have been another page's.
    """
    if scope["method"] in SAFE:
        return receive
    if not is_same_origin(scope):
        raise PermissionDeniedError("This request comes from a page that is not of this toolhone.")
    headers = Headers(scope=scope)
    if (given := headers.get("x-csrf-token")) is None and headers.get("content-type", "").startswith(
        "application/x-www-form-urlencoded"
    ):
        body, receive = await _form(receive)
        (given,) = parse_qs(body.decode("utf-8", "replace")).get("csrf", [""])[:1]
    if given is None or not proves(session, given):
        raise PermissionDeniedError(
            "This request lacks the token of its page. Load the page again and repeat it."
        )
    return receive


async def _form(receive: Receive) -> tuple[bytes, Receive]:
    """The body of a form, and a way to receive it once more. Its size is bounded by the guard."""
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"".join(parts)
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return body, again


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _is_of_this_machine(scope: Scope, headers: Headers) -> bool:
    """Whether no other machine is behind a request, a proxy of this one included."""
    name = without_port(headers.get("host", ""))
    forwarded = any(mark in headers for mark in ("forwarded", "x-forwarded-for", "x-real-ip", "via"))
    return _is_loopback(address_of(scope)) and name.lower() in LOOPBACK_NAMES and not forwarded


def _login_from(scope: Scope) -> str:
    """The address of the login, which leads back to the page that was asked for."""
    if scope["method"] not in {"GET", "HEAD"} or scope["path"] == "/":
        return "/login"
    query = scope["query_string"].decode("latin-1")
    return f"/login?next={quote(scope['path'] + (f'?{query}' if query else ''), safe='')}"
