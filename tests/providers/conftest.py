"""A dataset, a request to train on it, and a provider that speaks to the server of `openai_server.py`."""

import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from toolhone.models import Category, JsonObject
from toolhone.records.datasets import Manifest
from toolhone.records.jobs import FinetuningConfig, FinetuningProvider
from toolhone.training.costs import load_prices
from toolhone.training.providers.openai import OpenAIProvider
from toolhone.training.providers.provider import TrainingRequest

if TYPE_CHECKING:
    from providers.openai_server import OpenAIServer

MODEL = "gpt-4.1-mini-2025-04-14"
TODAY = date(2026, 11, 22)

PRICE: JsonObject = {
    "training_usd_per_million": 5.0,
    "input_usd_per_million": 0.8,
    "output_usd_per_million": 3.2,
    "base_input_usd_per_million": 0.4,
    "base_output_usd_per_million": 1.6,
    "as_of": date(2026, 11, 1),
    "source": "the test",
}

Make = Callable[..., OpenAIProvider]


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Time:
    return Time()


def row(number: int) -> JsonObject:
    parameters: JsonObject = {"type": "object", "properties": {}}
    tool: JsonObject = {"type": "function", "function": {"name": "scan", "parameters": parameters}}
    return {
        "row_id": f"row-{number}",
        "group": f"group-{number}",
        "task_type": "scan",
        "messages": [
            {"role": "user", "content": f"scan file {number}"},
            {"role": "assistant", "content": f"file {number} is clean"},
        ],
        "tools": [tool],
        "score": 0.9,
        "recorded_at": "2026-11-20T10:00:00.000000+00:00",
    }


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "dataset"
    folder.mkdir()
    write_rows(folder, train=12, validation=2, test=3)
    return folder


def write_rows(folder: Path, **counts: int) -> None:
    for name, count in counts.items():
        lines = [json.dumps(row(number)) + "\n" for number in range(count)]
        (folder / f"{name}.jsonl").write_text("".join(lines))


@pytest.fixture
def manifest() -> Manifest:
    return Manifest(
        dataset_id="core_security_20261122_101112_abcdef",
        category=Category.CORE_SECURITY,
        version=1,
        created_at="2026-11-22T10:11:12.000000+00:00",
        content_hash="sha256:abcdef",
        request={},
        counts={"train": 12, "validation": 2, "test": 3},
        files={},
        dropped={},
    )


@pytest.fixture
def config() -> FinetuningConfig:
    return FinetuningConfig(
        category=Category.CORE_SECURITY,
        provider=FinetuningProvider.OPENAI,
        base_model=MODEL,
        n_epochs=3,
        batch_size=4,
        seed=7,
    )


@pytest.fixture
def request_(config: FinetuningConfig, manifest: Manifest, dataset: Path, tmp_path: Path) -> TrainingRequest:
    return TrainingRequest(
        job_id="finetune_core_security_20261122_101112_abcdef",
        key="toolhone-key-1",
        category=Category.CORE_SECURITY,
        config=config,
        manifest=manifest,
        dataset=dataset,
        workspace=tmp_path / "run",
    )


@pytest.fixture
async def make(openai_api: "OpenAIServer", clock: Time) -> AsyncGenerator[Make]:
    """Makes providers for the server; each one is a toolhone process of its own, as far as it knows."""
    made: list[OpenAIProvider] = []
    prices = {name: {"models": {MODEL: PRICE}} for name in ("127.0.0.1", "azure")}

    def provider(**changes: Any) -> OpenAIProvider:
        arguments: dict[str, Any] = {
            "base_url": openai_api.base_url,
            "api_key": "sk-test-0123456789",
            "prices": load_prices(prices),
            "max_retries": 2,
            "today": lambda: TODAY,
            "now": clock,
            "sleep": clock.sleep,
        }
        made.append(OpenAIProvider(**(arguments | changes)))
        return made[-1]

    yield provider
    for one in made:
        await one.aclose()


@pytest.fixture
def provider(make: Make) -> OpenAIProvider:
    return make()


def with_config(request: TrainingRequest, **changes: Any) -> TrainingRequest:
    return replace(request, config=request.config.model_copy(update=changes))
