"""All endpoints under /api/v1."""

from fastapi import APIRouter

from toolhone.server.api import (
    audit,
    calls,
    catalog,
    registry,
    selector,
    servers,
    system,
    tokens,
    tools,
)

ROUTERS: tuple[APIRouter, ...] = (
    tools.router,
    catalog.router,
    calls.router,
    servers.router,
    registry.router,
    selector.router,
    audit.router,
    tokens.router,
    system.router,
)


def api_router() -> APIRouter:
    """Every endpoint; each of its own router, in a module of this package."""
    router = APIRouter(prefix="/api/v1")
    for one in ROUTERS:
        router.include_router(one)
    return router
