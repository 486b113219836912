"""What holds for every provider.

A provider joins by a name in `TRAINERS` and a branch in `opened`. Those that train here do so in a stand-in
for the child process that has torch; the children themselves are in `tests/training`.
"""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from toolhone.exceptions import InvalidRequestError, ProviderError, ProviderRefusedError
from toolhone.json_values import minified
from toolhone.models import Category, JsonObject, ToolDefinition
from toolhone.records.datasets import Manifest, Row
from toolhone.records.jobs import FinetuningConfig, FinetuningProvider
from toolhone.records.row_json import line, row_json
from toolhone.selection.bundle import DEFAULT_FOLDER
from toolhone.selection.evidence import Lesson, Outcome, RememberedTask
from toolhone.selection.scoring import Weights
from toolhone.training.costs import load_prices
from toolhone.training.providers.anthropic import AnthropicProvider
from toolhone.training.providers.local import LocalProvider
from toolhone.training.providers.openai import OpenAIProvider
from toolhone.training.providers.provider import Polled, Provider, Question, TrainingRequest
from toolhone.training.providers.selector import SelectorProvider
from toolhone.training.selector_dataset import LESSONS, freeze

if TYPE_CHECKING:
    from providers.openai_server import OpenAIServer

HERE = Path(__file__).parent
CHILDREN = HERE.parent / "providers"
"""Where the stand-ins for children are."""

MODEL = "gpt-4.1-mini-2025-04-14"
COUNTS = {"train": 12, "validation": 2, "test": 3}
AT = "2026-11-22T10:11:12.000000+00:00"


@dataclass(frozen=True)
class Subject:
    """A provider, and how to ask it for work."""

    provider: Provider
    base_model: str
    prepare: Callable[[Path], Manifest]
    """Makes the dataset that it trains on in a folder."""
    rows: str = "train.jsonl"
    """The file of the dataset that it trains on."""
    category: Category = Category.CORE_SECURITY
    pause: float = 0.0
    """Between two looks at a training."""


TRAINERS = ["openai", "local", "selector"]
ANSWERERS = ["openai", "local"]
REFUSERS = ["anthropic"]


@asynccontextmanager
async def opened(
    name: str, openai_api: "OpenAIServer", tmp_path: Path, *, endless: bool = False
) -> AsyncGenerator[Subject]:
    """A provider; `endless` is a training that does not end by itself."""
    if name == "openai":
        price = {f"{kind}_usd_per_million": 1.0 for kind in ("training", "input", "output")}
        prices = load_prices({"127.0.0.1": {"models": {"*": price | {"as_of": date(2026, 11, 22)}}}})
        provider = OpenAIProvider(openai_api.base_url, openai_api.api_key, prices=prices, settle_seconds=0)
        subject = Subject(provider, MODEL, conversations)
    elif name == "local":
        environ = {**os.environ, "PYTHONPATH": str(CHILDREN / "stand_in")}
        provider = LocalProvider(
            tmp_path / "estimates", environ=environ, module="stand_in_trainer", poll_seconds=0.02
        )
        model = stand_in_model(tmp_path / "model", train="wait" if endless else "succeed")
        subject = Subject(provider, str(model), conversations, pause=0.02)
    elif name == "selector":
        provider = SelectorProvider(
            tmp_path / "data",
            Weights(),
            needed=(),
            module=("sleeping_child" if endless else "standin_encoder",),
            environ={**os.environ, "PYTHONPATH": str(CHILDREN)},
        )
        subject = Subject(provider, "", recorded_use, LESSONS, Category.GENERAL, pause=0.02)
    else:
        subject = Subject(AnthropicProvider(), "claude-3-haiku", conversations)
    try:
        yield subject
    finally:
        await subject.provider.aclose()


@pytest.fixture(params=TRAINERS)
async def trainer(
    request: pytest.FixtureRequest, openai_api: "OpenAIServer", tmp_path: Path
) -> AsyncGenerator[Subject]:
    """A provider that trains."""
    async with opened(request.param, openai_api, tmp_path) as subject:
        yield subject


@pytest.fixture(params=TRAINERS)
async def endless(
    request: pytest.FixtureRequest, openai_api: "OpenAIServer", tmp_path: Path
) -> AsyncGenerator[Subject]:
    """A provider whose training goes on until it is cancelled."""
    async with opened(request.param, openai_api, tmp_path, endless=True) as subject:
        yield subject


@pytest.fixture(params=ANSWERERS)
async def answerer(
    request: pytest.FixtureRequest, openai_api: "OpenAIServer", tmp_path: Path
) -> AsyncGenerator[Subject]:
    """A provider whose models answer requests."""
    async with opened(request.param, openai_api, tmp_path) as subject:
        yield subject


@pytest.fixture(params=REFUSERS)
async def refuser(
    request: pytest.FixtureRequest, openai_api: "OpenAIServer", tmp_path: Path
) -> AsyncGenerator[Subject]:
    """A provider that says why it does not train."""
    async with opened(request.param, openai_api, tmp_path) as subject:
        yield subject


@pytest.fixture(params=[*TRAINERS, *REFUSERS])
async def subject(
    request: pytest.FixtureRequest, openai_api: "OpenAIServer", tmp_path: Path
) -> AsyncGenerator[Subject]:
    async with opened(request.param, openai_api, tmp_path) as subject:
        yield subject


def training_on(subject: Subject, tmp_path: Path) -> TrainingRequest:
    dataset = tmp_path / "dataset"
    dataset.mkdir()
    return TrainingRequest(
        job_id="finetune_core_security_20261122_101112_abcdef",
        key="key-1",
        category=subject.category,
        config=FinetuningConfig(
            category=subject.category,
            provider=subject.provider.capabilities.provider,
            base_model=subject.base_model,
            n_epochs=2,
            batch_size=4,
            min_training_samples=10,
        ),
        manifest=subject.prepare(dataset),
        dataset=dataset,
        workspace=tmp_path / "run",
    )


def stand_in_model(folder: Path, *, train: str) -> Path:
    """The folder of a model, as far as that can be seen without loading it."""
    found: JsonObject = {
        "rows": 12,
        "validation_rows": 2,
        "dropped": {},
        "trained_tokens": 480,
        "learned_tokens": 96,
        "steps": 6,
        "rows_at_once": 4,
        "answers_found_by": "markers",
        "device": "cpu",
        "seconds": 1.0,
    }
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text('{"architectures": ["Qwen2ForCausalLM"]}')
    (folder / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
    for name in ("model.safetensors", "tokenizer.json"):
        (folder / name).write_text("")
    (folder / "behaviour").write_text(minified({"train": train, "check": found, "answer": "go"}))
    return folder


def conversations(folder: Path) -> Manifest:
    """A dataset for an agent."""
    for split, count in COUNTS.items():
        (folder / f"{split}.jsonl").write_bytes(b"".join(line(row_json(row(n))) for n in range(count)))
    return Manifest(
        dataset_id="core_security_20261122_101112_abcdef",
        category=Category.CORE_SECURITY,
        version=1,
        created_at=AT,
        content_hash="sha256:abcdef",
        request={},
        counts=COUNTS,
        files={},
        dropped={},
    )


def recorded_use(folder: Path) -> Manifest:
    """A dataset for the selector: who asked for what, and which tool it was."""
    words = product(("create", "remove", "show", "copy"), ("car", "song", "house", "letter", "job"))
    tools = [
        ToolDefinition(name=f"{verb}_{noun}", description=f"{verb} a {noun}", input_schema={"type": "object"})
        for verb, noun in words
    ]
    begin = datetime(2026, 5, 1, tzinfo=UTC)
    lessons = [
        Lesson(
            id=str(number),
            asked_at=(begin + timedelta(minutes=number)).isoformat(timespec="microseconds"),
            principal="agent",
            task=RememberedTask(text=f"{tool.description}, please, for customer {number}"),
            shown=(tool.name,),
            outcomes=(Outcome(tool.name, 1, 1.0),),
        )
        for number, tool in enumerate(tools * 20)
    ]
    return freeze(lessons, tools, encoder=DEFAULT_FOLDER, workspace=folder, now=AT).manifest


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
    trains = able.provider.value in TRAINERS
    assert able.available is (able.unavailable_why is None) is trains
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
    (training.dataset / trainer.rows).write_bytes(b"")
    empty = replace(training.manifest, counts={"train": 0})
    with pytest.raises((InvalidRequestError, ProviderError)):
        await trainer.provider.estimate(training.config, empty, training.dataset, 0.0)


async def followed(trainer: Subject, training: TrainingRequest, job_id: str) -> tuple[Polled, list[str]]:
    """How it is when it is over, and the ids of its events."""
    seen: list[str] = []
    with anyio.fail_after(60):
        while True:
            polled = await trainer.provider.poll(training, job_id, seen[-1] if seen else None)
            seen += [event.event_id for event in polled.events]
            if polled.phase.over:
                return polled, seen
            await anyio.sleep(trainer.pause)


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


async def test_another_provider_object_finds_the_training_again(
    trainer: Subject, training: TrainingRequest, openai_api: "OpenAIServer", tmp_path: Path
) -> None:
    job_id = await trainer.provider.submit(training)
    await trainer.provider.aclose()
    name = trainer.provider.capabilities.provider.value
    async with opened(name, openai_api, tmp_path) as next_process:
        assert await next_process.provider.find(training) == job_id
        assert (await followed(next_process, training, job_id))[0].phase.value == "succeeded"


async def test_a_training_is_cancelled(endless: Subject, tmp_path: Path) -> None:
    training = training_on(endless, tmp_path)
    job_id = await endless.provider.submit(training)
    await endless.provider.cancel(training, job_id)
    await endless.provider.cancel(training, job_id)
    polled, _ = await followed(endless, training, job_id)
    assert polled.phase.value == "cancelled"
    with pytest.raises(ProviderError):
        await endless.provider.artifact(training, job_id)


async def test_answers_are_in_the_order_asked(answerer: Subject, tmp_path: Path) -> None:
    questions = [
        Question(row_id=f"row-{n}", messages=({"role": "user", "content": f"scan {n}"},)) for n in range(4)
    ]
    answers = await answerer.provider.answer(answerer.base_model, None, questions, tmp_path / "answers")
    assert [answer.row_id for answer in answers] == [question.row_id for question in questions]
    assert all(answer.message["role"] == "assistant" and answer.latency_ms >= 0 for answer in answers)
    again = await answerer.provider.answer(answerer.base_model, None, questions, tmp_path / "answers")
    assert again == answers, "they are kept"


async def test_answers_cost_no_more_than_was_said_and_are_free_again(
    answerer: Subject, tmp_path: Path
) -> None:
    questions = [
        Question(row_id=f"row-{n}", messages=({"role": "user", "content": f"scan {n}"},)) for n in range(4)
    ]

    async def cost() -> float:
        return (
            await answerer.provider.answers_cost(answerer.base_model, questions, tmp_path / "answers")
        ).upper_bound_usd

    bound = await cost()
    assert (bound > 0) == answerer.provider.capabilities.costs_money
    assert not (tmp_path / "answers").exists(), "nothing is asked"
    answers = await answerer.provider.answer(answerer.base_model, None, questions, tmp_path / "answers")
    assert sum(answer.cost_usd for answer in answers) <= bound
    assert await cost() == 0


async def test_who_answers_nothing_takes_nothing_for_it(openai_api: "OpenAIServer", tmp_path: Path) -> None:
    question = Question(row_id="row", messages=({"role": "user", "content": "scan"},))
    async with opened("selector", openai_api, tmp_path) as selector:
        cost = await selector.provider.answers_cost("model", [question], tmp_path)
    assert cost.upper_bound_usd == 0
    async with opened("anthropic", openai_api, tmp_path) as refuser:
        with pytest.raises(ProviderRefusedError):
            await refuser.provider.answers_cost("model", [question], tmp_path)


@pytest.mark.parametrize("name", sorted({*TRAINERS} - {*ANSWERERS}))
async def test_what_answers_nothing_says_how_it_is_judged(
    name: str, openai_api: "OpenAIServer", tmp_path: Path
) -> None:
    async with opened(name, openai_api, tmp_path) as subject:
        with pytest.raises(ProviderRefusedError, match="verdict"):
            await subject.provider.answer("model", None, [], tmp_path)


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
