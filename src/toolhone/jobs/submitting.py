"""The paid step: asked for once, and after a crash looked for at the provider instead of asked for again."""

from collections.abc import Awaitable, Callable

from toolhone.exceptions import (
    ProviderError,
    ProviderRefusedError,
    ProviderUnavailableError,
    StorageError,
    ToolhoneError,
)
from toolhone.jobs.attempt import Attempt
from toolhone.jobs.planning import timestamp
from toolhone.records.jobs import JobStatus, Submission
from toolhone.records.stores import JobStore


async def submit(attempt: Attempt, check: Callable[[], Awaitable[object]]) -> str:
    """The provider's id of the training, which is started unless it has been.

    A row is committed before the provider is asked. If it is there without the provider's id, somebody asked
    and died before the answer: then only the provider can say what came of it.

    Args:
        check: Raises if it is no longer what was planned. Between the first asking and the next, days may
            pass, prices rise, and a dataset be revoked.

    Raises:
        AttemptOver: The provider refused, or cannot say; the row says so.
    """
    job = await attempt.look()
    asking = Submission(
        job_id=job.job_id, attempt=job.attempt, key=attempt.request.key, at=timestamp(attempt.now())
    )

    def begin(store: JobStore) -> tuple[Submission, bool]:
        before = store.submission(asking.job_id, asking.attempt)
        return store.begin_submission(asking), before is not None

    kept, asked = await attempt.keep(begin)
    if kept.provider_job_id is not None:
        return await _note(attempt, kept.provider_job_id, "Goes on")
    pause, told = attempt.pauses.backoff, False
    while True:
        if asked:
            found = await _find(attempt)
            if found is not None:
                return await _adopt(attempt, found, "Was started before; taken on")
            await _still(attempt, check)
        if (await attempt.look()).cancel_requested:
            await attempt.end(JobStatus.CANCELLED, "Cancelled before the provider had it.", spent=0)
        asked = True
        try:
            started = await attempt.provider.submit(attempt.request)
        except ProviderUnavailableError as exc:
            if attempt.overdue():
                message = f"{exc.message} It was tried until max_training_hours were over."
                await attempt.end(JobStatus.FAILED, message, code=exc.code, spent=0)
            if not told:
                await attempt.note(f"The provider does not take it now: {exc.message} It is tried again.")
                told = True
        except ProviderRefusedError as exc:
            await attempt.end(JobStatus.FAILED, exc.message, code=exc.code, spent=0)
        except ProviderError as exc:
            # Not clear what came of it, so it is looked for before it counts as failed.
            found = await _find(attempt)
            if found is None:
                await attempt.end(JobStatus.FAILED, exc.message, code=exc.code, spent=0)
            return await _adopt(attempt, found, "Was started all the same; taken on")
        else:
            return await _adopt(attempt, started, "Started")
        await attempt.rest(pause)
        pause = min(attempt.pauses.backoff_most, pause * 2)


async def _still(attempt: Attempt, check: Callable[[], Awaitable[object]]) -> None:
    """Ends the attempt if it is no longer what was planned; there is surely no training of it then."""
    try:
        await check()
    except StorageError:
        raise
    except ToolhoneError as exc:
        await attempt.end(JobStatus.FAILED, exc.message, code=exc.code, spent=0)


async def _find(attempt: Attempt) -> str | None:
    """The training at the provider; `None` if there surely is none.

    Raises:
        AttemptOver: It cannot be said. It is never started a second time then.
    """
    provider, request = attempt.provider, attempt.request
    what = "Looking for the training at the provider"
    try:
        found = await attempt.patiently(lambda: provider.find(request), what)
        if found is None and provider.capabilities.costs_money:
            # A request that was under way may arrive after the first look.
            await attempt.rest(attempt.pauses.arriving)
            found = await attempt.patiently(lambda: provider.find(request), what)
    except ProviderError as exc:
        message = (
            f"Whether the training was started cannot be said: {exc.message} It is not started again. "
            f"Look for {request.key!r} at the provider; if it is not there, make a new job."
        )
        await attempt.end(
            JobStatus.NEEDS_ATTENTION,
            message,
            code=exc.code,
            spent=attempt.plan.estimate.upper_bound_usd,
        )
    return found


async def _adopt(attempt: Attempt, provider_job_id: str, how: str) -> str:
    job = attempt.job
    await attempt.keep(lambda store: store.finish_submission(job.job_id, job.attempt, provider_job_id))
    return await _note(attempt, provider_job_id, how)


async def _note(attempt: Attempt, provider_job_id: str, how: str) -> str:
    if attempt.job.provider_job_id != provider_job_id:
        event = (
            "status",
            f"{how} at the provider as {provider_job_id}.",
            {"provider_job_id": provider_job_id},
        )
        await attempt.change({"provider_job_id": provider_job_id}, event)
    return provider_job_id
