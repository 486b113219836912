"""Plans and jobs of fine-tuning over REST: estimate, create, approve, cancel, retry, watch."""

from typing import Annotated

from fastapi import Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from toolhone.models import Category
from toolhone.records.jobs import FinetuningConfig, Job, JobStatus, Plan
from toolhone.roles import Permission
from toolhone.server.api.endpoints import endpoints
from toolhone.server.api.examples_of_work import CONFIG, JOB, PLAN, PROVIDER, page, shown
from toolhone.server.api.given import GivenCaller, GivenSystem, allowed
from toolhone.server.api.idempotency import GivenOnce
from toolhone.server.api.openapi import also
from toolhone.server.api.paging import Cursor, Limit, Page, page_of
from toolhone.training.providers.provider import Capabilities

router = endpoints(tag="jobs")

JobId = Annotated[str, Path(max_length=200, examples=["finetune_core_security_20261123_101112_a1b2c3"])]

Id = Annotated[str, Field(min_length=1, max_length=200)]


class Estimated(BaseModel):
    """What to estimate."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"config": CONFIG}]})

    config: FinetuningConfig
    dataset_id: Annotated[
        Id | None,
        Field(description="By default the newest of the category; for the selector the use until now."),
    ] = None


class Created(BaseModel):
    """Which job: that of a plan, or of a plan that is made now."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"plan_id": PLAN["plan_id"]}, {"config": CONFIG}]},
    )

    plan_id: Id | None = None
    config: FinetuningConfig | None = None
    dataset_id: Annotated[Id | None, Field(description="With a configuration only.")] = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "Created":
        if (self.plan_id is None) == (self.config is None):
            raise ValueError("give either plan_id or config")
        if self.plan_id is not None and self.dataset_id is not None:
            raise ValueError("a plan has its dataset already; leave dataset_id out")
        return self


@router.get(
    "/providers",
    operation_id="list_providers",
    summary="Who can train here",
    responses={200: shown([PROVIDER]), **also()},
    dependencies=[allowed(Permission.MONITOR)],
)
async def providers(system: GivenSystem, caller: GivenCaller) -> list[Capabilities]:
    """What each provider of fine-tuning is able to do here, and what is missing if it is not."""
    return system.capabilities(caller=caller)


@router.post(
    "/plans",
    status_code=201,
    operation_id="estimate_job",
    summary="Estimate a fine-tuning",
    response_model=Plan,
    responses={201: shown(PLAN), **also(404, 409, 502)},
    dependencies=[allowed(Permission.TRAIN)],
)
async def estimate(body: Estimated, system: GivenSystem, caller: GivenCaller, once: GivenOnce) -> Response:
    """A plan: what a training will take and cost at most, bound to a dataset. Nothing is sent or spent."""
    return await once.answer(lambda: system.estimate(body.config, dataset_id=body.dataset_id, caller=caller))


@router.get(
    "/plans/{plan_id}",
    operation_id="get_plan",
    summary="A plan and its estimate",
    responses={200: shown(PLAN), **also(404)},
    dependencies=[allowed(Permission.MONITOR)],
)
async def plan(
    plan_id: Annotated[str, Path(max_length=200, examples=[PLAN["plan_id"]])],
    system: GivenSystem,
    caller: GivenCaller,
) -> Plan:
    """What was planned, with every warning; expired plans too."""
    return await system.plan(plan_id, caller=caller)


@router.post(
    "/jobs",
    status_code=201,
    operation_id="create_job",
    summary="Create a job",
    response_model=Job,
    responses={201: shown(JOB), **also(404, 409, 502)},
    dependencies=[allowed(Permission.TRAIN)],
)
async def create(body: Created, system: GivenSystem, caller: GivenCaller, once: GivenOnce) -> Response:
    """Run a plan. A plan has one job: to create it again gives that one.

    Work that is free begins at once. Work that costs money waits until an admin approves it.
    """

    async def work() -> Job:
        return await system.create_job(
            plan_id=body.plan_id, config=body.config, dataset_id=body.dataset_id, caller=caller
        )

    return await once.answer(work)


@router.get(
    "/jobs",
    operation_id="list_jobs",
    summary="Jobs, a page at a time",
    responses={200: page(JOB), **also()},
    dependencies=[allowed(Permission.MONITOR)],
)
async def jobs(
    system: GivenSystem,
    caller: GivenCaller,
    category: Category | None = None,
    status: Annotated[list[JobStatus] | None, Query(description="In one of these states.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Job]:
    """The newest first."""
    found = await system.jobs(category=category, status=status, limit=None, caller=caller)
    return page_of(found, limit, cursor, name=lambda one: one.job_id)


@router.get(
    "/jobs/{job_id}",
    operation_id="get_job",
    summary="All that is known of a job",
    responses={200: shown(JOB), **also(404)},
    dependencies=[allowed(Permission.MONITOR)],
)
async def job(job_id: JobId, system: GivenSystem, caller: GivenCaller) -> Job:
    """How a fine-tuning goes. `GET /api/v1/jobs/{job_id}/events/stream` tells each change as it comes."""
    return await system.job(job_id, caller=caller)


@router.post(
    "/jobs/{job_id}/approve",
    operation_id="approve_job",
    summary="Let a job begin that costs money",
    responses={200: shown(JOB), **also(404, 409)},
    dependencies=[allowed(Permission.APPROVE)],
)
async def approve(job_id: JobId, system: GivenSystem, caller: GivenCaller) -> Job:
    """It may cost up to the bound of its plan, within the budget of its category."""
    return await system.approve_job(job_id, caller=caller)


@router.post(
    "/jobs/{job_id}/cancel",
    operation_id="cancel_job",
    summary="Stop a job and its spending",
    responses={200: shown(JOB), **also(404, 409, 502)},
    dependencies=[allowed(Permission.TRAIN)],
)
async def cancel(job_id: JobId, system: GivenSystem, caller: GivenCaller) -> Job:
    """One that has not begun is cancelled at once; else it stops at its next step (`cancel_requested`)."""
    return await system.cancel_job(job_id, caller=caller)


@router.post(
    "/jobs/{job_id}/retry",
    operation_id="retry_job",
    summary="Run a job again that did not succeed",
    responses={200: shown(JOB), **also(404, 409)},
    dependencies=[allowed(Permission.TRAIN)],
)
async def retry(job_id: JobId, system: GivenSystem, caller: GivenCaller) -> Job:
    """By the same plan. A new attempt that costs money waits to be approved again."""
    return await system.retry_job(job_id, caller=caller)
