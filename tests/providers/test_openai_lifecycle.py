"""A training by the service, from the estimate to the answers of the tuned model."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from toolhone.training.providers.openai import OpenAIProvider
from toolhone.training.providers.provider import Phase, Question, TrainingRequest

if TYPE_CHECKING:
    from providers.conftest import Make
    from providers.openai_server import OpenAIServer

MODEL = "gpt-4.1-mini-2025-04-14"


async def until_over(provider: OpenAIProvider, request: TrainingRequest, job_id: str) -> list[str]:
    raw: list[str] = []
    after: str | None = None
    for _ in range(20):
        polled = await provider.poll(request, job_id, after)
        after = polled.events[-1].event_id if polled.events else after
        raw.append(polled.raw)
        if polled.phase.over:
            return raw
    raise AssertionError(raw)


async def test_a_training_goes_from_estimate_to_a_model_that_answers(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest, tmp_path: Path
) -> None:
    estimate = await provider.estimate(request_.config, request_.manifest, request_.dataset, 0.0)
    assert estimate.trained_tokens > 0
    assert 0 < estimate.cost_usd < estimate.upper_bound_usd
    assert openai_api.files == {} and openai_api.jobs == {}, "an estimate sends nothing"

    job_id = await provider.submit(request_)
    assert await provider.find(request_) == job_id
    assert await until_over(provider, request_, job_id) == [
        "validating_files",
        "queued",
        "running",
        "succeeded",
    ]

    artifact = await provider.artifact(request_, job_id)
    assert artifact.model_id == f"ft:{MODEL}:org:core_security-1.0.0:{job_id.removeprefix('ftjob-')}"
    assert len(artifact.sha256) == 64
    assert artifact.cost_usd == openai_api.jobs[job_id].trained_tokens * 5 / 1_000_000
    assert artifact.details["result"] == {
        "rows": 5,
        "step": 5,
        "training_loss": 0.4,
        "token_accuracy": 0.9,
        "validation_loss": 0.44,
        "validation_token_accuracy": 0.88,
    }
    question = Question(row_id="row-1", messages=({"role": "user", "content": "scan x"},))
    (answer,) = await provider.answer(artifact.model_id, None, [question], tmp_path / "answers")
    assert answer.message["content"] == f"{artifact.model_id} heard scan x"
    assert answer.cost_usd == pytest.approx(
        (answer.prompt_tokens * 0.8 + answer.completion_tokens * 3.2) / 1_000_000
    )
    assert answer.latency_ms > 0


async def test_what_is_sent_is_what_was_promised(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    estimate = await provider.estimate(request_.config, request_.manifest, request_.dataset, 0.0)
    job = openai_api.jobs[await provider.submit(request_)]
    sent = job.body
    assert sent["method"] == {
        "type": "supervised",
        "supervised": {"hyperparameters": {"n_epochs": 3, "batch_size": 4}},
    }
    assert estimate.honoured == {
        "model": sent["model"],
        "n_epochs": 3,
        "batch_size": 4,
        "seed": sent["seed"],
        "suffix": sent["suffix"],
    }
    assert sent["metadata"]["toolhone_key"] == request_.key
    create = openai_api.requests.index(("POST", "/v1/fine_tuning/jobs"))
    assert openai_api.headers[create]["idempotency-key"] == request_.key
    trained = openai_api.rows(sent["training_file"])
    assert len(trained) == 12
    assert set(trained[0]) <= {"messages", "tools", "parallel_tool_calls"}
    assert trained[0]["messages"][-1]["content"] == "file 0 is clean"
    assert trained[0]["tools"][0]["function"]["name"] == "scan"
    assert len(openai_api.rows(sent["validation_file"])) == 2
    everything = b"".join(file.content for file in openai_api.files.values())
    assert b"row-1" not in everything and b"group-1" not in everything, "our own fields stay here"
    left = [path.name for path in request_.workspace.iterdir()]
    assert len(left) == 1 and left[0].endswith(".json"), "no copy of the dataset is left behind"


async def test_events_come_oldest_first_and_each_only_once(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    job_id = await provider.submit(request_)
    for number in range(50):
        openai_api._say(openai_api.jobs[job_id], f"note {number}")
    seen = [event async for event in polls(provider, request_, job_id)]
    assert [event.message for event in seen] == [
        str(event["message"]) for event in openai_api.jobs[job_id].events
    ]
    steps = [event.metrics for event in seen if event.metrics]
    assert [(step["step"], step["steps"]) for step in steps] == [(number, 5) for number in range(1, 6)]
    assert steps[-1]["epoch"] == 3
    assert steps[0]["training_loss"] == 2.0 and "validation_token_accuracy" not in steps[0]


async def polls(provider: OpenAIProvider, request: TrainingRequest, job_id: str):  # type: ignore[no-untyped-def]
    after = None
    for _ in range(5):
        polled = await provider.poll(request, job_id, after)
        for event in polled.events:
            yield event
            after = event.event_id


async def test_progress_is_reckoned_from_the_steps_and_cost_only_from_what_was_billed(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    openai_api.hold = "running"
    job_id = await provider.submit(request_)
    await provider.poll(request_, job_id, None)
    await provider.poll(request_, job_id, None)
    running = await provider.poll(request_, job_id, None)
    assert (running.phase, running.step, running.steps, running.progress) == (Phase.RUNNING, 5, 5, 1.0)
    assert running.validation_loss == pytest.approx(0.44)
    assert running.cost_usd is None
    openai_api.hold = None
    await provider.poll(request_, job_id, None)
    over = await provider.poll(request_, job_id, None)
    assert over.cost_usd == openai_api.jobs[job_id].trained_tokens * 5 / 1_000_000


async def test_the_bill_is_reckoned_at_the_planned_price_even_if_the_table_changed(
    make: "Make", openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    job_id = await make().submit(request_)
    await until_over(make(), request_, job_id)
    from toolhone.training.costs import load_prices

    later = make(prices=load_prices({"127.0.0.1": {"models": {}}}))
    artifact = await later.artifact(request_, job_id)
    assert artifact.cost_usd == openai_api.jobs[job_id].trained_tokens * 5 / 1_000_000


async def test_the_same_result_has_the_same_hash_and_another_one_another(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    job_id = await provider.submit(request_)
    await until_over(provider, request_, job_id)
    first = await provider.artifact(request_, job_id)
    assert (await provider.artifact(request_, job_id)).sha256 == first.sha256
    openai_api.files[openai_api.jobs[job_id].body["result_file"]].content = b"step,train_loss\n1,0.5\n"
    assert (await provider.artifact(request_, job_id)).sha256 != first.sha256


async def test_a_lost_result_file_does_not_lose_the_model(
    provider: OpenAIProvider, openai_api: "OpenAIServer", request_: TrainingRequest
) -> None:
    job_id = await provider.submit(request_)
    await until_over(provider, request_, job_id)
    del openai_api.files[openai_api.jobs[job_id].body["result_file"]]
    artifact = await provider.artifact(request_, job_id)
    assert artifact.model_id.startswith("ft:")
    assert "file_not_found" in artifact.details["result"]["error"]


def test_the_file_of_rows_is_one_object_a_line(dataset: Path) -> None:
    assert all(json.loads(line)["messages"] for line in (dataset / "train.jsonl").read_text().splitlines())
