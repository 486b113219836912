"""What is said before anything is sent: costs, dates, and what cannot be honoured."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from toolhone.exceptions import InvalidRequestError, ProviderRefusedError
from toolhone.records.datasets import Split
from toolhone.training.answer_scoring import questions_of
from toolhone.training.costs import load_prices
from toolhone.training.providers.openai import OpenAIProvider, service_of
from toolhone.training.providers.openai_files import measure, rows_of
from toolhone.training.providers.provider import TrainingRequest

if TYPE_CHECKING:
    from providers.conftest import Make
    from providers.openai_server import OpenAIServer

MODEL = "gpt-4.1-mini-2025-04-14"


async def test_tokens_are_counted_times_epochs_and_bounded_from_above(
    make: "Make", request_: TrainingRequest
) -> None:
    # One token a text: a row is 3 + user (4 + 1) + tools 1 + assistant (4 + 1).
    provider = make(count=lambda text: 1)  # pyright: ignore[reportUnknownLambdaType]
    estimate = await provider.estimate(request_.config, request_.manifest, request_.dataset, 0.0)
    assert estimate.trained_tokens == 12 * 14 * 3
    assert estimate.steps == 9
    assert estimate.cost_usd == pytest.approx(504 * 5 / 1e6)
    trained = (12 + 2) * 14 * 3 * 5
    # Room for an answer: 256 tokens, and one for each byte of the recorded one.
    recorded = len('{"role":"assistant","content":"file 0 is clean"}')
    prompts, answers = 3 * 9, 3 * (256 + recorded)
    asked = prompts * (0.8 + 0.4) + answers * (3.2 + 1.6)
    assert estimate.upper_bound_usd == pytest.approx((trained + asked) / 1e6 * 1.1)
    assert "as of 2026-11-01, the test" in estimate.price_source


async def test_the_bound_covers_every_question_that_the_gate_will_ask(
    make: "Make", request_: TrainingRequest
) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "scan", "arguments": "{}"}}
    turns = [
        {"role": "user", "content": "scan all"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "nothing"},
        {"role": "assistant", "content": "clean " * 3_000},
    ]
    path = request_.dataset / "test.jsonl"
    row = json.loads(path.read_text().splitlines()[0])
    path.write_text(json.dumps(row | {"messages": turns}) + "\n")
    rows = list(rows_of(request_.dataset, Split.TEST))
    measured = measure(request_.dataset, azure=False, epochs=1, count=lambda text: 1)
    questions = questions_of(rows)
    assert len(questions) == 2 and questions[1].max_tokens == 4_096
    assert measured.work.test_answers == sum(question.max_tokens for question in questions)
    # 3 + tools 1 + user 5, and again with the call (4 + 1) and its result (4 + 1 + 1).
    assert measured.work.test_prompts == 9 + 9 + 5 + 6


async def test_the_real_bill_stays_under_the_bound(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    estimate = await provider.estimate(request_.config, request_.manifest, request_.dataset, 0.0)
    job = openai_api.jobs[await provider.submit(request_)]
    assert job.trained_tokens * 5 / 1e6 < estimate.upper_bound_usd


async def test_a_rate_that_cannot_be_sent_is_said(
    provider: OpenAIProvider, request_: TrainingRequest
) -> None:
    estimate = await provider.estimate(request_.config, request_.manifest, request_.dataset, 0.0)
    assert any(warning.startswith("learning_rate 0.0001 is not used") for warning in estimate.warnings)
    assert "learning_rate" not in provider.capabilities.honours
    assert not any("learning_rate" in name for name in estimate.honoured)


async def test_a_batch_is_not_larger_than_the_file(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    request = replace(request_, config=request_.config.model_copy(update={"batch_size": 32}))
    estimate = await provider.estimate(request.config, request.manifest, request.dataset, 0.0)
    assert "batch_size is 12, not 32: there are only 12 rows." in estimate.warnings
    job = openai_api.jobs[await provider.submit(request)]
    assert job.body["method"]["supervised"]["hyperparameters"]["batch_size"] == 12


async def test_no_base_model_is_refused_with_one_that_works(
    provider: OpenAIProvider, request_: TrainingRequest
) -> None:
    config = request_.config.model_copy(update={"base_model": ""})
    with pytest.raises(InvalidRequestError, match=MODEL):
        await provider.estimate(config, request_.manifest, request_.dataset, 0.0)


async def test_too_few_rows_are_refused_before_anything_is_sent(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    lines = (request_.dataset / "train.jsonl").read_text().splitlines(keepends=True)
    (request_.dataset / "train.jsonl").write_text("".join(lines[:9]))
    with pytest.raises(InvalidRequestError, match=r"9 rows.*10"):
        await provider.estimate(request_.config, request_.manifest, request_.dataset, 0.0)
    assert openai_api.requests == []


# Last days


async def test_a_day_that_the_service_names_is_warned_of_and_then_refused(
    make: "Make", openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    openai_api.models[MODEL] = {"shutdown_date": "2027-01-14"}
    estimate = await make().estimate(request_.config, request_.manifest, request_.dataset, 0.0)
    assert any(
        "shuts down on 2027-01-14, says the service itself: in 53 days" in one for one in estimate.warnings
    )
    later = make(today=lambda: date(2027, 1, 14))
    with pytest.raises(ProviderRefusedError, match="shuts down on 2027-01-14"):
        await later.estimate(request_.config, request_.manifest, request_.dataset, 0.0)


async def test_a_day_that_passes_between_plan_and_submission_stops_it(
    make: "Make", openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    prices = {"127.0.0.1": {"training_ends": date(2026, 11, 25), "models": {MODEL: _price()}}}
    estimate = await make(prices=load_prices(prices)).estimate(
        request_.config, request_.manifest, request_.dataset, 0.0
    )
    assert any("from 2026-11-25 on" in warning for warning in estimate.warnings)
    late = make(prices=load_prices(prices), today=lambda: date(2026, 11, 25))
    with pytest.raises(ProviderRefusedError, match="Nothing was sent"):
        await late.submit(request_)
    assert openai_api.files == {}


async def test_a_job_that_was_started_in_time_is_not_disowned_later(
    make: "Make", openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    job_id = await make().submit(request_)
    late = make(today=lambda: date(2030, 1, 1), prices=load_prices())
    assert await late.submit(request_) == job_id
    assert await late.find(request_) == job_id


def _price() -> dict[str, object]:
    return {
        "training_usd_per_million": 1.0,
        "input_usd_per_million": 1.0,
        "output_usd_per_million": 1.0,
        "as_of": date(2026, 11, 1),
    }


async def test_an_unreadable_day_is_no_day(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    openai_api.models[MODEL] = {"shutdown_date": "soon"}
    assert await provider.estimate(request_.config, request_.manifest, request_.dataset, 0.0)


def test_only_openai_itself_has_openais_prices_and_dates() -> None:
    assert service_of("https://api.openai.com/v1") == "openai"
    assert service_of("https://eu.api.openai.com/v1") == "openai"
    assert service_of("https://api.openai.com.example.org/v1") == "api.openai.com.example.org"
    assert service_of("http://localhost:8000/v1") == "localhost"


def test_the_module_does_not_load_the_client(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = "import sys, toolhone.training.providers.openai; print('openai' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
