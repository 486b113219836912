"""All pages of the dashboard."""

from fastapi import APIRouter

from toolhone.server.dashboard.assets import assets_router
from toolhone.server.dashboard.audit import audit_pages
from toolhone.server.dashboard.catalog import catalog_pages
from toolhone.server.dashboard.overview import overview_pages
from toolhone.server.dashboard.search import search_pages
from toolhone.server.dashboard.servers import servers_pages


def dashboard_router() -> APIRouter:
    """Every page; each of its own router, in a module of this package."""
    router = APIRouter(include_in_schema=False)
    router.include_router(assets_router())
    router.include_router(overview_pages())
    router.include_router(servers_pages())
    # Before the pages of single tools: no tool is called "search".
    router.include_router(search_pages())
    router.include_router(catalog_pages())
    router.include_router(audit_pages())
    return router
