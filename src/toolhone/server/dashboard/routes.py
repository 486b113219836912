"""All pages of the dashboard."""

from functools import cache

from starlette.routing import BaseRoute

from toolhone.server.dashboard.access import access_pages
from toolhone.server.dashboard.approvals import approvals_pages
from toolhone.server.dashboard.assets import assets_router
from toolhone.server.dashboard.audit import audit_pages
from toolhone.server.dashboard.catalog import catalog_pages
from toolhone.server.dashboard.comparison_forms import comparison_form_pages
from toolhone.server.dashboard.comparisons import comparisons_pages
from toolhone.server.dashboard.dataset_forms import dataset_form_pages
from toolhone.server.dashboard.datasets import datasets_pages
from toolhone.server.dashboard.errands import errands_pages
from toolhone.server.dashboard.job_forms import job_form_pages
from toolhone.server.dashboard.jobs import jobs_pages
from toolhone.server.dashboard.login import login_pages
from toolhone.server.dashboard.models import models_pages
from toolhone.server.dashboard.overview import overview_pages
from toolhone.server.dashboard.privacy import privacy_pages
from toolhone.server.dashboard.search import search_pages
from toolhone.server.dashboard.selector import selector_pages
from toolhone.server.dashboard.servers import servers_pages
from toolhone.server.dashboard.settings import settings_pages
from toolhone.server.dashboard.snapshots import snapshots_pages


@cache
def dashboard_routes() -> tuple[BaseRoute, ...]:
    """Every page; each of the router of a module of this package."""
    routers = (
        assets_router(),
        login_pages(),
        overview_pages(),
        servers_pages(),
        approvals_pages(),
        # Before the pages of single tools: no tool is called "search".
        search_pages(),
        catalog_pages(),
        audit_pages(),
        access_pages(),
        errands_pages(),
        # Forms before the pages of single ones: no dataset, job or comparison is called "new".
        comparison_form_pages(),
        dataset_form_pages(),
        job_form_pages(),
        comparisons_pages(),
        datasets_pages(),
        jobs_pages(),
        models_pages(),
        privacy_pages(),
        selector_pages(),
        settings_pages(),
        snapshots_pages(),
    )
    return tuple(route for router in routers for route in router.routes)
