"""What each fine-tuning tool does with its arguments."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

from mcp import types
from pydantic import BaseModel, ValidationError

from toolhone.exceptions import InvalidArgumentsError
from toolhone.models import Caller, Json, JsonObject, ProgressReporter
from toolhone.operations import Finetuning
from toolhone.records.datasets import DatasetRequest
from toolhone.records.jobs import FinetuningConfig, JobStatus
from toolhone.server.answering import answer
from toolhone.server.latest import latest
from toolhone.server.tools import category_named
from toolhone.work_answers import (
    alias_json,
    event_json,
    job_json,
    job_text,
    manifest_json,
    manifest_text,
    plan_json,
    plan_text,
)

LONGEST_SHOWN = 60
"""Characters of a wrong value that are said back."""

M = TypeVar("M", bound=BaseModel)

FinetuningTool: TypeAlias = Callable[
    [Finetuning, JsonObject, Caller, ProgressReporter | None], Awaitable[types.CallToolResult]
]


async def collect_snapshot(
    system: Finetuning, given: JsonObject, caller: Caller, report: ProgressReporter | None
) -> types.CallToolResult:
    (snapshot_id,) = await system.collect([given], caller=caller)
    return answer({"snapshot_id": snapshot_id}, f"kept as {snapshot_id}")


async def prepare_dataset(
    system: Finetuning, given: JsonObject, caller: Caller, report: ProgressReporter | None
) -> types.CallToolResult:
    request = _checked("prepare_dataset", DatasetRequest, given)
    async with latest(report) as progress:
        manifest = await system.prepare_dataset(request, caller=caller, progress=progress)
    return answer(manifest_json(manifest), manifest_text(manifest))


async def estimate_finetuning(
    system: Finetuning, given: JsonObject, caller: Caller, report: ProgressReporter | None
) -> types.CallToolResult:
    config = _checked("estimate_finetuning", FinetuningConfig, given["config"])
    plan = await system.estimate(config, dataset_id=given.get("dataset_id"), caller=caller)
    return answer(plan_json(plan), plan_text(plan))


async def create_finetuning_job(
    system: Finetuning, given: JsonObject, caller: Caller, report: ProgressReporter | None
) -> types.CallToolResult:
    config = given.get("config")
    job = await system.create_job(
        plan_id=given.get("plan_id"),
        config=None if config is None else _checked("create_finetuning_job", FinetuningConfig, config),
        dataset_id=given.get("dataset_id"),
        caller=caller,
    )
    return answer(job_json(job), job_text(job))


async def get_finetuning_job(
    system: Finetuning, given: JsonObject, caller: Caller, report: ProgressReporter | None
) -> types.CallToolResult:
    job = await system.job(given["job_id"], caller=caller)
    told, text = job_json(job), job_text(job)
    if "events_after" in given:
        events = await system.events(job.job_id, after=given["events_after"], caller=caller)
        told["events"] = [event_json(event) for event in events]
        text = "\n".join([text, *(f"{event.seq} {event.at} {event.message}" for event in events)])
    return answer(told, text)


async def list_finetuning_jobs(
    system: Finetuning, given: JsonObject, caller: Caller, report: ProgressReporter | None
) -> types.CallToolResult:
    jobs = await system.jobs(
        category=category_named(given.get("category")),
        status=_status(given.get("status")),
        limit=given.get("limit", 20),
        caller=caller,
    )
    text = "\n".join(f"{job.job_id} {job.status.value}" for job in jobs) or "There are no such jobs."
    return answer({"jobs": [job_json(job) for job in jobs]}, text)


async def cancel_finetuning_job(
    system: Finetuning, given: JsonObject, caller: Caller, report: ProgressReporter | None
) -> types.CallToolResult:
    job = await system.cancel_job(given["job_id"], caller=caller)
    asked = "\nIt stops at its next step." if job.cancel_requested and not job.status.final else ""
    return answer(job_json(job), job_text(job) + asked)


async def compare_models(
    system: Finetuning, given: JsonObject, caller: Caller, report: ProgressReporter | None
) -> types.CallToolResult:
    comparison = await system.compare(
        given["a"],
        given["b"],
        dataset_id=given.get("dataset_id"),
        category=category_named(given.get("category")),
        scorer=given.get("scorer"),
        at_most_usd=given.get("max_cost_usd", 0.0),  # who wants money spent says how much
        caller=caller,
    )
    return answer(comparison.as_json(), comparison.text())


async def set_model_alias(
    system: Finetuning, given: JsonObject, caller: Caller, report: ProgressReporter | None
) -> types.CallToolResult:
    category = category_named(given["category"])
    assert category is not None
    if given.get("model") is None:
        change = await system.rollback_alias(category, given["alias"], caller=caller)
    else:
        change = await system.set_alias(
            category, given["alias"], given["model"], override=given.get("override"), caller=caller
        )
    now = change.model_id or "the base model"
    return answer(alias_json(change), f"{category.value}/{change.alias} now is {now}")


FINETUNING_TOOLS: dict[str, FinetuningTool] = {
    "collect_snapshot": collect_snapshot,
    "prepare_dataset": prepare_dataset,
    "estimate_finetuning": estimate_finetuning,
    "create_finetuning_job": create_finetuning_job,
    "get_finetuning_job": get_finetuning_job,
    "list_finetuning_jobs": list_finetuning_jobs,
    "cancel_finetuning_job": cancel_finetuning_job,
    "compare_models": compare_models,
    "set_model_alias": set_model_alias,
}


def _checked(tool: str, model: type[M], given: Json) -> M:
    """What was given, as the model.

    Raises:
        InvalidArgumentsError: It is not valid; the message names each field.
    """
    try:
        return model.model_validate(given)
    except ValidationError as exc:
        problems = "; ".join(
            f"{'.'.join(map(str, error['loc'])) or 'it'}: {error['msg']}, not {_shortened(error['input'])}"
            for error in exc.errors()
        )
        raise InvalidArgumentsError(f"{tool}: {problems}.") from exc


def _shortened(value: Json) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def _status(name: Json) -> list[JobStatus] | None:
    try:
        return None if name is None else [JobStatus(name)]
    except ValueError as exc:
        known = ", ".join(status.value for status in JobStatus)
        raise InvalidArgumentsError(f"There is no status {name!r}; there are: {known}.") from exc
