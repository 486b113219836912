"""What follows for jobs and models when a dataset is revoked, in the system as it is put together."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from toolhone.assembly import audit_log
from toolhone.datasets.preparation import Preparation
from toolhone.events import new_event
from toolhone.finetuning_parts import FinetuningParts, build_finetuning
from toolhone.identifiers import utc_timestamp
from toolhone.models import LOCAL_CALLER, Category
from toolhone.records.datasets import DatasetRequest, Manifest
from toolhone.records.jobs import FinetuningConfig, FinetuningProvider, Job, JobStatus, ModelRecord
from toolhone.revoking import Revoking
from toolhone.settings import Settings
from toolhone.training.model_registry import ModelRegistry

WORDS = [f"{first}{second}{third}" * 8 for first in "abcdefg" for second in "hijklm" for third in "nop"]


JOBS = ("its", "other")


def job(job_id: str, dataset_id: str) -> Job:
    return Job(
        job_id=job_id,
        plan_id=f"plan of {job_id}",
        category=Category.GENERAL,
        provider=FinetuningProvider.LOCAL,
        dataset_id=dataset_id,
        config=FinetuningConfig(category=Category.GENERAL),
        status=JobStatus.EVALUATING,
        created_at="2026-11-23T10:00:00.000000+00:00",
        updated_at="2026-11-23T10:00:00.000000+00:00",
    )


@pytest.fixture
async def data(tmp_path: Path) -> AsyncIterator[tuple[Path, FinetuningParts]]:
    """A data folder and the system over it."""
    settings = Settings(data=tmp_path / "data")
    audit = audit_log(settings)
    parts = build_finetuning(settings, {}, audit)
    yield settings.data, parts
    await parts.aclose()
    await audit.aclose()


async def prepared(parts: FinetuningParts) -> Manifest:
    """A dataset of which a little is of Anna."""
    await parts.system.collect(
        [
            {
                "agent_id": "a",
                "agent_name": "A",
                "category": "general",
                "task_type": "t",
                "input_data": {"query": f"look at {word}"},
                "output_data": f"{word} is clean",
                "success": True,
                "performance_score": 0.9,
                "execution_time_ms": 1,
                "tokens_used": 1,
                "user_id": "anna-7" if number == 0 else "ben-8",
            }
            for number, word in enumerate(WORDS)
        ],
        caller=LOCAL_CALLER,
    )
    request = DatasetRequest(category=Category.GENERAL, min_samples=10)
    return await parts.system.prepare_dataset(request, caller=LOCAL_CALLER)


@pytest.mark.parametrize("erased", [True, False])
async def test_an_erasure_reaches_the_copies_of_rows_and_models_that_are_finished_after_it(
    tmp_path: Path, erased: bool
) -> None:
    settings = Settings(data=tmp_path / "data")
    audit = audit_log(settings)
    parts = build_finetuning(settings, {}, audit)
    system, caller = parts.system, LOCAL_CALLER
    dataset = await prepared(parts)
    for name in JOBS:
        parts.stores.jobs().create(job(name, dataset.dataset_id if name == "its" else "another"))
    copies = [settings.data / "comparisons" / dataset.dataset_id / "answers-1" / "config.json"]
    copies += [
        settings.data / "runs" / "its" / name for name in ("answers-base/a.jsonl", "toolhone-1-train.jsonl")
    ]
    others = [settings.data / "runs" / "its" / "run-1" / "adapter" / "adapter.bin"]
    others += [settings.data / "runs" / "other" / "answers-base" / "a.jsonl"]
    for path in (*copies, *others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("Anna")
    if erased:
        await system.erase(user_id="anna-7", caller=caller)
    model = ModelRecord(
        model_id="tuned",
        category=Category.GENERAL,
        provider=FinetuningProvider.LOCAL,
        base_model="base",
        created_at=dataset.created_at,
        job_id="job",
        dataset_id=dataset.dataset_id,
        artifact_hash="1" * 64,
        passed=True,
        verdict={},
    )
    registry = ModelRegistry(parts.stores.models, audit.record, new_event, utc_timestamp)
    revoking = Revoking(
        settings.data,
        open_jobs=parts.stores.jobs,
        open_datasets=parts.stores.datasets,
        preparation=Preparation(
            parts.stores.snapshots,
            parts.stores.datasets,
            count_tokens=len,
            now=utc_timestamp,
            record=audit.record,
        ),
        registry=registry,
    )
    await anyio.to_thread.run_sync(revoking.keep, model)

    assert all(path.exists() != erased for path in copies)
    assert all(path.exists() for path in others)
    tainted = (await system.model("tuned", caller=caller)).tainted
    await parts.aclose()
    assert (tainted is not None) == erased
    assert tainted is None or dataset.dataset_id in tainted


@pytest.mark.parametrize("what", ["attempt", "start"])
async def test_answers_that_were_still_written_while_somebody_was_erased_go_when_the_attempt_is_over(
    data: tuple[Path, FinetuningParts], what: str
) -> None:
    folder, parts = data
    dataset = await prepared(parts)
    parts.stores.jobs().create(job("its", dataset.dataset_id))
    await parts.system.erase(user_id="anna-7", caller=LOCAL_CALLER)
    late = written(folder / "runs" / "its" / "answers-base" / "answers.jsonl")
    kept = written(folder / "runs" / "its" / "run-1" / "adapter" / "adapter.bin")

    # A start looks at all jobs: an attempt may have ended with its process.
    await parts.steps.forget("its" if what == "attempt" else None)

    assert not late.exists() and kept.exists()


async def test_answers_that_come_in_while_a_dataset_is_made_anew_go_with_it(
    data: tuple[Path, FinetuningParts], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, parts = data
    dataset = await prepared(parts)
    parts.stores.jobs().create(job("its", dataset.dataset_id))
    revise = Preparation.revise
    late: list[Path] = []

    async def slowly(self: Preparation, *arguments: Any, **more: Any) -> Manifest | None:
        late.append(written(folder / "runs" / "its" / "answers-base" / "answers.jsonl"))
        return await revise(self, *arguments, **more)

    monkeypatch.setattr(Preparation, "revise", slowly)

    await parts.system.erase(user_id="anna-7", caller=LOCAL_CALLER)

    assert late and not any(path.exists() for path in late)


def written(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("Anna")
    return path
