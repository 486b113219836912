"""The seed's endpoints of fine-tuning, under the addresses and with the bodies that it has."""

from typing import Annotated

from fastapi import Body, Path, Response
from pydantic import Discriminator, Tag

from toolhone.exceptions import InvalidRequestError
from toolhone.models import Category, Json
from toolhone.records.datasets import DatasetRequest
from toolhone.roles import Permission
from toolhone.server.api.bodies_of_finetuning import (
    CONFIG,
    JOB,
    Collected,
    CollectedSnapshot,
    CreatedSeedJob,
    PlanNamed,
    SeedDataset,
    SeedDatasetRequest,
    SeedJob,
    SeedJobRequest,
    SeedStatistics,
)
from toolhone.server.api.endpoints import endpoints
from toolhone.server.api.examples_of_work import bodies
from toolhone.server.api.given import GivenCaller, GivenSystem, allowed
from toolhone.server.api.idempotency import GivenOnce
from toolhone.server.api.openapi import also

router = endpoints("/finetuning", tag="finetuning")

JobId = Annotated[str, Path(max_length=200, examples=["finetune_core_security_20261123_101112_a1b2c3"])]


def _kind(body: Json) -> str:
    named = "plan_id" in body if isinstance(body, dict) else isinstance(body, PlanNamed)
    return "plan" if named else "job"


JobRequest = Annotated[
    Annotated[SeedJobRequest, Tag("job")] | Annotated[PlanNamed, Tag("plan")],
    Discriminator(_kind),
    Body(openapi_examples=bodies(configuration=CONFIG, plan={"plan_id": JOB["plan_id"]})),
]


@router.post(
    "/collect",
    status_code=201,
    operation_id="collect_snapshot",
    summary="Hand in a snapshot of an agent's work",
    response_model=Collected,
    responses=also(409),
    dependencies=[allowed(Permission.COLLECT)],
)
async def collect(
    snapshot: CollectedSnapshot, system: GivenSystem, caller: GivenCaller, once: GivenOnce
) -> Response:
    """Keep what an agent did, redacted. It is on the disk when this answers."""

    async def work() -> Collected:
        (snapshot_id,) = await system.collect([snapshot.as_new()], caller=caller)
        return Collected(agent_name=snapshot.agent_name, category=snapshot.category, snapshot_id=snapshot_id)

    return await once.answer(work)


@router.post(
    "/datasets/{category}",
    operation_id="prepare_category_dataset",
    summary="Prepare a dataset of a category's snapshots",
    response_model=SeedDataset,
    responses=also(409),
    dependencies=[allowed(Permission.PREPARE)],
)
async def prepare_dataset(
    category: Category,
    system: GivenSystem,
    caller: GivenCaller,
    once: GivenOnce,
    body: SeedDatasetRequest | None = None,
) -> Response:
    """Make an immutable dataset of the snapshots of a category. The same content again is the same dataset.

    Too few snapshots are 400 with the code `insufficient_data`: "found 50, need 100".
    """
    asked = body or SeedDatasetRequest()
    if asked.category not in {None, category}:
        raise InvalidRequestError(
            f"The address names the category {category.value!r} and the body {asked.category!s}; name one."
        )

    async def work() -> SeedDataset:
        request = DatasetRequest.model_validate({**asked.model_dump(), "category": category})
        return SeedDataset.of(await system.prepare_dataset(request, caller=caller))

    return await once.answer(work, status=200)


@router.post(
    "/jobs",
    status_code=201,
    operation_id="create_category_job",
    summary="Create a fine-tuning job",
    response_model=CreatedSeedJob,
    responses=also(404, 409, 502),
    dependencies=[allowed(Permission.TRAIN)],
)
async def create_job(body: JobRequest, system: GivenSystem, caller: GivenCaller, once: GivenOnce) -> Response:
    """Fine-tune a model for a category, by a configuration or by the id of a plan.

    Work that is free begins at once. Work that costs money waits until an admin approves it.

    Of the providers that the seed names, `huggingface` and `custom` are not there: they are refused with 422,
    which lists those that are. `GET /api/v1/providers` says what each can do here. `local` trains on this
    machine, from a folder with a model as the libraries of Hugging Face write it.
    """

    async def work() -> CreatedSeedJob:
        if isinstance(body, PlanNamed):
            job = await system.create_job(plan_id=body.plan_id, caller=caller)
        else:
            job = await system.create_job(config=body.config(), dataset_id=body.dataset_id, caller=caller)
        manifest = await system.dataset(job.dataset_id, caller=caller)
        plan = await system.plan(job.plan_id, caller=caller)
        return CreatedSeedJob.created(job, manifest, plan)

    return await once.answer(work)


@router.get(
    "/jobs/{job_id}",
    operation_id="get_category_job",
    summary="How a job goes",
    responses=also(404),
    dependencies=[allowed(Permission.MONITOR)],
)
async def job(job_id: JobId, system: GivenSystem, caller: GivenCaller) -> SeedJob:
    """How a fine-tuning goes. `status` has the seed's words, `state` ours."""
    found = await system.job(job_id, caller=caller)
    return SeedJob.of(found, await system.dataset(found.dataset_id, caller=caller))


@router.get(
    "/categories/{category}/jobs",
    operation_id="list_category_jobs",
    summary="All jobs of a category",
    dependencies=[allowed(Permission.MONITOR)],
)
async def category_jobs(category: Category, system: GivenSystem, caller: GivenCaller) -> list[SeedJob]:
    """All jobs of a category, the newest first. `GET /api/v1/jobs` gives them a page at a time."""
    jobs = await system.jobs(category=category, limit=None, caller=caller)
    manifests = {one.dataset_id: one for one in await system.datasets(category, caller=caller)}
    return [SeedJob.of(one, manifests[one.dataset_id]) for one in jobs]


@router.get(
    "/statistics",
    operation_id="get_finetuning_statistics",
    summary="Learning from work in numbers",
    dependencies=[allowed(Permission.MONITOR)],
)
async def statistics(system: GivenSystem, caller: GivenCaller) -> SeedStatistics:
    """How much was collected, prepared and trained, and what it cost."""
    return SeedStatistics.model_validate(await system.statistics(caller=caller))
