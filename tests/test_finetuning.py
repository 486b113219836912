"""The library face, as the code that gave the idea would use it."""

import math
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

import toolhone.finetuning
from toolhone.exceptions import InsufficientDataError, InvalidRequestError
from toolhone.finetuning import (
    AgentCategory,
    FinetuningConfig,
    FinetuningProvider,
    FinetuningSystem,
    get_finetuning_system,
)
from toolhone.models import Json, JsonObject

if TYPE_CHECKING:
    from providers.openai_server import OpenAIServer

MODEL = "gpt-4.1-mini-2025-04-14"
PRICES = f"""
["127.0.0.1".models."{MODEL}"]
training_usd_per_million = 5.0
input_usd_per_million = 0.8
output_usd_per_million = 3.2
as_of = 2026-11-01
source = "the test"
"""
WORDS = [f"{first}{second}{third}" * 8 for first in "abcdefg" for second in "hijklm" for third in "nopqrstu"]


def right(model: str, messages: list[JsonObject], tools: Json) -> JsonObject:
    word = str(messages[-1]["content"]).split()[2]
    return {"content": f"{word} is clean" if model.startswith("ft:") else "I cannot tell."}


@pytest.fixture
def environment(
    openai_api: "OpenAIServer", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    openai_api.say = right
    openai_api.states = ["succeeded"]
    prices = tmp_path / "prices.toml"
    prices.write_text(PRICES)
    settings = {
        "TOOLHONE_DATA": tmp_path / "data",
        "TOOLHONE_PRICES": prices,
        "TOOLHONE_OPENAI_URL": openai_api.base_url,
        "OPENAI_API_KEY": openai_api.api_key,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, str(value))
    get_finetuning_system.cache_clear()
    yield
    get_finetuning_system.cache_clear()


@pytest.fixture
async def system(environment: None) -> AsyncGenerator[FinetuningSystem]:
    opened = get_finetuning_system()
    yield opened
    await opened.aclose()


async def collect(system: FinetuningSystem, count: int) -> None:
    for word in WORDS[:count]:
        await system.collect_performance_snapshot(
            agent_id="scanner_v2",
            agent_name="Scanner V2",
            category=AgentCategory.CORE_SECURITY,
            task_type="vulnerability_scan",
            input_data={"query": f"look at {word} for holes"},
            output_data={"content": f"{word} is clean"},
            success=True,
            performance_score=0.95,
            execution_time_ms=120.5,
            tokens_used=150,
            user_feedback=0.9,
        )


CONFIG = FinetuningConfig(
    category=AgentCategory.CORE_SECURITY,
    provider=FinetuningProvider.OPENAI,
    base_model=MODEL,
    n_epochs=3,
    batch_size=32,
    learning_rate=0.0001,
    min_validation_accuracy=0.85,
    max_training_cost_usd=100.0,
    model_version="1.0.0",
    description="Finetuned for security scanning",
)


async def test_the_whole_way_with_a_process_of_its_own_that_runs_the_job(
    system: FinetuningSystem, openai_api: "OpenAIServer"
) -> None:
    await collect(system, 300)
    dataset = await system.prepare_dataset(
        category=AgentCategory.CORE_SECURITY,
        min_samples=100,
        max_samples=10_000,
        quality_threshold=0.7,
        time_range_days=30,
    )
    assert len(dataset.train_split) + len(dataset.val_split) + len(dataset.test_split) == 300
    assert dataset.statistics["total_samples"] == 300
    assert dataset.dataset_id.startswith("core_security_")

    job = await system.create_finetuning_job(category=AgentCategory.CORE_SECURITY, config=CONFIG)
    assert job.job_id.startswith("finetune_core_security_")
    assert job.status == "awaiting_approval"
    assert math.isnan(job.training_loss) and f"{job.training_loss:.4f}" == "nan"
    assert job.finetuned_model_id is None
    assert system.get_system_statistics()["active_jobs"] == 1

    await system.approve_finetuning_job(job.job_id)
    with anyio.fail_after(120):
        done = await system.wait_for_job(job.job_id)
    assert done.status == "completed", done.job
    assert (done.validation_accuracy, done.job.base_score) == (1.0, 0.0)
    assert done.cost_usd > 0
    assert system.get_job_status(job.job_id).finetuned_model_id == done.finetuned_model_id
    assert [one.job_id for one in system.get_category_jobs(AgentCategory.CORE_SECURITY)] == [job.job_id]
    assert system.get_system_statistics() == {
        "total_snapshots": 300,
        "datasets_prepared": 1,
        "active_jobs": 0,
        "completed_jobs": 1,
        "failed_jobs": 0,
        "categories_with_data": ["core_security"],
        "total_cost_usd": pytest.approx(done.cost_usd),
    }
    paid = await system.compare_models(f"openai:{MODEL}", str(done.finetuned_model_id), max_cost_usd=1.0)
    assert paid.paid_usd > 0
    total = system.get_system_statistics()["total_cost_usd"]
    assert total == pytest.approx(done.cost_usd + paid.paid_usd), "comparisons count too"
    assert len(openai_api.jobs) == 1

    assert done.finetuned_model_id is not None
    change = await system.set_model_alias(AgentCategory.CORE_SECURITY, "production", done.finetuned_model_id)
    assert change.model_id == done.finetuned_model_id
    assert (await system.rollback_model_alias(AgentCategory.CORE_SECURITY, "production")).model_id is None


async def test_too_few_snapshots_are_said_in_the_known_words(system: FinetuningSystem) -> None:
    await collect(system, 50)
    with pytest.raises(InsufficientDataError, match=r"^Insufficient data for category: found 50, need 100"):
        await system.prepare_dataset(category=AgentCategory.CORE_SECURITY)


async def test_values_out_of_range_are_named(system: FinetuningSystem) -> None:
    with pytest.raises(InvalidRequestError, match=r"quality_threshold is nan.*time_range_days is 0"):
        await system.prepare_dataset(
            category=AgentCategory.CORE_SECURITY, quality_threshold=math.nan, time_range_days=0
        )


async def test_a_configuration_for_another_category_is_refused(system: FinetuningSystem) -> None:
    with pytest.raises(InvalidRequestError, match=r"'ecommerce'.*'core_security'"):
        await system.create_finetuning_job(category=AgentCategory.ECOMMERCE, config=CONFIG)


def test_what_needs_no_event_loop_works_without_one(environment: None) -> None:
    system = get_finetuning_system()
    assert system.get_system_statistics()["total_snapshots"] == 0
    assert system.get_category_jobs(AgentCategory.MARKETING_BRAND) == []
    with pytest.raises(InvalidRequestError, match="finetune_core_security_20250118_123456"):
        system.get_job_status("finetune_core_security_20250118_123456")
    anyio.run(system.aclose)


def test_one_system_serves_one_event_loop_after_the_other(environment: None) -> None:
    system = get_finetuning_system()
    for _ in range(2):
        anyio.run(collect, system, 3)
    assert system.get_system_statistics()["total_snapshots"] == 6
    anyio.run(system.aclose)


def test_the_names_are_those_that_are_documented() -> None:
    assert {name for name in toolhone.finetuning.__all__ if not hasattr(toolhone.finetuning, name)} == set()
    assert {"openai", "anthropic", "local", "selector"} == {one.value for one in FinetuningProvider}
    assert len({*AgentCategory} - {AgentCategory.GENERAL}) == 7
