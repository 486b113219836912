"""A real training on a tiny model: it learns what was recorded, survives a kill, and keeps its limits."""

import hashlib
import importlib
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from toolhone.exceptions import InvalidRequestError, ProviderError
from toolhone.models import Category, Json, JsonObject
from toolhone.records.datasets import Manifest
from toolhone.records.jobs import FinetuningConfig, FinetuningProvider
from toolhone.training.local.answering import answer, read_answers
from toolhone.training.local.checking import check
from toolhone.training.local.conversations import read_conversations
from toolhone.training.local.finetune import finetune
from toolhone.training.local.orders import AnsweringOrder, AskedQuestion, TrainingOrder
from toolhone.training.providers.child_process import run_folder
from toolhone.training.providers.child_reports import Reporter, read_reports, read_status
from toolhone.training.providers.local import LocalProvider
from toolhone.training.providers.provider import Phase, Polled, Question, TrainingRequest

LIMIT_SECONDS = 240

RequestFor = Callable[..., TrainingRequest]


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[LocalProvider]:
    provider = LocalProvider(tmp_path / "estimates", environ=os.environ, threads=1, poll_seconds=0.05)
    try:
        yield provider
    finally:
        await provider.aclose()


def requests_in(workspace: Path, base: Path, dataset: Path) -> RequestFor:
    def build(key: str = "job-1", *, usd_per_hour: float = 0.0, **config: Any) -> TrainingRequest:
        settings: dict[str, Any] = {
            "category": Category.CORE_SECURITY,
            "provider": FinetuningProvider.LOCAL,
            "base_model": str(base),
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
            dataset=dataset,
            workspace=workspace,
            usd_per_hour=usd_per_hour,
        )

    return build


@pytest.fixture
def request_for(tmp_path: Path, tiny_base: Path, scans: Path) -> RequestFor:
    return requests_in(tmp_path / "runs", tiny_base, scans)


@dataclass(frozen=True)
class Trained:
    """A training that ran through, which several tests look at."""

    request: TrainingRequest
    run_id: str
    seen: list[Polled]
    folder: Path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, scans: Path) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    request = requests_in(folder / "runs", tiny_base, scans)("whole", usd_per_hour=0.5)

    async def train() -> Trained:
        provider = LocalProvider(folder / "estimates", environ=os.environ, threads=1)
        try:
            assert await provider.find(request) is None
            run_id = await provider.submit(request)
            assert await provider.submit(request) == run_id == await provider.find(request)
            return Trained(request, run_id, await followed(provider, request, run_id), folder)
        finally:
            await provider.aclose()

    return anyio.run(train)


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
            assert not seen[-1].phase.over, seen[-1].error
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


def test_nobody_else_can_read_what_a_training_leaves(trained: Trained) -> None:
    left = list(trained.request.workspace.rglob("*"))

    assert [path.name for path in left if path.suffix == ".safetensors"]
    assert [path for path in left if path.stat().st_mode & 0o077] == []


async def test_a_training_makes_a_model_that_answers_as_recorded(
    provider: LocalProvider, trained: Trained, scans: Path, tiny_base: Path, tmp_path: Path
) -> None:
    request, run_id, seen = trained.request, trained.run_id, trained.seen

    estimate = await provider.estimate(request.config, request.manifest, scans, 0.5)
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
    try:
        with pytest.raises(ProviderError, match="have changed since"):
            await provider.artifact(request, run_id)
    finally:
        (artifact.path / "README.md").write_text(card)
    assert list((tmp_path / "estimates").iterdir()) == []


async def test_a_killed_training_goes_on_from_its_checkpoint_and_ends_the_same(
    provider: LocalProvider, trained: Trained, request_for: RequestFor
) -> None:
    cut = request_for("cut")
    run_id = await provider.submit(cut)
    folder = run_folder(cut.workspace, cut.key)
    await followed(provider, cut, run_id, lambda _: bool(list(folder.glob("checkpoints/*/whole"))))
    for pid in training_processes(folder):
        os.kill(pid, signal.SIGKILL)
    # What a kill in the middle of saving leaves is not started from.
    (folder / "checkpoints" / "checkpoint-99").mkdir()
    seen = await followed(provider, cut, run_id)
    first = await provider.artifact(trained.request, trained.run_id)
    second = await provider.artifact(cut, run_id)

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


def ordered(folder: Path, order: BaseModel) -> Reporter:
    """A run folder with this order, for work that is done in this process."""
    folder.mkdir()
    (folder / "config.json").write_text(order.model_dump_json())
    return Reporter(folder)


def training_order(base: Path, dataset: Path, **more: Any) -> TrainingOrder:
    about: dict[str, Any] = {"dataset_id": "d", "dataset_hash": "h", "category": "core_security"}
    sizes: dict[str, Any] = {"n_epochs": 3, "batch_size": 16, "learning_rate": 5e-3, **more}
    return TrainingOrder(base_model=str(base), dataset=dataset, **about, **sizes)


# TRL and PEFT still use a name that transformers has given up.
@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")
def test_a_training_stops_when_its_money_is_used_up(tiny_base: Path, scans: Path, tmp_path: Path) -> None:
    order = training_order(tiny_base, scans, n_epochs=50, usd_per_hour=3_600.0, max_cost_usd=1.0)

    finetune(tmp_path / "run", ordered(tmp_path / "run", order))

    status = read_status(tmp_path / "run")
    assert status is not None
    assert (status.phase, status.raw) == (Phase.FAILED, "cost_stopped")
    assert "max_training_cost_usd=1" in (status.error or "")
    assert float(status.result["cost_usd"]) >= 1.0
    steps = [
        report.metrics["step"] for report in read_reports(tmp_path / "run") if report.metrics.get("step")
    ]
    assert max(steps, default=0) < 19 * 50


async def test_a_cancelled_training_leaves_no_process(
    provider: LocalProvider, request_for: RequestFor
) -> None:
    request = request_for(n_epochs=50)
    run_id = await provider.submit(request)
    await followed(provider, request, run_id, lambda seen: bool(seen[-1].step))

    await provider.cancel(request, run_id)

    assert (await provider.poll(request, run_id, None)).phase is Phase.CANCELLED
    assert training_processes(run_folder(request.workspace, request.key)) == []


def test_a_template_without_the_answers_is_refused_before_anything_starts(
    tiny_base: Path, scans: Path, tmp_path: Path
) -> None:
    refusing = Path(shutil.copytree(tiny_base, tmp_path / "refusing"))
    silent = "{% for message in messages %}{{ message.role }}{% endfor %}"
    (refusing / "chat_template.jinja").write_text(silent)
    reporter = ordered(tmp_path / "check", training_order(refusing, scans))

    with pytest.raises(InvalidRequestError, match="cannot be trained with"):
        check(tmp_path / "check", reporter)


def answered(folder: Path, asked: list[Question], **model: Any) -> list[JsonObject]:
    """What the model answers, asked in this process."""
    order = AnsweringOrder(
        **model,
        questions=[
            AskedQuestion(row_id=one.row_id, messages=list(one.messages), max_tokens=one.max_tokens)
            for one in asked
        ],
        threads=1,
    )
    answer(folder, ordered(folder, order))
    given = read_answers(folder)
    return [given[one.row_id] for one in asked]


def test_an_adapter_is_not_put_on_another_base(tiny_base: Path, scans: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    about: dict[str, Json] = {"base_model": str(tiny_base), "base_fingerprint": "of another"}
    (adapter / "toolhone.json").write_text(json.dumps(about))

    with pytest.raises(InvalidRequestError, match="is not the one on which"):
        answered(tmp_path / "answers", questions(scans)[:1], adapter=adapter)


def test_a_request_that_nearly_fills_the_model_takes_no_room_from_those_beside_it(
    scans: Path, tiny_base: Path, tiny_tokenizer: Callable[[], Any], tmp_path: Path
) -> None:
    few = questions(scans)[:3]
    tokenizer = tiny_tokenizer()
    content = "scan" + " scan" * 480
    while len(tokenizer.apply_chat_template([{"role": "user", "content": content}])["input_ids"]) < 1_010:
        content += " scan"
    full = Question(row_id="full", messages=({"role": "user", "content": content},), max_tokens=64)

    by_themselves = answered(tmp_path / "alone", few, base_model=str(tiny_base))
    *beside, _ = answered(tmp_path / "beside", [*few, full], base_model=str(tiny_base))

    assert [one["message"] for one in beside] == [one["message"] for one in by_themselves]
    # More than was left beside the long request.
    assert all(int(one["completion_tokens"]) > 1_024 - 1_010 for one in by_themselves)


def test_torch_is_here() -> None:
    """This file must not be skipped where torch is installed."""
    assert importlib.import_module("torch")
