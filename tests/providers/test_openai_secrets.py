"""The key of a service stays between it and us: no message, no log and no file has it."""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from toolhone.exceptions import ProviderError
from toolhone.training.providers.openai import OpenAIProvider
from toolhone.training.providers.provider import Question, TrainingRequest

if TYPE_CHECKING:
    from providers.conftest import Make
    from providers.openai_server import OpenAIServer

KEY = "sk-test-0123456789"
ASKED = [Question(row_id=name, messages=({"role": "user", "content": name},)) for name in "ab"]

Attempt = Callable[[OpenAIProvider, TrainingRequest], Awaitable[object]]

ATTEMPTS: dict[str, Attempt] = {
    "estimate": lambda one, request: one.estimate(request.config, request.manifest, request.dataset, 0.0),
    "submit": lambda one, request: one.submit(request),
    "find": lambda one, request: one.find(request),
    "poll": lambda one, request: one.poll(request, "ftjob-1", None),
    "cancel": lambda one, request: one.cancel(request, "ftjob-1"),
    "artifact": lambda one, request: one.artifact(request, "ftjob-1"),
}


def in_files(folder: Path) -> list[Path]:
    """The files in which the key is."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [path for path in files if KEY.encode() in path.read_bytes()]


def told_by(error: BaseException) -> str:
    assert isinstance(error, ProviderError)
    return f"{error!r} {error} {error.data}"


@pytest.mark.parametrize(
    ("attempt", "status"),
    [*((attempt, 400) for attempt in ATTEMPTS), *(("poll", status) for status in (401, 403, 404, 429, 500))],
)
async def test_a_service_that_quotes_the_key_is_not_quoted_with_it(
    provider: OpenAIProvider,
    openai_api: "OpenAIServer",
    request_: TrainingRequest,
    caplog: pytest.LogCaptureFixture,
    attempt: str,
    status: int,
) -> None:
    caplog.set_level(logging.DEBUG)
    openai_api.fail(status, times=100, message=f"Not with {KEY}.", code=f"bad_{KEY}")

    with pytest.raises(ProviderError) as caught:
        await ATTEMPTS[attempt](provider, request_)

    assert KEY not in told_by(caught.value)
    assert openai_api.requests, "it was asked"
    assert KEY not in caplog.text


async def test_answers_that_failed_do_not_hold_the_key(
    provider: OpenAIProvider, openai_api: "OpenAIServer", tmp_path: Path
) -> None:
    openai_api.fail(400, message=f"Not with {KEY}.")

    answers = await provider.answer("gpt-4.1-mini-2025-04-14", None, ASKED, tmp_path)

    (error,) = [answer.error for answer in answers if answer.error is not None]
    assert "Not with ***." in error
    assert not in_files(tmp_path)


async def test_a_training_leaves_the_key_in_no_log_and_no_file(
    provider: OpenAIProvider,
    openai_api: "OpenAIServer",
    request_: TrainingRequest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    job_id = await provider.submit(request_)
    while not (await provider.poll(request_, job_id, None)).phase.over:
        pass
    artifact = await provider.artifact(request_, job_id)
    await provider.answer(request_.config.base_model, None, ASKED, request_.workspace / "answers")

    assert "HTTP Request" in caplog.text, "what goes over the wire is logged"
    assert KEY not in caplog.text
    assert KEY not in str(artifact)
    assert not in_files(request_.workspace)


async def test_a_key_that_came_from_a_file_works(make: "Make", request_: TrainingRequest) -> None:
    assert await make(api_key=f"{KEY}\n").submit(request_)


async def test_a_key_that_cannot_be_sent_is_not_shown(make: "Make", request_: TrainingRequest) -> None:
    with pytest.raises(ProviderError, match="set it anew") as caught:
        await make(api_key=f"{KEY}\x00hidden").find(request_)

    assert "hidden" not in told_by(caught.value) and KEY not in told_by(caught.value)
