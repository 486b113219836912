"""HTTP: MCP at /mcp and /sse, REST at /api/v1 and the dashboard at /, all behind one door."""

import gc
import logging
import signal
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import uvicorn
from fastapi import FastAPI
from mcp.server.sse import SseServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from toolhone import __version__
from toolhone.app import App
from toolhone.events import new_event
from toolhone.exceptions import ConfigurationError, NotRunningError, PermissionDeniedError, StorageError
from toolhone.models import Caller, EventKind, JsonObject
from toolhone.server.addresses import host_header, url_of
from toolhone.server.api import openapi, problems
from toolhone.server.api.routes import api_routes
from toolhone.server.authentication import Authentication
from toolhone.server.dashboard import errors as error_pages
from toolhone.server.dashboard.preparation import Preparation
from toolhone.server.dashboard.routes import dashboard_routes
from toolhone.server.entrance import Entrance
from toolhone.server.greeting import greeting
from toolhone.server.guard import REQUEST_ID, Guard, Names
from toolhone.server.health import health_router
from toolhone.server.json_bodies import JsonBodies
from toolhone.server.mcp import MCPServer, build_server
from toolhone.server.metrics import Metrics
from toolhone.server.observation import Observation, metrics_router
from toolhone.server.open_requests import OpenRequests
from toolhone.server.origins import Proxies
from toolhone.server.session_ids import hide_session_ids
from toolhone.server.session_limits import IDLE, SessionLimits
from toolhone.settings import Settings

if TYPE_CHECKING:
    from toolhone.auth.oauth import AccessTokens

logger = logging.getLogger(__name__)


STOPPING = (signal.SIGINT, signal.SIGTERM)

COLLECTING = (20_000, 20, 50)
"""New objects, then looks at young ones, then at older ones, before the next look for cycles (`gc`)."""


class LegacySSE:
    """The SSE transport of 2024-11-05, as one endpoint."""

    def __init__(self, server: MCPServer, *, largest_body: int) -> None:
        self._server = server
        self.transport = SseServerTransport("/messages/", max_request_body_size=largest_body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self.transport.connect_sse(scope, receive, send) as (read, write):
            await self._server.run(read, write, self._server.create_initialization_options())


def build_http(app: App, *, host: str = "127.0.0.1") -> FastAPI:
    """The ASGI application of a running app.

    Args:
        host: The name or address it is listening on; requests may name it in their Host header.
    """
    settings = app.settings
    server, handlers = build_server(app)
    # The guard has looked at Host and Origin.
    manager = StreamableHTTPSessionManager(
        server, max_request_body_size=settings.largest_body, session_idle_timeout=IDLE
    )
    sse = LegacySSE(server, largest_body=settings.largest_body)
    entrance = Entrance(settings, app.tokens, app.audit.record, _oauth(settings))
    open_requests = OpenRequests()
    metrics = Metrics(app)
    preparation = Preparation()

    async def refused(caller: Caller, scope: Scope) -> None:
        error: PermissionDeniedError | None = scope.get(problems.REFUSED)
        payload: JsonObject = {"method": scope["method"], "path": scope["path"][:200]}
        if error is not None and "permission" in error.data:
            payload["permission"] = error.data["permission"]
        event = new_event(
            EventKind.REFUSAL,
            caller,
            request_id=scope[REQUEST_ID],
            success=False,
            error_code=PermissionDeniedError.code if error is None else error.code,
            payload=payload,
        )
        try:
            await app.audit.record(event)
        except (StorageError, NotRunningError) as exc:
            # It is refused all the same.
            logger.warning("A refusal of %s is not recorded: %s", caller.principal, exc.message)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with manager.run(), anyio.create_task_group() as tasks:
            tasks.start_soon(handlers.announce_changes)
            tasks.start_soon(handlers.announce_jobs)
            tasks.start_soon(open_requests.watch)
            tasks.start_soon(entrance.refusals.run)
            tasks.start_soon(app.figures.run)
            tasks.start_soon(preparation.run)
            unsubscribe = app.audit.subscribe(metrics.recorded)
            try:
                yield
            finally:
                unsubscribe()
                handlers.listen.close()
                tasks.cancel_scope.cancel()

    api = FastAPI(
        title="toolhone",
        version=__version__,
        lifespan=lifespan,
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        # Ours is complete: `openapi.install`.
        openapi_url=None,
        routes=[
            Route("/mcp", SessionLimits(StreamableHTTPASGIApp(manager))),
            Route("/sse", sse, methods=["GET"]),
            Mount("/messages/", app=sse.transport.handle_post_message),
        ],
    )
    api.state.toolhone = app
    api.state.entrance = entrance
    api.state.metrics = metrics
    api.state.preparation = preparation
    if entrance.oauth is not None:
        api.router.routes.extend(metadata_routes(entrance.oauth))
    problems.install(api)
    openapi.install(api)
    api.router.routes.extend(
        [*api_routes(), *health_router().routes, *metrics_router().routes, *dashboard_routes()]
    )
    error_pages.install(api)
    # The one that is added last is the outermost.
    api.add_middleware(JsonBodies)
    api.add_middleware(Authentication, entrance=entrance, open_requests=open_requests, refused=refused)
    api.add_middleware(
        Guard,
        names=Names((*settings.hosts, host_header(host))),
        proxies=Proxies(settings.trusted_proxies),
        refusals=entrance.refusals,
        largest_body=settings.largest_body,
        largest_upload=settings.largest_upload,
    )
    api.add_middleware(Observation, metrics=metrics)
    return api


def _oauth(settings: Settings) -> "AccessTokens | None":
    """Who verifies access tokens, where an authorization server is configured.

    Raises:
        ConfigurationError: It is so in part only, or not validly.
    """
    issuer, jwks, audience = settings.oauth_issuer, settings.oauth_jwks, settings.oauth_audience
    if issuer is None and jwks is None and audience is None:
        return None
    if issuer is None or jwks is None or audience is None:
        raise ConfigurationError("The settings oauth_issuer, oauth_jwks and oauth_audience go together.")
    # Cryptography takes its time to import, and few need it.
    from toolhone.auth.oauth import AccessTokens
    from toolhone.auth.signing_keys import SigningKeys

    return AccessTokens(
        issuer=issuer, audience=audience, keys=SigningKeys(jwks), role_claim=settings.oauth_role_claim
    )


def metadata_routes(oauth: "AccessTokens") -> list[Route]:
    """The document by which clients find the authorization server (RFC 9728)."""

    async def metadata(request: Request) -> Response:
        return JSONResponse(oauth.metadata())

    return [Route(path, metadata, methods=["GET"]) for path in oauth.metadata_paths]


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


@contextmanager
def rarer_collections() -> Generator[None]:
    """Look for cycles of garbage less often: there are few, and each look goes through the whole catalog."""
    before = gc.get_threshold()
    gc.set_threshold(*COLLECTING)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """What https is served with."""

    certificate: Path
    key: Path


async def serve_http(
    app: App, listening: socket.socket, *, tls: Tls | None = None, quiet_start: bool = False
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        quiet_start: Whether what lets the first person in goes to files, not to stderr.
    """
    hide_session_ids()
    api = build_http(app, host=listening.getsockname()[0])
    url = url_of(listening, tls=tls is not None)
    config = uvicorn.Config(
        api,
        log_config=None,
        access_log=False,
        # Anybody can write a header; those of proxies that are trusted are read by the guard.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )
    async with greeting(app, api.state.entrance, url, quiet=quiet_start):
        logger.info("serving %s/mcp", url)
        with rarer_collections():
            await WebServer(config).serve(sockets=[listening])
