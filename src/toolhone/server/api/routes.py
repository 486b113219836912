"""All endpoints under /api/v1."""

from fastapi import APIRouter
from starlette.routing import BaseRoute

from toolhone.server.api import (
    approvals,
    audit,
    backup,
    budgets,
    calls,
    catalog,
    comparisons,
    data,
    dataset_export,
    datasets,
    erasure,
    finetuning,
    job_events,
    jobs,
    logins,
    models,
    registry,
    selector,
    servers,
    snapshots,
    system,
    tokens,
    tools,
)

ROUTERS: tuple[APIRouter, ...] = (
    # Routes are tried one after the other: first those that agents ask for all day.
    tools.router,
    calls.router,
    catalog.router,
    finetuning.router,
    snapshots.router,
    datasets.router,
    dataset_export.router,
    jobs.router,
    job_events.router,
    budgets.router,
    models.router,
    comparisons.router,
    erasure.router,
    servers.router,
    approvals.router,
    registry.router,
    selector.router,
    audit.router,
    data.router,
    backup.router,
    tokens.router,
    logins.router,
    system.router,
)


def api_routes() -> list[BaseRoute]:
    """Every endpoint; each of the router of a module of this package."""
    return [route for router in ROUTERS for route in router.routes]
