"""Open the byte channel to a downstream server: a guarded child process, Streamable HTTP or SSE."""

import logging
import os
import re
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import httpx2
from mcp import StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CONNECTION_CLOSED, INTERNAL_ERROR

from toolhone.activity import trace_headers
from toolhone.exceptions import LoginNeededError, ServerAuthenticationError, ToolhoneError
from toolhone.models import Json, JsonObject
from toolhone.redaction import redact_text
from toolhone.registry.child_guard import ANNOUNCEMENT
from toolhone.registry.config import Command, Endpoint
from toolhone.registry.credentials import BearerAuth, Credentials
from toolhone.registry.failures import refused_by
from toolhone.registry.self_reference import NESTING_MARK
from toolhone.registry.wire import FAULT_KEY

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

logger = logging.getLogger(__name__)

INHERITED_VARIABLES: Final = frozenset(
    {
        *("HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
        *("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "TMPDIR", "TEMP", "TMP"),
        *("APPDATA", "LOCALAPPDATA", "USERPROFILE", "USERNAME", "SYSTEMROOT", "SYSTEMDRIVE"),
        *("PATHEXT", "HOMEDRIVE", "HOMEPATH", "PROCESSOR_ARCHITECTURE", "COMSPEC", "PROGRAMFILES"),
    }
)
"""What a child gets from our environment. Everything else, secrets above all, is named in its entry."""

_SESSION_UNKNOWN = re.compile(rb"session|not initialized", re.IGNORECASE)
"""In the answer 400 of servers that were restarted and follow the TypeScript SDK, not the standard's 404."""

_PIDS = re.compile(re.escape(ANNOUNCEMENT) + r"\d+ (\d+)")
_GUARD = Path(__file__).with_name("child_guard.py")
_STDERR_LINES = 12
_STDERR_LINE_LENGTH = 400
_CONNECT_SECONDS = 30.0


class ServerTrace:
    """What is known of a server from below MCP: its process ids and its last words."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.pid: int | None = None
        self.last_lines: deque[str] = deque(maxlen=_STDERR_LINES)
        self._descriptor: int | None = None
        self._rest = b""

    def last_words(self) -> str:
        """The end of its stderr without secrets, for an error message; empty if it said nothing."""
        self.read()
        lines = [line for line in self.last_lines if line.strip()]
        if not lines:
            return ""
        # Servers complain about a wrong key by printing it, and an agent reads this. Redacted as the
        # lines it was: a private key is known by more than one of them.
        return " It wrote: " + " | ".join(redact_text("\n".join(lines)).splitlines())

    async def follow(self, descriptor: int) -> None:
        """Read its stderr until it ends, so that it never blocks on a full pipe."""
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        try:
            while self.read():
                await anyio.wait_readable(descriptor)
        finally:
            self.read()
            self._descriptor = None
            os.close(descriptor)

    def read(self) -> bool:
        """Take what is there now; whether more may come."""
        while self._descriptor is not None:
            try:
                chunk = os.read(self._descriptor, 65_536)
            except BlockingIOError:
                return True
            if not chunk:
                return False
            *lines, rest = (self._rest + chunk).split(b"\n")
            # A line without an end must not grow without one.
            self._rest = rest[-_STDERR_LINE_LENGTH:]
            for line in lines:
                self._take(line.decode("utf-8", "replace").rstrip()[:_STDERR_LINE_LENGTH])
        return False

    def _take(self, line: str) -> None:
        announced = _PIDS.fullmatch(line) if self.pid is None else None
        if announced is not None:
            self.pid = int(announced[1])
            return
        self.last_lines.append(line)
        logger.debug("%s: %s", self.server, line)


def open_transport(
    target: Command | Endpoint,
    trace: ServerTrace,
    environment: Mapping[str, str],
    on_fault: Callable[[], None],
    credentials: Credentials | None = None,
) -> "AbstractAsyncContextManager[TransportStreams]":
    """The streams to and from the server. `on_fault` is called when they will answer no more.

    Args:
        credentials: Of its login, where it may ask for one.
    """
    if isinstance(target, Command):
        return _open_child(target, trace, environment)
    auth = None if credentials is None else BearerAuth(credentials)
    if target.transport == "sse":
        return _open_sse(target, on_fault, auth)
    return _open_http(trace.server, target, auth)


@asynccontextmanager
async def _open_child(
    target: Command, trace: ServerTrace, environment: Mapping[str, str]
) -> "AsyncGenerator[TransportStreams]":
    command, args = target.command, list(target.args)
    if sys.platform != "win32":
        args = ["-I", "-S", str(_GUARD), str(os.getpid()), "--", command, *args]
        command = sys.executable
    inherited = {name: value for name, value in environment.items() if name in INHERITED_VARIABLES}
    parameters = StdioServerParameters(
        command=command,
        args=args,
        env=inherited | dict(target.env) | {NESTING_MARK: "1"},
        cwd=target.cwd,
        # One wrong byte on stdout must not end the session.
        encoding_error_handler="replace",
    )
    if sys.platform == "win32":
        # Pipes cannot be waited for there; its stderr goes where ours goes.
        async with stdio_client(parameters) as streams:
            yield streams
        return
    reading, writing = os.pipe()
    async with anyio.create_task_group() as tasks:
        with os.fdopen(writing, "w") as errors:
            tasks.start_soon(trace.follow, reading)
            async with stdio_client(parameters, errlog=errors) as streams:
                errors.close()
                yield streams
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def _open_http(
    server: str, target: Endpoint, auth: httpx2.Auth | None
) -> "AsyncGenerator[TransportStreams]":
    headers = dict(target.headers)
    async with (
        _HttpClient(server, target, headers=headers, timeout=_timeout(), auth=auth) as client,
        streamable_http_client(target.url, http_client=client, max_sse_event_size=None) as streams,
    ):
        yield streams


@asynccontextmanager
async def _open_sse(
    target: Endpoint, on_fault: Callable[[], None], auth: httpx2.Auth | None
) -> "AsyncGenerator[TransportStreams]":
    def client(
        headers: dict[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,
        auth: httpx2.Auth | None = None,
    ) -> httpx2.AsyncClient:
        return _SseClient(on_fault, headers=headers, timeout=_timeout(), auth=auth)

    headers = dict(target.headers)
    async with sse_client(target.url, headers=headers, httpx_client_factory=client, auth=auth) as streams:
        yield streams


def _timeout() -> httpx2.Timeout:
    # Calls have time limits of their own, and a stream of notices may be quiet for days.
    return httpx2.Timeout(_CONNECT_SECONDS, read=None)


class _HttpClient(httpx2.AsyncClient):
    """Turns the failure of one POST into a JSON-RPC error for that one request.

    Left to the SDK, a refused connection would end the session of every other call, and the status of
    an HTTP error would be lost, so that "log in again" could not be told from "try again".
    """

    def __init__(self, server: str, target: Endpoint, **options: Json) -> None:
        super().__init__(**options)
        self._server = server
        self._target = target

    async def send(self, request: httpx2.Request, **options: Json) -> httpx2.Response:
        # Also in `_meta`; proxies on the way read only this.
        request.headers.update(trace_headers())
        try:
            response = await super().send(request, **options)
        except ServerAuthenticationError as exc:
            return _error(request, 401, INTERNAL_ERROR, exc.message, {"refused": exc.code})
        except ToolhoneError as exc:
            # Its login could not be renewed now, so nothing was sent.
            return _error(request, 503, INTERNAL_ERROR, exc.message.rstrip("."), {"sent": False})
        except httpx2.TransportError as exc:
            if request.method != "POST":
                raise
            sent = not isinstance(exc, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout))
            return _error(request, 503, CONNECTION_CLOSED, _describe(exc), {"sent": sent})
        status = response.status_code
        if request.method != "POST" or status < 400:
            return response
        try:
            body = await response.aread()
        finally:
            await response.aclose()
        session_is_gone = "mcp-session-id" in request.headers and (
            status == 404
            or (status == 400 and b"-32000" in body and _SESSION_UNKNOWN.search(body) is not None)
        )
        if status not in (401, 403) and not session_is_gone and b'"jsonrpc"' in body:
            return response
        message = f"HTTP {status} {response.reason_phrase}".strip()
        fault: JsonObject = {"sent": False} if session_is_gone else {"status": status}
        if status in (401, 403):
            refused = refused_by(self._server, self._target, response)
            # What 403 means for one tool need not hold for the server.
            if status == 401 or isinstance(refused, LoginNeededError):
                fault["refused"], message = refused.code, refused.message
        return _error(request, status, INTERNAL_ERROR, message, fault)


class _SseClient(httpx2.AsyncClient):
    """Reports a POST that failed: the SDK's SSE transport would leave its request unanswered for ever."""

    def __init__(self, on_fault: Callable[[], None], **options: Json) -> None:
        super().__init__(**options)
        self._on_fault = on_fault

    async def send(self, request: httpx2.Request, **options: Json) -> httpx2.Response:
        request.headers.update(trace_headers())
        try:
            response = await super().send(request, **options)
        except (httpx2.TransportError, ToolhoneError):
            self._on_fault()
            raise
        if request.method == "POST" and response.status_code >= 400:
            self._on_fault()
        return response


def _error(
    request: httpx2.Request, status: int, code: int, message: str, fault: JsonObject
) -> httpx2.Response:
    error = {"code": code, "message": message, "data": {FAULT_KEY: fault}}
    return httpx2.Response(status, json={"jsonrpc": "2.0", "id": 0, "error": error}, request=request)


def _describe(exc: Exception) -> str:
    return f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__
