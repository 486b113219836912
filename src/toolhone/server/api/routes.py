"""All endpoints under /api/v1."""

from fastapi import APIRouter


def api_router() -> APIRouter:
    """Every endpoint; each of its own router, in a module of this package."""
    return APIRouter(prefix="/api/v1")
