"""Stopping what a provider may still have of a job that nobody runs any more."""

from collections.abc import Mapping

import anyio

from toolhone.exceptions import ToolhoneError
from toolhone.jobs.planning import provider_of
from toolhone.records.jobs import FinetuningProvider, Submission
from toolhone.training.providers.provider import Provider, TrainingRequest

STOPPING_SECONDS = 60.0
"""Somebody waits for the answer; a service may list a training only after a while."""


async def stop_leftover(
    providers: Mapping[FinetuningProvider, Provider],
    request: TrainingRequest,
    submission: Submission | None,
    *,
    seconds: float = STOPPING_SECONDS,
) -> str:
    """Ask the provider once to stop a training; returns what came of it, never raises for the provider.

    Args:
        submission: Of the attempt that may have been started; `None` if none was.
    """
    if submission is None:
        return "Nothing had been sent to the provider."
    provider_job_id = submission.provider_job_id
    why = f"it did not answer in {seconds:g} seconds."
    try:
        provider = provider_of(providers, request.config.provider)
        with anyio.fail_after(seconds):
            provider_job_id = provider_job_id or await provider.find(request)
            if provider_job_id is None:
                return "The provider has no training of it."
            await provider.cancel(request, provider_job_id)
    except ToolhoneError as exc:
        why = exc.message
    except TimeoutError:
        pass
    else:
        return f"The provider was told to stop {provider_job_id!r}."
    known = provider_job_id or submission.key
    return f"The provider was not told to stop it, so it may go on and cost: {why} Look for {known!r} there."
