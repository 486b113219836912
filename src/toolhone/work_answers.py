"""Snapshots, datasets, plans, jobs and models as JSON, and in the few lines that a model reads of them."""

from collections.abc import Sequence
from dataclasses import asdict

from toolhone.models import JsonObject
from toolhone.records.datasets import Manifest
from toolhone.records.jobs import AliasChange, Job, JobEvent, JobStatus, ModelRecord, Plan
from toolhone.records.snapshots import CategoryCount
from toolhone.training.providers.provider import Capabilities

ACTIVE = tuple(status for status in JobStatus if not status.final)
"""The states of jobs that go on, or wait."""


def manifest_json(manifest: Manifest) -> JsonObject:
    """All that is known of a dataset."""
    return _without_none(asdict(manifest))


def plan_json(plan: Plan) -> JsonObject:
    """A plan with its estimate."""
    told = asdict(plan)
    told["config"] = plan.config.model_dump(mode="json")
    return _without_none(told)


def job_json(job: Job) -> JsonObject:
    """All that is known of a job."""
    told = asdict(job)
    told["config"] = job.config.model_dump(mode="json")
    return _without_none(told)


def event_json(event: JobEvent) -> JsonObject:
    """Something that happened to a job."""
    return asdict(event)


def model_json(model: ModelRecord) -> JsonObject:
    """All that is known of a model."""
    return _without_none(asdict(model))


def alias_json(change: AliasChange) -> JsonObject:
    """What an alias stands for, since when and why."""
    return asdict(change)


def capabilities_json(capabilities: Capabilities) -> JsonObject:
    """What a provider can do here."""
    return _without_none(asdict(capabilities))


def statistics_json(
    counts: Sequence[CategoryCount], jobs: Sequence[Job], *, datasets: int, spent_usd: float
) -> JsonObject:
    """How much was collected, prepared and trained, and what it cost; the seed's keys."""

    def number(*statuses: JobStatus) -> int:
        return sum(job.status in statuses for job in jobs)

    return {
        "total_snapshots": sum(count.snapshots for count in counts),
        "datasets_prepared": datasets,
        "active_jobs": number(*ACTIVE),
        "completed_jobs": number(JobStatus.SUCCEEDED),
        "failed_jobs": len(jobs) - number(*ACTIVE, JobStatus.SUCCEEDED, JobStatus.CANCELLED),
        "categories_with_data": [count.category.value for count in counts],
        "total_cost_usd": spent_usd,
    }


def manifest_text(manifest: Manifest) -> str:
    """A dataset in a few lines."""
    counts = ", ".join(f"{count:,} {name}" for name, count in manifest.counts.items())
    lines = [f"{manifest.dataset_id}: {manifest.category.value} version {manifest.version}; {counts}"]
    if manifest.dropped:
        lines.append("left out: " + ", ".join(f"{count:,} {why}" for why, count in manifest.dropped.items()))
    lines.extend(f"warning: {warning}" for warning in manifest.statistics.get("warnings", ()))
    if manifest.revoked_at is not None:
        lines.append(f"revoked {manifest.revoked_at}: {manifest.revoked_why}")
        if manifest.replaced_by:
            lines.append(f"use {manifest.replaced_by}")
    return "\n".join(lines)


def plan_text(plan: Plan) -> str:
    """A plan in a few lines, with what to do next."""
    estimate = plan.estimate
    time = f", about {estimate.seconds:,.0f} s" if estimate.seconds is not None else ""
    lines = [
        f"{plan.plan_id}: {plan.config.provider.value} trains "
        f"{plan.config.base_model or 'its default model'} on {plan.dataset_id}",
        f"{estimate.trained_tokens:,} tokens; {_usd(estimate.cost_usd)} expected, "
        f"{_usd(estimate.upper_bound_usd)} at most ({estimate.price_source}){time}",
        *(f"warning: {warning}" for warning in estimate.warnings),
        f"valid until {plan.expires_at}; "
        + (
            "create_finetuning_job with this plan_id waits for an approval: it costs money"
            if plan.needs_approval
            else "create_finetuning_job with this plan_id starts at once"
        ),
    ]
    return "\n".join(lines)


def job_text(job: Job) -> str:
    """A job in a few lines, with what to do next."""
    lines = [f"{job.job_id}: {job.status.value}"]
    if job.status in {JobStatus.RUNNING, JobStatus.EVALUATING, JobStatus.PAUSED}:
        lines.append(f"{job.progress:.0%} trained{_epoch(job)}{_losses(job)}")
    if job.status is JobStatus.AWAITING_APPROVAL:
        lines.append(f"It costs money: somebody must run toolhone jobs approve {job.job_id}")
    if job.validation_score is not None:
        base = f", base {job.base_score:.3f}" if job.base_score is not None else ""
        lines.append(f"held-out score {job.validation_score:.3f}{base}")
    if job.verdict is not None:
        lines.append(f"gate: {job.verdict.get('decision')}. {job.verdict.get('why', '')}".rstrip())
    if job.model_id is not None:
        lines.append(f"model {job.model_id}")
    if job.cost_usd:
        lines.append(f"cost {_usd(job.cost_usd)}")
    if job.error is not None and (job.verdict is None or job.error != job.verdict.get("why")):
        lines.append(f"{job.error_code or 'error'}: {job.error}")
    return "\n".join(lines)


def _epoch(job: Job) -> str:
    return f", epoch {job.epoch:.2f} of {job.config.n_epochs}" if job.epoch is not None else ""


def _losses(job: Job) -> str:
    training = f", loss {job.training_loss:.4f}" if job.training_loss is not None else ""
    validation = f", validation {job.validation_loss:.4f}" if job.validation_loss is not None else ""
    return training + validation


def _usd(amount: float) -> str:
    return f"${amount:,.2f}"


def _without_none(told: JsonObject) -> JsonObject:
    return {key: value for key, value in told.items() if value is not None}
