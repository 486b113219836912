"""Where the browser comes back to after a login: a port of this machine that waits for one answer."""

import errno
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final, TypeAlias
from urllib.parse import parse_qs, urlsplit

import anyio
import anyio.abc
from mcp.shared.auth import AuthorizationCodeResult

from toolhone.exceptions import LoginFailedError
from toolhone.redaction import redact_text

PATH: Final = "/callback"

_LONGEST_REQUEST = 16_384
_REQUEST_SECONDS = 10.0
_LONGEST_REASON = 300

_Listener: TypeAlias = anyio.abc.Listener[anyio.abc.SocketStream]

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>toolhone</title>
<style>:root{{color-scheme:light dark}}body{{font:1.1rem/1.5 system-ui,sans-serif;
margin:4rem auto;max-width:32rem;padding:0 1rem}}</style>
<main><h1>{heading}</h1><p>{text}</p></main></html>
"""
_ARRIVED = (
    "The answer has arrived",
    "The terminal in which the login began says how it went. Close this page.",
)
_REFUSED = ("You were not logged in", "The terminal in which the login began says why. Close this page.")
_STRANGE = ("This is no answer to a login", "toolhone waits for the one that was begun in the terminal.")


class Callback:
    """Waits for the answer to one login. Made by `listening`."""

    def __init__(self, redirect_uri: str) -> None:
        self.redirect_uri = redirect_uri
        self._state: str | None = None
        self._arrived = anyio.Event()
        self._answer: dict[str, str] = {}

    def expect(self, address: str) -> None:
        """From now on the answer to this address of an authorization server is let in, and no other."""
        self._state = _fields(address).get("state")

    async def answer(self) -> AuthorizationCodeResult:
        """What came back.

        Raises:
            LoginFailedError: It says that nothing is granted.
        """
        await self._arrived.wait()
        said = self._answer
        if "code" not in said:
            why = ": ".join(part for part in (said.get("error"), said.get("error_description")) if part)
            why = redact_text(why)[:_LONGEST_REASON] or "it gave no code."
            raise LoginFailedError(f"The authorization server granted nothing: {why}")
        return AuthorizationCodeResult(code=said["code"], state=said["state"], iss=said.get("iss"))

    async def serve(self, stream: anyio.abc.SocketStream) -> None:
        """Answer one request of a browser, or of who pretends to be one."""
        async with stream:
            # A browser that goes away, or a stranger, must not end the login.
            with suppress(anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError):
                with anyio.move_on_after(_REQUEST_SECONDS):
                    await stream.send(self._respond(await _request(stream)))

    def _respond(self, request: bytes) -> bytes:
        method, _, rest = request.partition(b" ")
        target = rest.partition(b" ")[0].decode("ascii", "replace")
        if method != b"GET" or urlsplit(target).path != PATH:
            return _page(404, *_STRANGE)
        said = _fields(target)
        # Anybody on this machine, and any page in the browser, can ask here; only the answer to our own
        # question has its state.
        expected = self._state
        if not (expected and secrets.compare_digest(said.get("state", "").encode(), expected.encode())):
            return _page(400, *_STRANGE)
        if not self._arrived.is_set():
            self._answer = said
            self._arrived.set()
        return _page(200, *(_ARRIVED if "code" in said else _REFUSED))


@asynccontextmanager
async def listening(ports: Sequence[int], *, host: str = "127.0.0.1") -> AsyncGenerator[Callback]:
    """Listen on the first of these ports that is free; 0 is any.

    Args:
        host: `127.0.0.1`, or `localhost` for registrations that have that name.

    Raises:
        LoginFailedError: None of them is free.
    """
    async with AsyncExitStack() as stack:
        listeners: list[_Listener] = []
        for wanted in ports:
            listeners = await _listen(wanted, both=host == "localhost")
            if listeners:
                break
        else:
            raise LoginFailedError(
                f"The browser cannot come back to port {ports[0]} of this machine: another program listens "
                "there. End it, or name another port with --port."
            )
        for each in listeners:
            await stack.enter_async_context(each)
        port = listeners[0].extra(anyio.abc.SocketAttribute.local_port)
        callback = Callback(f"http://{host}:{port}{PATH}")
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            for each in listeners:
                tasks.start_soon(each.serve, callback.serve)
            try:
                yield callback
            except Exception as exc:
                # Raised below, as it is: a group of one would not be known for what it is.
                failure = exc
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure


async def _listen(port: int, *, both: bool) -> list[_Listener]:
    """Listen on this port of 127.0.0.1, and of ::1 if a name stands for both; nothing if one is taken."""
    try:
        first = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port)
    except OSError:
        return []
    if not both:
        return [first]
    try:
        same = first.extra(anyio.abc.SocketAttribute.local_port)
        return [first, await anyio.create_tcp_listener(local_host="::1", local_port=same)]
    except OSError as exc:
        if exc.errno != errno.EADDRINUSE:
            return [first]  # a machine without IPv6
    # The browser may go to the other program first, and bring it the code.
    await first.aclose()
    return []


async def _request(stream: anyio.abc.SocketStream) -> bytes:
    """The beginning of a request, up to the end of its headers."""
    request = b""
    while b"\r\n\r\n" not in request and len(request) < _LONGEST_REQUEST:
        request += await stream.receive()
    return request


def _fields(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def _page(status: int, heading: str, text: str) -> bytes:
    body = _PAGE.format(heading=heading, text=text).encode()
    reason = {200: "OK", 400: "Bad Request", 404: "Not Found"}[status]
    head = (
        f"HTTP/1.1 {status} {reason}",
        "Content-Type: text/html; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Referrer-Policy: no-referrer",
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    )
    return "\r\n".join([*head, "", ""]).encode() + body
