"""All pages of the dashboard."""

from fastapi import APIRouter


def dashboard_router() -> APIRouter:
    """Every page; each of its own router, in a module of this package."""
    return APIRouter(include_in_schema=False)
