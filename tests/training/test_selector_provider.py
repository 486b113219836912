"""The encoder's training as a provider runs it: judged, in its own process; cut off, limited, cancelled."""

import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import to_thread

from toolhone.models import Category
from toolhone.records.jobs import FinetuningConfig, FinetuningProvider
from toolhone.selection.active import Reason, active_encoder, use_encoder
from toolhone.selection.bundle import load_bundle
from toolhone.selection.scoring import Weights
from toolhone.training.providers.provider import Phase, Polled, TrainingRequest
from toolhone.training.providers.selector import SelectorProvider
from toolhone.training.selector_dataset import freeze

if TYPE_CHECKING:
    from training.conftest import World

CONFIG = FinetuningConfig(
    category=Category.GENERAL,
    provider=FinetuningProvider.SELECTOR,
    n_epochs=6,
    batch_size=16,
    learning_rate=1e-3,
)


@pytest.fixture
def data(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A data folder in which the tiny encoder is used."""
    folder = tmp_path / "data"
    shutil.copytree(tiny_bundle, folder / "encoders" / "tiny")
    use_encoder(folder, "tiny", sha256_of(tiny_bundle), Reason.CHOSEN)
    return folder


@pytest.fixture
def training(world: "World", tiny_model: Path, data: Path, tmp_path: Path) -> TrainingRequest:
    active = active_encoder(data)
    assert active is not None
    folder = tmp_path / "dataset"
    folder.mkdir()
    made = freeze(
        world.log, world.tools, encoder=active[0], workspace=folder, now="2026-11-23T07:00:00+00:00"
    )
    return TrainingRequest(
        job_id="finetune_general_20261123_070000_ab12",
        key="key-1",
        category=Category.GENERAL,
        config=CONFIG.model_copy(update={"base_model": str(tiny_model)}),
        manifest=made.manifest,
        dataset=folder,
        workspace=tmp_path / "workspace",
        usd_per_hour=1.0,
    )


async def test_a_job_makes_an_encoder_that_finds_more_and_says_how_much(
    training: TrainingRequest, data: Path
) -> None:
    async with provider(data) as selector:
        assert selector.capabilities.available, selector.capabilities.unavailable_why
        estimate = await selector.estimate(training.config, training.manifest, training.dataset, 1.0)
        run_id = await selector.submit(training)
        polled = await over(selector, training, run_id)
        assert polled.phase is Phase.SUCCEEDED, polled.error
        assert polled.steps == polled.step == estimate.steps
        losses = [event.metrics["training_loss"] for event in polled.events if event.metrics]
        assert len(losses) == estimate.steps
        assert losses[-1] < losses[0]
        assert polled.epoch == 6
        assert polled.cost_usd is not None
        assert 0 < polled.cost_usd < estimate.upper_bound_usd

        artifact = await selector.artifact(training, run_id)

    assert [path for path in training.workspace.rglob("*") if path.stat().st_mode & 0o077] == []
    verdict = artifact.details["verdict"]
    assert verdict["decision"] == "passed", verdict["why"]
    assert verdict["tuned_score"] > verdict["base_score"]
    assert verdict["unseen_tools"]["n"] >= 30
    assert artifact.path is not None
    load_bundle(artifact.path, sha256=artifact.sha256)
    manifest = json.loads((artifact.path / "encoder.json").read_text())
    assert manifest["training"]["epochs"] == 6
    assert manifest["verdict"]["decision"] == "promoted"


async def test_a_training_that_was_killed_begins_anew_and_ends(
    training: TrainingRequest, data: Path, announced: "Announced"
) -> None:
    short = training.config.model_copy(update={"n_epochs": 1})
    training = replace(training, config=short)
    async with provider(data, announced) as selector:
        run_id = await selector.submit(training)
        with await announced.step():
            guard = selector._runs.keep(selector._run(training))._process
            assert guard is not None
            os.killpg(guard.pid, signal.SIGKILL)
        await gone(training, run_id)
        polled = await selector.poll(training, run_id, None)
        assert (polled.phase, polled.raw) == (Phase.RUNNING, "restarted")
        with await announced.step() as line:
            line.sendall(b"!")

        polled = await over(selector, training, run_id)

    assert polled.phase is Phase.SUCCEEDED, polled.error
    messages = [event.message for event in polled.events]
    assert messages.count(f"Step 1 of {polled.steps}") == 2
    assert messages.count("Training starts again, start 2") == 1


async def test_a_training_ends_at_its_limit_and_keeps_nothing(training: TrainingRequest, data: Path) -> None:
    limited = replace(
        training, config=training.config.model_copy(update={"max_training_cost_usd": 1e-4, "n_epochs": 50})
    )
    async with provider(data) as selector:
        run_id = await selector.submit(limited)
        polled = await over(selector, limited, run_id)

    assert (polled.phase, polled.raw) == (Phase.FAILED, "cost_stopped")
    assert "max_training_cost_usd" in (polled.error or "")
    assert not (limited.workspace / run_id / "encoder").exists()


async def test_cancelling_ends_a_training_in_its_midst(
    training: TrainingRequest, data: Path, announced: "Announced"
) -> None:
    async with provider(data, announced) as selector:
        run_id = await selector.submit(training)
        with await announced.step():
            await selector.cancel(training, run_id)

        polled = await selector.poll(training, run_id, None)

        assert (polled.phase, polled.step) == (Phase.CANCELLED, 1)
        assert not (training.workspace / run_id / "encoder").exists()


class Announced:
    """Where children announce their first step."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener

    @property
    def environ(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parent),
            "ANNOUNCE_TO": str(self._listener.getsockname()[1]),
        }

    async def step(self) -> socket.socket:
        """The child that waits at its first step until it is answered."""
        return (await to_thread.run_sync(self._listener.accept))[0]


@pytest.fixture
def announced() -> Iterator[Announced]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(180)
        yield Announced(listener)


@asynccontextmanager
async def provider(data: Path, announced: Announced | None = None) -> AsyncGenerator[SelectorProvider]:
    made = SelectorProvider(
        data,
        Weights(),
        # Threads that wait for each other cost much on models this small.
        threads=1,
        environ=announced.environ if announced else None,
        module=("announcing_run" if announced else "toolhone.training.selector_run",),
    )
    try:
        yield made
    finally:
        await made.aclose()


async def gone(request: TrainingRequest, run_id: str) -> None:
    """Wait until the child is gone: it holds the lock till then."""

    def wait() -> None:
        with (request.workspace / run_id / "child.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)

    with anyio.fail_after(180):
        await to_thread.run_sync(wait, abandon_on_cancel=True)


async def over(selector: SelectorProvider, request: TrainingRequest, run_id: str) -> Polled:
    await gone(request, run_id)
    return await selector.poll(request, run_id, None)


def sha256_of(bundle: Path) -> str:
    return hashlib.sha256((bundle / "encoder.json").read_bytes()).hexdigest()
