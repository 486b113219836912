"""From a training that succeeded to a model that passed or did not: artifact, held-out answers, verdict."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import anyio.to_thread

from toolhone.exceptions import ConflictError, InvalidRequestError, ProviderError
from toolhone.jobs.attempt import Attempt
from toolhone.jobs.planning import revocation, timestamp
from toolhone.json_values import is_object
from toolhone.models import Json, JsonObject
from toolhone.records.datasets import Row
from toolhone.records.jobs import FinetuningConfig, JobStatus, ModelRecord
from toolhone.training.answer_scoring import questions_of
from toolhone.training.lineage import HeldOut
from toolhone.training.providers.provider import Answer, Artifact

TestRows = Callable[[str, str], HeldOut]
"""The held-out rows of a dataset, as far as the base model of this name has not learned them; blocks."""

Judge = Callable[
    [Sequence[Row], Sequence[Answer], Sequence[Answer], FinetuningConfig, Path], Awaitable[JsonObject]
]
"""Decides by the answers of base and tuned model; see `evaluation.answer_gate`. Keeps what it pays for in
the folder."""

KeepModel = Callable[[ModelRecord], None]
"""Keeps what is known of a model; blocks."""

PASSED = "passed"
UNJUDGED = "unjudged"


async def collect(attempt: Attempt, provider_job_id: str) -> JsonObject:
    """What the training left behind, as JSON."""
    provider, request = attempt.provider, attempt.request
    artifact = await attempt.patiently(
        lambda: provider.artifact(request, provider_job_id), "Getting the model"
    )
    if not artifact.sha256:
        raise ProviderError(f"The provider gave no hash of the model {artifact.model_id!r}.")
    await attempt.change(
        {
            "model_id": artifact.model_id,
            "artifact_hash": artifact.sha256,
            "cost_usd": max(artifact.cost_usd, attempt.job.cost_usd),
            "progress": 1.0,
        },
        ("message", f"The model is {artifact.model_id}.", {"sha256": artifact.sha256}),
    )
    return {
        "model_id": artifact.model_id,
        "sha256": artifact.sha256,
        "path": None if artifact.path is None else str(artifact.path),
        "cost_usd": artifact.cost_usd,
        "details": artifact.details,
    }


def artifact_of(collected: JsonObject) -> Artifact:
    """The artifact that `collect` returned."""
    path = collected["path"]
    return Artifact(
        model_id=collected["model_id"],
        sha256=collected["sha256"],
        path=None if path is None else Path(path),
        cost_usd=collected["cost_usd"],
        details=collected["details"],
    )


async def evaluate(attempt: Attempt, artifact: Artifact, test_rows: TestRows, judge: Judge) -> JsonObject:
    """The verdict on the model, by answers to held-out requests; or the provider's own, if it judges.

    Raises:
        AttemptOver: It was to be cancelled, or the training cost more than was allowed.
    """
    job = attempt.job
    cap = job.config.max_training_cost_usd
    if attempt.provider.capabilities.costs_money and job.cost_usd > cap:
        # Services tell the bill at the end only. What is over the limit must not buy answers as well.
        message = (
            f"The training cost ${job.cost_usd:,.2f}, more than max_training_cost_usd (${cap:,.2f}) and than "
            f"was planned, so the model {artifact.model_id!r} is not judged. Ask the provider about its bill."
        )
        await attempt.end(JobStatus.COST_STOPPED, message, code="cost_stopped")
    event = ("status", "Judged by held-out rows.", {"status": JobStatus.EVALUATING.value})
    if attempt.job.status is not JobStatus.EVALUATING:
        await attempt.change({"status": JobStatus.EVALUATING}, event)
    if (revoked := revocation(attempt.manifest)) is not None:
        # Its held-out rows are gone. It is registered all the same: what is kept must be known.
        return {"decision": UNJUDGED, "why": revoked}
    verdict = artifact.details.get("verdict")
    if is_object(verdict):
        return verdict
    judged = await attempt.unless_cancelled(lambda: _judged(attempt, artifact, test_rows, judge))
    if judged is None:
        await attempt.end(JobStatus.CANCELLED, "Cancelled while it was judged, after it was trained.")
    return judged


async def _judged(attempt: Attempt, artifact: Artifact, test_rows: TestRows, judge: Judge) -> JsonObject:
    base = base_model_of(attempt)
    held_out = await anyio.to_thread.run_sync(test_rows, attempt.job.dataset_id, base)
    rows = held_out.rows
    if not rows:
        raise InvalidRequestError(
            f"The dataset {attempt.job.dataset_id!r} has no held-out rows, so the model cannot be judged."
            f"{' ' + held_out.warning if held_out.warning else ''}"
        )
    questions = questions_of(rows)
    provider = attempt.provider
    workspace = attempt.workspace(f"answers-{attempt.number}")
    before = await attempt.patiently(
        lambda: provider.answer(base, None, questions, attempt.workspace("answers-base")),
        "Asking the base model",
    )
    after = await attempt.patiently(
        lambda: provider.answer(artifact.model_id, artifact.path, questions, workspace),
        "Asking the tuned model",
    )
    verdict = await judge(rows, before, after, attempt.job.config, workspace)
    asked = sum(answer.cost_usd for answer in (*before, *after))
    judged: JsonObject = {**verdict, "cost_usd": asked + float(verdict.get("cost_usd") or 0.0)}
    if held_out.warning is not None:
        judged["warnings"] = [*verdict.get("warnings", ()), held_out.warning]
    return judged


def base_model_of(attempt: Attempt) -> str:
    """The base model's name, which may be the provider's default."""
    return attempt.job.config.base_model or attempt.provider.capabilities.default_base_model or ""


async def finish(attempt: Attempt, artifact: Artifact, verdict: JsonObject, keep_model: KeepModel) -> None:
    """Keep the model and say how it went.

    Raises:
        AttemptOver: Always.
    """
    job = attempt.job
    passed = verdict.get("decision") == PASSED
    model = ModelRecord(
        model_id=artifact.model_id,
        category=job.category,
        provider=job.provider,
        base_model=base_model_of(attempt),
        created_at=timestamp(attempt.now()),
        job_id=job.job_id,
        dataset_id=job.dataset_id,
        artifact_hash=artifact.sha256,
        path=None if artifact.path is None else str(artifact.path),
        passed=passed,
        verdict=verdict,
    )
    status, why, code = await _kept(attempt, model, keep_model)
    spent = max(artifact.cost_usd, job.cost_usd) + float(verdict.get("cost_usd") or 0.0)
    await attempt.end(
        status,
        why,
        code=code,
        spent=spent,
        changes={
            "verdict": verdict,
            "validation_score": _mean(verdict.get("tuned_score")),
            "base_score": _mean(verdict.get("base_score")),
        },
    )


async def _kept(
    attempt: Attempt, model: ModelRecord, keep_model: KeepModel
) -> tuple[JobStatus, str, str | None]:
    """Keep the model, marked if its dataset was revoked; returns how the job ends, why, and the code.

    An erasure marks the models that it finds, revokes the dataset, and marks again. So the dataset is
    looked at after the model is kept: one of the two sees the other, in whatever order they come.
    """
    revoked = await attempt.revocation()
    if revoked is None:
        await attempt.keep(lambda _store: keep_model(model))
        revoked = await attempt.revocation()
    if revoked is not None:
        tainted = replace(model, tainted=f"It was trained on what must not be used. {revoked}")
        await attempt.keep(lambda _store: keep_model(tainted))
        why = f"{revoked} The model trained on it is kept, marked as not to be used."
        return JobStatus.FAILED, why, ConflictError.code
    why = str(model.verdict.get("why", ""))
    if model.passed:
        return JobStatus.SUCCEEDED, why or "The gate is passed.", None
    return JobStatus.GATE_FAILED, why or "The gate is not passed.", "gate_failed"


def _mean(score: Json) -> float | None:
    """A score, which may come with its interval."""
    value: Json = score.get("mean") if is_object(score) else score
    return float(value) if isinstance(value, int | float) else None
