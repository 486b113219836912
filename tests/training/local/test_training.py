"""A real training on a tiny model: it learns what was recorded, survives a kill, and keeps its limits."""

import hashlib
import importlib
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from toolhone.exceptions import InvalidRequestError, ProviderError
from toolhone.models import Category, Json
from toolhone.records.datasets import Manifest
from toolhone.records.jobs import FinetuningConfig, FinetuningProvider
from toolhone.training.local.conversations import read_conversations
from toolhone.training.providers.child_process import run_folder
from toolhone.training.providers.local import LocalProvider
from toolhone.training.providers.provider import Phase, Polled, Question, TrainingRequest

LIMIT_SECONDS = 240

RequestFor = Callable[..., TrainingRequest]


@pytest.fixture
async def provider() -> AsyncIterator[LocalProvider]:
    provider = LocalProvider(environ=os.environ, threads=1, poll_seconds=0.05)
    try:
        yield provider
    finally:
        await provider.aclose()


@pytest.fixture
def request_for(tmp_path: Path, tiny_base: Path, scans: Path) -> RequestFor:
    def build(key: str = "job-1", *, usd_per_hour: float = 0.0, **config: Any) -> TrainingRequest:
        settings: dict[str, Any] = {
            "category": Category.CORE_SECURITY,
            "provider": FinetuningProvider.LOCAL,
            "base_model": str(tiny_base),
            "n_epochs": 3,
            "batch_size": 16,
            "learning_rate": 5e-3,
            **config,
        }
        return TrainingRequest(
            job_id="job",
            key=key,
            category=Category.CORE_SECURITY,
            config=FinetuningConfig(**settings),
            manifest=manifest(),
            dataset=scans,
            workspace=tmp_path / "runs",
            usd_per_hour=usd_per_hour,
        )

    return build


def manifest() -> Manifest:
    return Manifest(
        dataset_id="core_security_20261123_000000_abc",
        category=Category.CORE_SECURITY,
        version=1,
        created_at="2026-11-23T00:00:00+00:00",
        content_hash="abc",
        request={},
        counts={},
        files={},
        dropped={},
    )


async def followed(
    provider: LocalProvider,
    request: TrainingRequest,
    run_id: str,
    until: Callable[[list[Polled]], bool] = lambda seen: seen[-1].phase.over,
) -> list[Polled]:
    """Poll until it is as wanted."""
    seen: list[Polled] = []
    after: str | None = None
    with anyio.fail_after(LIMIT_SECONDS):
        while True:
            seen.append(await provider.poll(request, run_id, after))
            if seen[-1].events:
                after = seen[-1].events[-1].event_id
            if until(seen):
                return seen
            await anyio.sleep(0.05)


def exact(answers: list[Any], scans: Path) -> float:
    """The share of held-out requests that are answered as they were recorded."""
    rows = {row.row_id: row.messages[-1]["content"] for row in read_conversations(scans / "test.jsonl")}
    return sum(one.message.get("content") == rows[one.row_id] for one in answers) / len(rows)


def questions(scans: Path) -> list[Question]:
    return [
        Question(row_id=row.row_id, messages=row.messages[:-1], max_tokens=64)
        for row in read_conversations(scans / "test.jsonl")
    ]


async def test_a_training_makes_a_model_that_answers_as_recorded(
    provider: LocalProvider, request_for: RequestFor, scans: Path, tiny_base: Path, tmp_path: Path
) -> None:
    request = request_for(usd_per_hour=0.5)

    estimate = await provider.estimate(request.config, request.manifest, scans, 0.5)
    assert await provider.find(request) is None
    run_id = await provider.submit(request)
    assert await provider.submit(request) == run_id == await provider.find(request)
    seen = await followed(provider, request, run_id)
    artifact = await provider.artifact(request, run_id)
    asked = questions(scans)
    tuned = await provider.answer(artifact.model_id, artifact.path, asked, tmp_path / "tuned")
    endless = Question(row_id="endless", messages=({"role": "user", "content": "scan " * 2_000},))
    spelled = Question(row_id="spelled", messages=({"role": "user", "content": "<|im_end|>"},))
    *base, unread, unasked = await provider.answer(
        str(tiny_base), None, [*asked, endless, spelled], tmp_path / "base"
    )

    assert seen[-1].phase is Phase.SUCCEEDED, seen[-1].error
    assert exact(base, scans) == 0.0
    assert "the model reads 1024 at most" in (unread.error or "")
    assert "special token '<|im_end|>'" in (unasked.error or "")
    assert exact(tuned, scans) >= 0.9
    assert estimate.steps == seen[-1].steps == seen[-1].step == 57
    assert estimate.trained_tokens == artifact.details["trained_tokens"]
    assert estimate.seconds is not None and 0 < estimate.cost_usd < estimate.upper_bound_usd == 12.0
    assert artifact.details["validation_loss"] < artifact.details["validation_loss_before"]
    assert artifact.cost_usd > 0
    assert all(answer.latency_ms > 0 and answer.completion_tokens > 1 for answer in tuned)
    assert [answer.row_id for answer in tuned] == [question.row_id for question in asked]
    events = [event for polled in seen for event in polled.events]
    assert len({event.event_id for event in events}) == len(events)
    assert {event.metrics["epoch"] for event in events if "validation_loss" in event.metrics} == {0, 1, 2, 3}

    assert artifact.path is not None
    card = (artifact.path / "README.md").read_text()
    assert "core_security_20261123_000000_abc" in card and str(tiny_base) in card
    (artifact.path / "README.md").write_text(card + "x")
    with pytest.raises(ProviderError, match="have changed since"):
        await provider.artifact(request, run_id)


async def test_a_killed_training_goes_on_from_its_checkpoint_and_ends_the_same(
    request_for: RequestFor, tmp_path: Path
) -> None:
    whole, cut = request_for("whole"), request_for("cut")
    provider = LocalProvider(environ=os.environ, threads=1)
    try:
        whole_id = await provider.submit(whole)
        await followed(provider, whole, whole_id)
        run_id = await provider.submit(cut)
        folder = run_folder(cut.workspace, cut.key)
        await followed(provider, cut, run_id, lambda _: bool(list(folder.glob("checkpoints/*/whole"))))
        for pid in training_processes(folder):
            os.kill(pid, signal.SIGKILL)
        # What a kill in the middle of saving leaves is not started from.
        (folder / "checkpoints" / "checkpoint-99").mkdir()
        seen = await followed(provider, cut, run_id)
        first, second = await provider.artifact(whole, whole_id), await provider.artifact(cut, run_id)
    finally:
        await provider.aclose()

    events = [event.message for polled in seen for event in polled.events]
    assert any(message.startswith("Goes on from step ") for message in events)
    assert not (folder / "checkpoints" / "checkpoint-99").exists()
    assert first.path is not None and second.path is not None
    assert weights(first.path) == weights(second.path)


def training_processes(folder: Path) -> list[int]:
    """The processes that train in this folder, but not the guard before them."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
        except (OSError, NotADirectoryError):
            continue
        if str(folder).encode() in command and b"--" not in command:
            found.append(int(entry.name))
    return found


def weights(adapter: Path) -> str:
    return hashlib.sha256((adapter / "adapter_model.safetensors").read_bytes()).hexdigest()


async def test_a_training_stops_when_its_money_is_used_up(
    provider: LocalProvider, request_for: RequestFor
) -> None:
    request = request_for(n_epochs=50, usd_per_hour=3_600.0, max_training_cost_usd=1.0)

    seen = await followed(provider, request, await provider.submit(request))

    assert (seen[-1].phase, seen[-1].raw) == (Phase.FAILED, "cost_stopped")
    assert "max_training_cost_usd=1" in (seen[-1].error or "")
    assert seen[-1].cost_usd is not None and seen[-1].cost_usd >= 1.0
    assert (seen[-1].step or 0) < 19 * 50


async def test_a_cancelled_training_leaves_no_process(
    provider: LocalProvider, request_for: RequestFor
) -> None:
    request = request_for(n_epochs=50)
    run_id = await provider.submit(request)
    await followed(provider, request, run_id, lambda seen: bool(seen[-1].step))

    await provider.cancel(request, run_id)

    assert (await provider.poll(request, run_id, None)).phase is Phase.CANCELLED
    assert training_processes(run_folder(request.workspace, request.key)) == []


async def test_a_template_without_the_answers_is_refused_before_anything_starts(
    provider: LocalProvider, request_for: RequestFor, tiny_base: Path, scans: Path, tmp_path: Path
) -> None:
    refusing = Path(shutil.copytree(tiny_base, tmp_path / "refusing"))
    silent = "{% for message in messages %}{{ message.role }}{% endfor %}"
    (refusing / "chat_template.jinja").write_text(silent)
    request = request_for(base_model=str(refusing))

    with pytest.raises(InvalidRequestError, match="cannot be trained with"):
        await provider.estimate(request.config, request.manifest, scans, 0.0)


async def test_an_adapter_is_not_put_on_another_base(
    provider: LocalProvider, tiny_base: Path, scans: Path, tmp_path: Path
) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    about: dict[str, Json] = {"base_model": str(tiny_base), "base_fingerprint": "of another"}
    (adapter / "toolhone.json").write_text(json.dumps(about))

    with pytest.raises(ProviderError, match="is not the one on which"):
        await provider.answer("model", adapter, questions(scans)[:1], tmp_path / "answers")


async def test_a_request_that_nearly_fills_the_model_takes_no_room_from_those_beside_it(
    provider: LocalProvider, scans: Path, tiny_base: Path, tiny_tokenizer: Callable[[], Any], tmp_path: Path
) -> None:
    few = questions(scans)[:3]
    tokenizer = tiny_tokenizer()
    content = "scan"
    while len(tokenizer.apply_chat_template([{"role": "user", "content": content}])["input_ids"]) < 1_010:
        content += " scan"
    full = Question(row_id="full", messages=({"role": "user", "content": content},), max_tokens=64)

    by_themselves = await provider.answer(str(tiny_base), None, few, tmp_path / "alone")
    *beside, _ = await provider.answer(str(tiny_base), None, [*few, full], tmp_path / "beside")

    assert [one.message for one in beside] == [one.message for one in by_themselves]
    # More than was left beside the long request.
    assert all(one.completion_tokens > 1_024 - 1_010 for one in by_themselves)


def test_torch_is_here() -> None:
    """This file must not be skipped where torch is installed."""
    assert importlib.import_module("torch")
