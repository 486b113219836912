"""Every request over HTTP, seen: its trace goes on, its span and its count are made. And /metrics."""

from contextvars import Token
from time import perf_counter

from fastapi import APIRouter, Request
from fastapi.responses import Response
from opentelemetry import context as otel_context
from opentelemetry.trace import Span, SpanKind, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from toolhone.activity import activity, failed
from toolhone.identifiers import REQUEST
from toolhone.roles import Permission
from toolhone.server.api.given import allowed
from toolhone.server.metrics import OTHER, Metrics
from toolhone.server.paths import PROTOCOLS, is_in

UNTRACED = (*PROTOCOLS, "/health", "/ready", "/metrics", "/static")
"""Of MCP the SDK makes spans, one a message; the rest is asked for all day and says nothing."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_trace_context = TraceContextTextMapPropagator()


class Observation:
    """ASGI middleware around everything that answers."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        status = 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        token = _joined(scope)
        method = scope["method"] if scope["method"] in METHODS else OTHER
        try:
            if is_in(scope["path"], UNTRACED):
                await self._app(scope, receive, noted)
            else:
                with activity(
                    method, kind=SpanKind.SERVER, attributes={"http.request.method": method}
                ) as span:
                    try:
                        await self._app(scope, receive, noted)
                    finally:
                        _describe(span, method, route_of(scope), status)
        finally:
            if token is not None:
                otel_context.detach(token)
            self._metrics.answered(route_of(scope), method, status, perf_counter() - began)


def metrics_router() -> APIRouter:
    """/metrics, for who may operate toolhone: names of tools and servers are in it."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/metrics", methods=["GET", "HEAD"], dependencies=[allowed(Permission.OPERATE)])
    async def metrics(request: Request) -> Response:
        found: Metrics = request.app.state.metrics
        return Response(await found.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router


def route_of(scope: Scope) -> str:
    """The template of the route that answered; all that no route answered is one."""
    if is_in(scope["path"], PROTOCOLS):
        return "/" + scope["path"].split("/")[1]
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else OTHER


def _joined(scope: Scope) -> Token[otel_context.Context] | None:
    """Go on with the trace that the client is in, if it says so."""
    headers = Headers(scope=scope)
    if "traceparent" not in headers:
        return None
    parent = _trace_context.extract(headers)
    is_valid = get_current_span(parent).get_span_context().is_valid
    return otel_context.attach(parent) if is_valid else None


def _describe(span: Span, method: str, route: str, status: int) -> None:
    span.update_name(f"{method} {route}")
    span.set_attribute("http.route", route)
    if (request_id := REQUEST.get()) is not None:
        span.set_attribute("toolhone.request_id", request_id)
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        failed(span, str(status))
