"""All pages of the dashboard."""

from fastapi import APIRouter

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


def dashboard_router() -> APIRouter:
    """Every page; each of its own router, in a module of this package."""
    router = APIRouter(include_in_schema=False)
    router.include_router(assets_router())
    router.include_router(login_pages())
    router.include_router(overview_pages())
    router.include_router(servers_pages())
    router.include_router(approvals_pages())
    # Before the pages of single tools: no tool is called "search".
    router.include_router(search_pages())
    router.include_router(catalog_pages())
    router.include_router(audit_pages())
    router.include_router(access_pages())
    router.include_router(errands_pages())
    # Forms before the pages of single ones: no dataset, job or comparison is called "new".
    router.include_router(comparison_form_pages())
    router.include_router(dataset_form_pages())
    router.include_router(job_form_pages())
    router.include_router(comparisons_pages())
    router.include_router(datasets_pages())
    router.include_router(jobs_pages())
    router.include_router(models_pages())
    router.include_router(privacy_pages())
    router.include_router(selector_pages())
    router.include_router(settings_pages())
    router.include_router(snapshots_pages())
    return router
