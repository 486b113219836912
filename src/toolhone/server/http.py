"""HTTP: Streamable HTTP at /mcp, the older SSE transport at /sse, health at /health."""

import ipaddress
import logging
import signal
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import anyio
import uvicorn
from fastapi import FastAPI
from mcp.server.sse import SseServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from toolhone import __version__
from toolhone.app import App
from toolhone.exceptions import ConfigurationError
from toolhone.server.api import problems
from toolhone.server.api.routes import api_router
from toolhone.server.dashboard.routes import dashboard_router
from toolhone.server.mcp import MCPServer, build_server

logger = logging.getLogger(__name__)


HOSTS = ("127.0.0.1", "localhost", "::1")

_NAMES = ("127.0.0.1", "localhost", "[::1]")

SECURITY = TransportSecuritySettings(
    enable_dns_rebinding_protection=True,
    # Without a port as well: that is how port 80 is spelled.
    allowed_hosts=[*_NAMES, *(f"{name}:*" for name in _NAMES)],
    allowed_origins=[f"http://{name}{port}" for name in _NAMES for port in ("", ":*")],
)
"""Which Host and Origin headers are accepted: a web page must not reach us by DNS rebinding."""


def parse_address(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `:PORT` or `PORT`; the host must be this machine's loopback.

    Raises:
        ConfigurationError: Not an address, or one that other machines can reach.
    """
    host, _, port = text.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdecimal() or int(port) > 65_535:
        raise ConfigurationError(f"{text!r} is not an address; write HOST:PORT, such as 127.0.0.1:8000.")
    if host not in HOSTS and is_loopback(host):
        raise ConfigurationError(f"{text!r}: of the loopback addresses only {', '.join(HOSTS)} are served.")
    if host not in HOSTS:
        raise ConfigurationError(
            f"{text!r} can be reached from other machines, and this version has no authentication. "
            "Use 127.0.0.1. If others must reach it, put a proxy before it that authenticates them and sends "
            "Host: 127.0.0.1."
        )
    return host, int(port)


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 lets the system choose, and `url_of` tells which it was.

    Raises:
        ConfigurationError: The port is taken, or not ours to take.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as exc:
        raise ConfigurationError(
            f"{host}:{port} cannot be listened on: {exc.strerror or exc}. "
            "Stop what uses it, or name another port."
        ) from exc


def url_of(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


STOPPING = (signal.SIGINT, signal.SIGTERM)


class LegacySSE:
    """The SSE transport of 2024-11-05, as one endpoint."""

    def __init__(self, server: MCPServer) -> None:
        self._server = server
        self._guard = TransportSecurityMiddleware(SECURITY)
        self.transport = SseServerTransport("/messages/", SECURITY)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The transport checks too, but a refusal there ends in a traceback in our log.
        if refusal := await self._guard.validate_request(Request(scope, receive)):
            await refusal(scope, receive, send)
            return
        async with self.transport.connect_sse(scope, receive, send) as (read, write):
            await self._server.run(read, write, self._server.create_initialization_options())


def build_http(app: App) -> FastAPI:
    """The ASGI application of a running app."""
    server, handlers = build_server(app)
    manager = StreamableHTTPSessionManager(server, security_settings=SECURITY)
    sse = LegacySSE(server)
    guard = TransportSecurityMiddleware(SECURITY)

    async def health(request: Request) -> Response:
        if refusal := await guard.validate_request(request):
            return refusal
        return JSONResponse({"status": "ok", "version": __version__})

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with manager.run(), anyio.create_task_group() as tasks:
            tasks.start_soon(handlers.announce_changes)
            tasks.start_soon(handlers.announce_jobs)
            try:
                yield
            finally:
                handlers.listen.close()
                tasks.cancel_scope.cancel()

    api = FastAPI(
        title="toolhone",
        version=__version__,
        lifespan=lifespan,
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        routes=[
            Route("/mcp", StreamableHTTPASGIApp(manager)),
            Route("/sse", sse, methods=["GET"]),
            Mount("/messages/", app=sse.transport.handle_post_message),
            Route("/health", health, methods=["GET"]),
        ],
    )
    api.state.toolhone = app
    problems.install(api)
    api.include_router(api_router())
    api.include_router(dashboard_router())
    return api


class WebServer(uvicorn.Server):
    """Ends its serving, and only that, on a signal.

    The base class sends itself the signal again at the end, which would kill us before the
    downstream servers were stopped.
    """

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in STOPPING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


async def serve_http(app: App, listening: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM."""
    config = uvicorn.Config(build_http(app), log_config=None, access_log=False, timeout_graceful_shutdown=5)
    logger.info("serving %s/mcp", url_of(listening))
    await WebServer(config).serve(sockets=[listening])
