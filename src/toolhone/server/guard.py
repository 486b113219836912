"""What every request over HTTP passes first: Host, Origin, the size of its body."""

from collections.abc import Sequence
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from toolhone.auth.refusals import Refusals
from toolhone.identifiers import REQUEST, new_id
from toolhone.models import Caller
from toolhone.server.answer_headers import HEADERS
from toolhone.server.api.problems import problem
from toolhone.server.callers import CALLER
from toolhone.server.entrance import nobody
from toolhone.server.origins import LOOPBACK_NAMES, Proxies, address_of, without_port

REQUEST_ID = "toolhone.request_id"
"""Where in an ASGI scope the id of the request stands; it is in the header X-Request-Id of the answer."""

UPLOADS = "/api/v1/snapshots/import"


class Names:
    """By which names this toolhone is reached: a web page must not reach it by DNS rebinding."""

    def __init__(self, hosts: Sequence[str]) -> None:
        """Take the names besides those of loopback; one without a port is good with any."""
        self._hosts = frozenset(host.lower() for host in (*LOOPBACK_NAMES, *hosts))

    def knows(self, host: str | None) -> bool:
        """Whether a Host header names us."""
        if not host:
            return False
        host = host.lower()
        return host in self._hosts or without_port(host) in self._hosts

    def serves(self, origin: str) -> bool:
        """Whether an Origin header names a page of ours."""
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme in {"http", "https"} and self.knows(parts.netloc) and not parts.path


class Guard:
    """The outermost ASGI middleware."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        names: Names,
        proxies: Proxies,
        refusals: Refusals,
        largest_body: int,
        largest_upload: int,
    ) -> None:
        self._app = app
        self._names = names
        self._proxies = proxies
        self._refusals = refusals
        self._largest_body = largest_body
        self._largest_upload = largest_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope[REQUEST_ID] = new_id()
        # Never taken back: each request has a task, and so a context, of its own.
        REQUEST.set(request_id)
        self._proxies.locate(scope)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        if not self._names.knows(headers.get("host")):
            await self._note(scope, "unknown_host")
            answer = problem(
                421,
                "unknown_host",
                "This name is not ours.",
                "toolhone is not known by the name in the Host header. If it should be, name it in "
                "TOOLHONE_HOSTS.",
            )
            await answer(scope, receive, send_guarded)
        elif "origin" in headers and not self._names.serves(headers["origin"]):
            await self._note(scope, "foreign_origin")
            answer = problem(
                403,
                "foreign_origin",
                "Pages of other sites may not ask.",
                "The Origin header names a page that is not of this toolhone.",
            )
            await answer(scope, receive, send_guarded)
        else:
            largest = self._largest_upload if scope["path"] == UPLOADS else self._largest_body
            await self._bounded(scope, receive, send_guarded, largest)

    async def _bounded(self, scope: Scope, receive: Receive, send: Send, largest: int) -> None:
        """Let the body through as it comes, up to its limit; who sends more gets 413, and is read no more."""
        headers = Headers(scope=scope)
        declared = headers.get("content-length", "")
        if declared.isdecimal() and "transfer-encoding" not in headers:
            # The server below lets no more through than was declared.
            if int(declared) > largest:
                await self._too_large(scope, receive, send, largest)
            else:
                await self._app(scope, receive, send)
            return
        read = 0
        started = False
        reading = anyio.CancelScope()

        async def receive_bounded() -> Message:
            nonlocal read
            message = {"type": "http.disconnect"} if read > largest else await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > largest:
                    if not started:
                        # Not an error of the application's: it ends here and now, and has nothing to log.
                        reading.cancel()
                        await anyio.lowlevel.checkpoint()
                    return {"type": "http.disconnect"}
            return message

        async def send_noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        with reading:
            await self._app(scope, receive_bounded, send_noted)
        if reading.cancelled_caught:
            await self._too_large(scope, receive, send, largest)

    async def _too_large(self, scope: Scope, receive: Receive, send: Send, largest: int) -> None:
        await self._note(scope, "too_large")
        refusal = problem(
            413,
            "too_large",
            "The body is too large.",
            f"A body may have {largest:,} bytes here.",
            headers={"Connection": "close"},
        )
        await refusal(scope, receive, send)

    async def _note(self, scope: Scope, code: str) -> None:
        # Who it is was found out only if it came as far as that.
        caller: Caller = scope.get(CALLER) or nobody(address_of(scope))
        await self._refusals.note(
            code, caller, request_id=scope[REQUEST_ID], method=scope["method"], path=scope["path"]
        )
