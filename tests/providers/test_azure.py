"""What Azure does its own way."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from toolhone.exceptions import ProviderRefusedError, ProviderUnavailableError
from toolhone.models import Category
from toolhone.training.costs import load_prices
from toolhone.training.providers.openai import OpenAIProvider, Profile
from toolhone.training.providers.openai_files import suffix_of
from toolhone.training.providers.provider import Question, TrainingRequest

if TYPE_CHECKING:
    from providers.conftest import Make, Time
    from providers.openai_server import OpenAIServer

MODEL = "gpt-4.1-mini-2025-04-14"
QUESTION = Question(row_id="row-1", messages=({"role": "user", "content": "scan x"},))


@pytest.fixture
def azure(make: "Make", openai_api: "OpenAIServer") -> OpenAIProvider:
    openai_api.azure = True
    openai_api.base64_results = False
    return make(profile=Profile.AZURE)


async def train(provider: OpenAIProvider, request: TrainingRequest) -> str:
    job_id = await provider.submit(request)
    for _ in range(4):
        await provider.poll(request, job_id, None)
    return job_id


async def test_files_have_a_bom_and_are_waited_for(
    azure: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest, clock: "Time"
) -> None:
    job_id = await azure.submit(request_)
    assert all(file.content.startswith(b"\xef\xbb\xbf{") for file in openai_api.files.values())
    assert clock.slept, "the service was still reading them"
    assert openai_api.jobs[job_id].body["suffix"] == "core_security-1-0"


async def test_a_file_that_the_service_cannot_read_costs_nothing(
    azure: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    openai_api.fail(500, times=100, method="POST", path="/fine_tuning")
    with pytest.raises(ProviderUnavailableError):
        await azure.submit(request_)
    for file in openai_api.files.values():
        file.statuses = ["error"]
    with pytest.raises(ProviderRefusedError, match=r"cannot use the train file .*\(error\)"):
        await azure.submit(request_)
    assert openai_api.jobs == {}


async def test_a_file_that_is_never_read_is_given_up_in_time(
    azure: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest, clock: "Time"
) -> None:
    openai_api.fail(500, times=100, method="POST", path="/fine_tuning")
    with pytest.raises(ProviderUnavailableError):
        await azure.submit(request_)
    for file in openai_api.files.values():
        file.statuses = ["running"]
    clock.slept.clear()
    with pytest.raises(ProviderUnavailableError, match="not finished reading"):
        await azure.submit(request_)
    assert sum(clock.slept) < 700


async def test_its_result_file_is_read_by_its_own_names(
    azure: OpenAIProvider, request_: TrainingRequest
) -> None:
    artifact = await azure.artifact(request_, await train(azure, request_))
    assert artifact.details["result"] == {
        "rows": 5,
        "step": 5,
        "training_loss": 0.4,
        "token_accuracy": 0.9,
        "validation_loss": 0.44,
        "validation_token_accuracy": 0.88,
        "full_validation_loss": 0.45,
        "full_validation_token_accuracy": 0.87,
    }


async def test_no_answers_without_a_deployment_and_what_to_do_is_said(
    azure: OpenAIProvider, make: "Make", openai_api: "OpenAIServer", request_: TrainingRequest, tmp_path: Path
) -> None:
    artifact = await azure.artifact(request_, await train(azure, request_))
    assert "Deploy it" in str(artifact.details["deployment"])
    with pytest.raises(ProviderRefusedError, match="toolhone jobs retry") as caught:
        await azure.answer(artifact.model_id, None, [QUESTION], tmp_path / "answers")
    assert caught.value.data["reason"] == "not_deployed"
    assert openai_api.asked == []

    deployed = make(profile=Profile.AZURE, deployments={artifact.model_id: "ours"})
    (answer,) = await deployed.answer(artifact.model_id, None, [QUESTION], tmp_path / "answers")
    assert openai_api.asked[0]["model"] == "ours"
    assert answer.cost_usd == pytest.approx(
        (answer.prompt_tokens * 0.8 + answer.completion_tokens * 3.2) / 1_000_000
    )


async def test_hosting_is_in_the_bound_and_deployment_is_announced(
    azure: OpenAIProvider, make: "Make", request_: TrainingRequest
) -> None:
    without = await azure.estimate(request_.config, request_.manifest, request_.dataset, 0.0)
    price = {
        "training_usd_per_million": 5.0,
        "input_usd_per_million": 0.8,
        "output_usd_per_million": 3.2,
        "base_input_usd_per_million": 0.4,
        "base_output_usd_per_million": 1.6,
        "hosting_usd_per_hour": 2.0,
        "hosting_hours": 10.0,
        "as_of": date(2026, 11, 1),
    }
    prices = load_prices({"azure": {"models": {MODEL: price}}})
    hosted = await make(profile=Profile.AZURE, prices=prices).estimate(
        request_.config, request_.manifest, request_.dataset, 0.0
    )
    assert hosted.upper_bound_usd == pytest.approx(without.upper_bound_usd + 20)
    assert any(
        "deploy the tuned model" in warning and "10 hours at $2" in warning for warning in hosted.warnings
    )


@pytest.mark.parametrize("category", list(Category))
def test_every_suffix_is_one_that_azure_takes(request_: TrainingRequest, category: Category) -> None:
    for version in ("1.0.0", "2026.11.22-beta", "ä ö", ""):
        config = request_.config.model_copy(update={"category": category, "model_version": version})
        suffix = suffix_of(config, azure=True)
        assert 0 < len(suffix) <= 18 and "." not in suffix and suffix.isascii()
        assert 0 < len(suffix_of(config, azure=False)) <= 64


async def test_azure_dates_are_its_own(make: "Make", request_: TrainingRequest) -> None:
    late = make(profile=Profile.AZURE, today=lambda: date(2027, 4, 14))
    config = request_.config.model_copy(update={"base_model": "gpt-4.1"})
    with pytest.raises(ProviderRefusedError, match="Azure's model retirement document"):
        await late.submit(replace(request_, config=config))
