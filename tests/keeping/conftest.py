"""A data folder with something of everything in it, made by the services that fill one."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from toolhone.app import open_app
from toolhone.models import LOCAL_CALLER, Category, JsonObject
from toolhone.records.datasets import DatasetRequest
from toolhone.records.jobs import FinetuningProvider, ModelRecord
from toolhone.roles import Role
from toolhone.settings import Settings
from toolhone.storage.models import SqliteModelStore
from toolhone.training.local.adapter import folder_hash

Fill = Callable[[Path], Awaitable[Settings]]


def handed_in(number: int, **changes: object) -> JsonObject:
    """A snapshot as an agent hands it in."""
    return {
        "agent_id": f"agent-{number % 3}",
        "agent_name": "Agent",
        "category": "ecommerce",
        "task_type": "question",
        "input_data": {"question": f"What does item {number * 7919} of the shop cost in {number} weeks?"},
        "output_data": {"answer": f"It costs {number * 104729 % 1000} then, as far as anybody knows."},
        "success": True,
        "performance_score": 0.9,
        "execution_time_ms": 5,
        "user_id": "anna" if number % 2 else "ben",
        **changes,
    }


def trained_model(data: Path) -> ModelRecord:
    """The record of a model whose files are in this folder."""
    folder = data / "runs" / "job-1" / "run-1" / "adapter"
    folder.mkdir(mode=0o700, parents=True)
    (folder / "adapter_model.safetensors").write_bytes(b"weights" * 10_000)
    return ModelRecord(
        model_id="ecommerce-1",
        category=Category.ECOMMERCE,
        provider=FinetuningProvider.LOCAL,
        base_model="base",
        created_at="2026-11-23T10:11:12.000000+00:00",
        job_id="job-1",
        dataset_id="d",
        artifact_hash=folder_hash(folder),
        path=str(folder),
        passed=True,
        verdict={},
    )


@pytest.fixture
def fill() -> Fill:
    """Fills a folder: calls, results, snapshots, a dataset, a model, a token."""

    async def fill(data: Path) -> Settings:
        settings = Settings(data=data, config=None, registry=None)
        async with open_app(settings, {}) as app:
            system = await app.finetuning()
            await system.collect([handed_in(number) for number in range(60)], caller=LOCAL_CALLER)
            await system.prepare_dataset(
                DatasetRequest(category=Category.ECOMMERCE, min_samples=10), caller=LOCAL_CALLER
            )
            await app.tokens.issue(caller=LOCAL_CALLER, name="test", role=Role.AGENT)
        store = SqliteModelStore(data)
        store.add(trained_model(data))
        store.close()
        return settings

    return fill
