"""What holds for every provider.

A provider joins by a name in `TRAINERS` and a branch in `opened`.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from toolhone.exceptions import InvalidRequestError, ProviderError
from toolhone.models import Category, JsonObject
from toolhone.records.datasets import Manifest, Row
from toolhone.records.jobs import FinetuningConfig, FinetuningProvider
from toolhone.records.row_json import line, row_json
from toolhone.training.costs import load_prices
from toolhone.training.providers.anthropic import AnthropicProvider
from toolhone.training.providers.openai import OpenAIProvider
from toolhone.training.providers.provider import Polled, Provider, Question, TrainingRequest

if TYPE_CHECKING:
    from providers.openai_server import OpenAIServer

MODEL = "gpt-4.1-mini-2025-04-14"
COUNTS = {"train": 12, "validation": 2, "test": 3}


@dataclass(frozen=True)
class Subject:
    """A provider, and how to ask it for work."""

    provider: Provider
    base_model: str
    trains: bool = True
    """It really does; else it refuses."""
    polls: int = 20
    """Within so many looks a training is over."""
    config: JsonObject = field(default_factory=dict[str, object])


TRAINERS = ["openai"]
REFUSERS = ["anthropic"]


@asynccontextmanager
async def opened(name: str, openai_api: "OpenAIServer") -> AsyncGenerator[Subject]:
    if name == "openai":
        price = {f"{kind}_usd_per_million": 1.0 for kind in ("training", "input", "output")}
        prices = load_prices({"127.0.0.1": {"models": {"*": price | {"as_of": date(2026, 11, 22)}}}})
        subject = Subject(
            OpenAIProvider(openai_api.base_url, openai_api.api_key, prices=prices, settle_seconds=0), MODEL
        )
    else:
        subject = Subject(AnthropicProvider(), "claude-3-haiku", trains=False)
    try:
        yield subject
    finally:
        await subject.provider.aclose()


@pytest.fixture(params=TRAINERS)
async def trainer(request: pytest.FixtureRequest, openai_api: "OpenAIServer") -> AsyncGenerator[Subject]:
    """A provider that trains."""
    async with opened(request.param, openai_api) as subject:
        yield subject


@pytest.fixture(params=REFUSERS)
async def refuser(request: pytest.FixtureRequest, openai_api: "OpenAIServer") -> AsyncGenerator[Subject]:
    """A provider that says why it does not."""
    async with opened(request.param, openai_api) as subject:
        yield subject


@pytest.fixture(params=[*TRAINERS, *REFUSERS])
async def subject(request: pytest.FixtureRequest, openai_api: "OpenAIServer") -> AsyncGenerator[Subject]:
    async with opened(request.param, openai_api) as subject:
        yield subject


def training_on(subject: Subject, tmp_path: Path) -> TrainingRequest:
    dataset = tmp_path / "dataset"
    dataset.mkdir()
    for split, count in COUNTS.items():
        (dataset / f"{split}.jsonl").write_bytes(b"".join(line(row_json(row(n))) for n in range(count)))
    config = FinetuningConfig(
        category=Category.CORE_SECURITY,
        provider=subject.provider.capabilities.provider,
        base_model=subject.base_model,
        n_epochs=2,
        batch_size=4,
        **subject.config,
    )
    manifest = Manifest(
        dataset_id="core_security_20261122_101112_abcdef",
        category=Category.CORE_SECURITY,
        version=1,
        created_at="2026-11-22T10:11:12.000000+00:00",
        content_hash="sha256:abcdef",
        request={},
        counts=COUNTS,
        files={},
        dropped={},
    )
    return TrainingRequest(
        job_id="finetune_core_security_20261122_101112_abcdef",
        key="key-1",
        category=Category.CORE_SECURITY,
        config=config,
        manifest=manifest,
        dataset=dataset,
        workspace=tmp_path / "run",
    )


def row(number: int) -> Row:
    return Row(
        row_id=f"row-{number}",
        group=f"group-{number}",
        task_type="scan",
        messages=(
            {"role": "user", "content": f"scan file {number}"},
            {"role": "assistant", "content": f"file {number} is clean"},
        ),
        score=0.9,
        recorded_at="2026-11-20T10:00:00.000000+00:00",
    )


@pytest.fixture
def training(trainer: Subject, tmp_path: Path) -> TrainingRequest:
    return training_on(trainer, tmp_path)


async def test_capabilities_say_what_is_missing(subject: Subject) -> None:
    able = subject.provider.capabilities
    assert able.provider in FinetuningProvider
    assert able.available is (able.unavailable_why is None) is subject.trains
    assert set(able.honours) <= set(FinetuningConfig.model_fields)
    assert able.dataset_format


async def test_an_estimate_starts_nothing_and_is_repeatable(
    trainer: Subject, training: TrainingRequest
) -> None:
    provider = trainer.provider
    first = await provider.estimate(training.config, training.manifest, training.dataset, 0.0)
    assert first == await provider.estimate(training.config, training.manifest, training.dataset, 0.0)
    assert first.trained_tokens > 0
    assert 0 <= first.cost_usd <= first.upper_bound_usd
    assert (first.upper_bound_usd > 0) is provider.capabilities.costs_money
    assert first.price_source
    assert await provider.find(training) is None
    assert not training.workspace.exists()


async def test_an_estimate_names_every_hyperparameter_that_it_does_not_honour(
    trainer: Subject, training: TrainingRequest
) -> None:
    estimate = await trainer.provider.estimate(training.config, training.manifest, training.dataset, 0.0)
    for name in ("n_epochs", "batch_size", "learning_rate"):
        told = any(warning.startswith(name) for warning in estimate.warnings)
        assert told or name in trainer.provider.capabilities.honours, name


async def test_a_dataset_without_rows_is_refused(trainer: Subject, training: TrainingRequest) -> None:
    (training.dataset / "train.jsonl").write_bytes(b"")
    empty = replace(training.manifest, counts={"train": 0})
    with pytest.raises((InvalidRequestError, ProviderError)):
        await trainer.provider.estimate(training.config, empty, training.dataset, 0.0)


async def followed(trainer: Subject, training: TrainingRequest, job_id: str) -> tuple[Polled, list[str]]:
    """How it is when it is over, and the ids of its events."""
    seen: list[str] = []
    for _ in range(trainer.polls):
        polled = await trainer.provider.poll(training, job_id, seen[-1] if seen else None)
        seen += [event.event_id for event in polled.events]
        if polled.phase.over:
            return polled, seen
    raise AssertionError("It is not over.")


async def test_a_training_runs_to_an_artifact(trainer: Subject, training: TrainingRequest) -> None:
    provider = trainer.provider
    job_id = await provider.submit(training)
    assert await provider.submit(training) == job_id, "the same request is the same work"
    assert await provider.find(training) == job_id
    polled, seen = await followed(trainer, training, job_id)
    assert polled.phase.value == "succeeded", (polled.raw, polled.error)
    assert len(seen) == len(set(seen)), "no event comes twice"
    artifact = await provider.artifact(training, job_id)
    assert artifact == await provider.artifact(training, job_id)
    assert artifact.model_id and len(artifact.sha256) == 64
    await provider.cancel(training, job_id)
    assert (await provider.poll(training, job_id, None)).phase.value == "succeeded", "it was over"


async def test_a_training_is_cancelled(trainer: Subject, training: TrainingRequest) -> None:
    job_id = await trainer.provider.submit(training)
    await trainer.provider.cancel(training, job_id)
    await trainer.provider.cancel(training, job_id)
    polled, _ = await followed(trainer, training, job_id)
    assert polled.phase.value == "cancelled"
    with pytest.raises(ProviderError):
        await trainer.provider.artifact(training, job_id)


async def test_answers_are_in_the_order_asked(trainer: Subject, tmp_path: Path) -> None:
    questions = [
        Question(row_id=f"row-{n}", messages=({"role": "user", "content": f"scan {n}"},)) for n in range(4)
    ]
    answers = await trainer.provider.answer(trainer.base_model, None, questions, tmp_path / "answers")
    assert [answer.row_id for answer in answers] == [question.row_id for question in questions]
    assert all(answer.message["role"] == "assistant" and answer.latency_ms >= 0 for answer in answers)
    again = await trainer.provider.answer(trainer.base_model, None, questions, tmp_path / "answers")
    assert again == answers, "they are kept"


async def test_what_cannot_train_refuses_and_says_what_to_do(refuser: Subject, tmp_path: Path) -> None:
    training = training_on(refuser, tmp_path)
    provider = refuser.provider
    with pytest.raises(ProviderError, match=training.manifest.dataset_id) as caught:
        await provider.estimate(training.config, training.manifest, training.dataset, 0.0)
    assert "toolhone datasets export" in str(caught.value)
    with pytest.raises(ProviderError):
        await provider.submit(training)
    with pytest.raises(ProviderError):
        await provider.poll(training, "job", None)
    with pytest.raises(ProviderError):
        await provider.artifact(training, "job")
    with pytest.raises(ProviderError):
        await provider.answer("model", None, [], tmp_path)
    assert await provider.find(training) is None


async def test_closing_twice_does_no_harm(subject: Subject) -> None:
    await subject.provider.aclose()
    await subject.provider.aclose()
