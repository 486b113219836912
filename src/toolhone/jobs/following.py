"""Watching a training until it is over: figures into the row, limits kept, stopped when it must be."""

from typing import NoReturn

import anyio

from toolhone.exceptions import (
    BudgetExceededError,
    ConflictError,
    ProviderError,
    ProviderUnavailableError,
)
from toolhone.jobs.attempt import Attempt
from toolhone.models import Json, JsonObject
from toolhone.records.jobs import JobStatus
from toolhone.training.providers.provider import Phase, Polled, ProviderEvent

STATUS_OF = {
    Phase.VALIDATING: JobStatus.VALIDATING_FILES,
    # `queued` means that nothing was begun, so that it can be cancelled at once.
    Phase.QUEUED: JobStatus.VALIDATING_FILES,
    Phase.RUNNING: JobStatus.RUNNING,
    Phase.PAUSED: JobStatus.PAUSED,
    Phase.SUCCEEDED: JobStatus.RUNNING,
    Phase.FAILED: JobStatus.RUNNING,
    Phase.CANCELLED: JobStatus.RUNNING,
}

STOPPED_ITSELF = frozenset({"cost_stopped", "time_stopped"})
"""Words of trainings here that kept a limit before we saw that it was reached."""

COST_STEPS = 100
"""So often at most is noted what a training costs by then, on the way to what it may cost."""

FIGURES = ("progress", "epoch", "step", "steps", "training_loss", "validation_loss", "cost_usd")


async def follow(attempt: Attempt, provider_job_id: str) -> None:
    """Returns when the training has succeeded.

    Raises:
        AttemptOver: It ended otherwise, or was stopped; the row says how.
    """
    after = await _last_event(attempt)
    began = attempt.now()
    dataset_due = anyio.current_time()
    while True:
        if (await attempt.look()).cancel_requested:
            await stop(attempt, provider_job_id, JobStatus.CANCELLED, "Cancelled as asked for.")
        polled = await _poll(attempt, provider_job_id, after)
        if polled is None:
            continue
        after = await _take(attempt, polled, after)
        if polled.phase is Phase.SUCCEEDED:
            return
        # A training that lost its files fails in words of its own, so this is looked at first.
        if anyio.current_time() >= dataset_due or polled.phase is Phase.FAILED:
            await _stop_if_revoked(attempt, provider_job_id)
            dataset_due = anyio.current_time() + attempt.pauses.dataset
        if polled.phase is Phase.FAILED and polled.raw in STOPPED_ITSELF:
            await attempt.end(
                JobStatus.COST_STOPPED,
                polled.error or "The training reached a limit and stopped itself.",
                code=BudgetExceededError.code,
                spent=_known_or_bound(attempt, polled),
            )
        if polled.phase is Phase.FAILED:
            why = polled.error or "The provider gave no reason."
            await attempt.end(
                JobStatus.FAILED,
                f"The training failed: {why}",
                code="training_failed",
                spent=_known_or_bound(attempt, polled),
            )
        if polled.phase is Phase.CANCELLED:
            await attempt.end(
                JobStatus.CANCELLED,
                "It was cancelled at the provider.",
                spent=_known_or_bound(attempt, polled),
            )
        await _keep_limits(attempt, provider_job_id)
        await attempt.rest(_interval(attempt, (attempt.now() - began).total_seconds()))


async def stop(
    attempt: Attempt, provider_job_id: str, status: JobStatus, why: str, *, code: str | None = None
) -> NoReturn:
    """Stop the spending, for certain, and then end the attempt.

    Raises:
        AttemptOver: Always.
    """
    pause = attempt.pauses.backoff
    told = False
    while True:
        try:
            await attempt.provider.cancel(attempt.request, provider_job_id)
            break
        except ProviderUnavailableError as exc:
            if not told:
                await attempt.note(f"It cannot be cancelled yet: {exc.message} It is tried again.")
                told = True
        except ProviderError as exc:
            await attempt.end(
                JobStatus.NEEDS_ATTENTION,
                f"{why} But the provider did not stop it: {exc.message} Stop {provider_job_id!r} there.",
                code=exc.code,
                spent=_bound(attempt),
            )
        await anyio.sleep(pause)
        pause = min(attempt.pauses.backoff_most, pause * 2)
    spent = await _last_cost(attempt, provider_job_id)
    await attempt.end(status, why, code=code, spent=spent)


async def _poll(attempt: Attempt, provider_job_id: str, after: str | None) -> Polled | None:
    """How it is; `None` if somebody wants it cancelled while the provider cannot be reached."""
    provider, request = attempt.provider, attempt.request
    pause, told = attempt.pauses.backoff, False
    while True:
        try:
            return await provider.poll(request, provider_job_id, after)
        except ProviderUnavailableError as exc:
            if not told:
                await attempt.note(f"The provider does not say how it goes: {exc.message} It is asked again.")
                told = True
            await _keep_limits(attempt, provider_job_id)
        except ProviderError as exc:
            message = f"The provider does not say how {provider_job_id!r} goes: {exc.message}"
            await attempt.end(JobStatus.NEEDS_ATTENTION, message, code=exc.code, spent=_bound(attempt))
        if await attempt.rest(pause):
            return None
        pause = min(attempt.pauses.backoff_most, pause * 2)


async def _take(attempt: Attempt, polled: Polled, after: str | None) -> str | None:
    """Put into the row what is new; returns the last event seen."""
    for event in polled.events:
        await attempt.change(*_of_event(attempt, event))
        after = event.event_id
    job = attempt.job
    changes: dict[str, object] = {}
    for name in FIGURES:
        value: Json = getattr(polled, name)
        if value is not None and value != getattr(job, name):
            changes[name] = value
    if polled.raw != job.provider_status:
        changes["provider_status"] = polled.raw
    status = STATUS_OF.get(polled.phase, job.status)
    cost = _of_cost(attempt, polled)
    if status is not job.status:
        changes["status"] = status
        await attempt.change(
            changes, ("status", f"The provider says: {polled.raw}.", {"status": status.value})
        )
        changes = {}
    if changes or cost:
        await attempt.change(changes, cost)
    return after


def _of_cost(attempt: Attempt, polled: Polled) -> tuple[str, str, JsonObject] | None:
    """An event for what it costs by now, if that has gone up by a step."""
    cost, bound = polled.cost_usd, attempt.plan.estimate.upper_bound_usd
    if cost is None or bound <= 0:
        return None
    if int(COST_STEPS * cost / bound) <= int(COST_STEPS * attempt.job.cost_usd / bound):
        return None
    data: JsonObject = {"attempt": attempt.number, "cost_usd": cost}
    return "cost", f"${cost:,.2f} so far.", data


def _of_event(
    attempt: Attempt, event: ProviderEvent
) -> tuple[dict[str, object], tuple[str, str, JsonObject]]:
    data: JsonObject = {"event_id": event.event_id, "attempt": attempt.number, "provider_at": event.at}
    changes: dict[str, object] = {}
    if event.metrics:
        data |= event.metrics
        for name in ("epoch", "training_loss", "validation_loss"):
            if name in event.metrics:
                changes[name] = event.metrics[name]
        if "step" in event.metrics:
            changes["step"] = int(event.metrics["step"])
    return changes, ("metrics" if event.metrics else "message", event.message, data)


async def _last_event(attempt: Attempt) -> str | None:
    """Where a process that followed before us stopped reading."""
    events = await attempt.keep(lambda store: store.events(attempt.job.job_id))
    for event in reversed(events):
        if event.data.get("attempt") == attempt.number and "event_id" in event.data:
            return str(event.data["event_id"])
    return None


async def _stop_if_revoked(attempt: Attempt, provider_job_id: str) -> None:
    """Nothing is learned any more from what somebody had erased."""
    if (revoked := await attempt.revocation()) is not None:
        why = f"{revoked} The training on it was stopped."
        await stop(attempt, provider_job_id, JobStatus.FAILED, why, code=ConflictError.code)


async def _keep_limits(attempt: Attempt, provider_job_id: str) -> None:
    """Stop what costs more, or takes longer, than was allowed."""
    job = attempt.job
    cap = job.config.max_training_cost_usd
    if job.cost_usd > cap:
        why = f"It cost ${job.cost_usd:,.2f}, more than max_training_cost_usd (${cap:,.2f}), and was stopped."
        await stop(attempt, provider_job_id, JobStatus.COST_STOPPED, why, code="cost_stopped")
    if attempt.overdue():
        hours = job.config.max_training_hours
        why = (
            f"It ran longer than max_training_hours ({hours:g} h) and was stopped. Allow more or train less."
        )
        await stop(attempt, provider_job_id, JobStatus.COST_STOPPED, why, code="cost_stopped")


def _interval(attempt: Attempt, seconds: float) -> float:
    pauses = attempt.pauses
    if not attempt.provider.capabilities.costs_money:
        return pauses.poll_here
    return pauses.poll_first if seconds < pauses.first_minutes else pauses.poll_later


async def _last_cost(attempt: Attempt, provider_job_id: str) -> float:
    try:
        polled = await attempt.provider.poll(attempt.request, provider_job_id, None)
    except ProviderError:
        return _bound(attempt)
    return _known_or_bound(attempt, polled)


def _known_or_bound(attempt: Attempt, polled: Polled) -> float:
    """What it cost; where the provider does not say, what it can have cost at most."""
    return polled.cost_usd if polled.cost_usd is not None else _bound(attempt)


def _bound(attempt: Attempt) -> float:
    if not attempt.provider.capabilities.costs_money:
        return attempt.job.cost_usd
    return max(attempt.job.cost_usd, attempt.plan.estimate.upper_bound_usd)
