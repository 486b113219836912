"""The provider of the encoder's training, as far as it goes without torch: plans, runs, results, use."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from toolhone.exceptions import (
    InvalidRequestError,
    ModelUnavailableError,
    ProviderError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from toolhone.models import Category, ToolDefinition
from toolhone.records.datasets import Manifest, Purpose
from toolhone.records.jobs import FinetuningConfig, FinetuningProvider, ModelRecord
from toolhone.selection.active import DEFAULT, Reason, active_encoder, choices, use_encoder
from toolhone.selection.bundle import DEFAULT_FOLDER
from toolhone.selection.evidence import Lesson, Outcome, RememberedTask
from toolhone.selection.scoring import Weights
from toolhone.training.adoption import adopt, release
from toolhone.training.providers.provider import Artifact, Phase, Polled, TrainingRequest
from toolhone.training.providers.selector import SelectorProvider
from toolhone.training.selector_dataset import LESSONS, freeze

HERE = Path(__file__).parent

CONFIG = FinetuningConfig(category=Category.GENERAL, provider=FinetuningProvider.SELECTOR)

TOOLS = [
    ToolDefinition(name=f"{verb}_{noun}", description=f"{verb} a {noun}", input_schema={"type": "object"})
    for verb, noun in product(("create", "remove", "show", "copy"), ("car", "song", "house", "letter", "job"))
]
START = datetime(2026, 5, 1, tzinfo=UTC)
LOG = [
    Lesson(
        id=str(number),
        asked_at=(START + timedelta(minutes=number)).isoformat(timespec="microseconds"),
        principal="agent",
        task=RememberedTask(text=f"{tool.description}, please, for customer {number}"),
        shown=(tool.name,),
        outcomes=(Outcome(tool.name, 1, 1.0),),
    )
    for number, tool in enumerate(TOOLS * 20)
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, Path]:
    folder = tmp_path_factory.mktemp("dataset")
    made = freeze(LOG, TOOLS, encoder=DEFAULT_FOLDER, workspace=folder, now="2026-11-23T07:00:00+00:00")
    return made.manifest, folder


@pytest.fixture
def request_(dataset: tuple[Manifest, Path], tmp_path: Path) -> TrainingRequest:
    return request_for(dataset, tmp_path / "workspace")


def request_for(dataset: tuple[Manifest, Path], workspace: Path) -> TrainingRequest:
    manifest, folder = dataset
    return TrainingRequest(
        job_id="finetune_general_20261123_070000_ab12",
        key="key-1",
        category=Category.GENERAL,
        config=CONFIG,
        manifest=manifest,
        dataset=folder,
        workspace=workspace,
        usd_per_hour=2.0,
    )


@asynccontextmanager
async def provider(data: Path, module: str = "standin_encoder") -> AsyncGenerator[SelectorProvider]:
    """With a stand-in for the training, and without its libraries."""
    made = SelectorProvider(
        data,
        Weights(),
        needed=(),
        module=(module,),
        environ={**os.environ, "PYTHONPATH": str(HERE)},
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

    with anyio.fail_after(120):
        await to_thread.run_sync(wait, abandon_on_cancel=True)


async def trained(selector: SelectorProvider, request: TrainingRequest) -> tuple[str, Polled]:
    run_id = await selector.submit(request)
    await gone(request, run_id)
    return run_id, await selector.poll(request, run_id, None)


@pytest.fixture(scope="module")
def made(dataset: tuple[Manifest, Path], tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """What one training left behind; nobody may change its files."""
    folder = tmp_path_factory.mktemp("made")
    request = request_for(dataset, folder / "workspace")

    async def train() -> Artifact:
        async with provider(folder / "data") as selector:
            run_id, polled = await trained(selector, request)
            assert polled.phase is Phase.SUCCEEDED, polled.error
            return await selector.artifact(request, run_id)

    return anyio.run(train)


def record(artifact: Artifact, *, passed: bool = True) -> ModelRecord:
    return ModelRecord(
        model_id=artifact.model_id,
        category=Category.GENERAL,
        provider=FinetuningProvider.SELECTOR,
        base_model="",
        created_at="2026-11-23T07:10:00+00:00",
        job_id="j",
        dataset_id="d",
        artifact_hash=artifact.sha256,
        path=str(artifact.path),
        passed=passed,
        verdict={},
    )


async def test_an_estimate_says_what_will_be_used_and_what_not(
    dataset: tuple[Manifest, Path], tmp_path: Path
) -> None:
    async with provider(tmp_path) as selector:
        free = await selector.estimate(CONFIG, *dataset, 0.0)
        config = CONFIG.model_copy(update={"learning_rate": 2e-4, "n_epochs": 6, "max_training_hours": 3})
        priced = await selector.estimate(config, *dataset, 2.0)

    assert (free.cost_usd, free.upper_bound_usd) == (0, 0)
    assert free.honoured["learning_rate"] == 3e-5
    assert any("learning_rate 0.0001" in warning for warning in free.warnings)
    assert any("min_validation_accuracy is not used" in warning for warning in free.warnings)
    assert free.steps is not None
    assert free.steps > 3
    assert priced.steps == 2 * free.steps
    assert priced.trained_tokens == 2 * free.trained_tokens > 0
    assert priced.honoured["learning_rate"] == 2e-4
    assert not any("learning_rate" in warning for warning in priced.warnings)
    assert priced.upper_bound_usd == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base_model": "/no/such/folder"}, "There is no folder '/no/such/folder'"),
        ({"base_model": str(HERE)}, "not the folder of a sentence-transformers model"),
        ({"min_training_samples": 5_000}, "min_training_samples asks for 5,000"),
    ],
)
async def test_what_cannot_be_trained_is_refused_before_anything_is_started(
    changes: dict[str, object], said: str, request_: TrainingRequest, tmp_path: Path
) -> None:
    wrong = replace(request_, config=CONFIG.model_copy(update=changes))
    async with provider(tmp_path / "data") as selector:
        with pytest.raises(InvalidRequestError, match=said):
            await selector.estimate(wrong.config, wrong.manifest, wrong.dataset, 0.0)
        with pytest.raises(InvalidRequestError, match=said):
            await selector.submit(wrong)
        assert await selector.find(wrong) is None
    assert not request_.workspace.exists()


async def test_a_transformer_of_another_kind_is_refused(
    dataset: tuple[Manifest, Path], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "mpnet"}')
    config = CONFIG.model_copy(update={"base_model": str(tmp_path)})
    async with provider(tmp_path / "data") as selector:
        with pytest.raises(InvalidRequestError, match="kind 'mpnet' cannot be trained"):
            await selector.estimate(config, *dataset, 0.0)


async def test_the_rows_of_agents_teach_no_encoder(dataset: tuple[Manifest, Path], tmp_path: Path) -> None:
    manifest = replace(dataset[0], purpose=Purpose.AGENT)
    async with provider(tmp_path) as selector:
        with pytest.raises(InvalidRequestError, match="is for agents"):
            await selector.estimate(CONFIG, manifest, dataset[1], 0.0)


async def test_without_its_libraries_it_says_how_to_get_them(
    dataset: tuple[Manifest, Path], tmp_path: Path
) -> None:
    selector = SelectorProvider(tmp_path, Weights(), needed=("json", "no_such_library"))

    assert not selector.capabilities.available
    with pytest.raises(ProviderUnavailableError, match=r"no_such_library.*pip install"):
        await selector.estimate(CONFIG, *dataset, 0.0)


async def test_a_training_ends_with_an_encoder_and_the_verdict_of_the_job_system(
    request_: TrainingRequest, tmp_path: Path
) -> None:
    async with provider(tmp_path / "data") as selector:
        assert await selector.find(request_) is None
        run_id, polled = await trained(selector, request_)
        assert (polled.phase, polled.steps, polled.training_loss) == (Phase.SUCCEEDED, 2, 3.0)
        assert polled.cost_usd is not None
        assert polled.cost_usd > 0
        assert await selector.find(request_) == run_id
        assert await selector.submit(request_) == run_id

        artifact = await selector.artifact(request_, run_id)

        verdict = artifact.details["verdict"]
        assert artifact.model_id == f"selector-{artifact.sha256[:12]}"
        assert (verdict["decision"], verdict["metric"], verdict["n"]) == ("passed", "recall@5", 60)
        assert verdict["base_score"] == 0.5
        assert verdict["tuned_score"] == pytest.approx(0.6)
        assert verdict["unseen_tools"]["tuned_score"] == pytest.approx(0.35)
        with pytest.raises(ProviderError, match="is not the training of job"):
            await selector.poll(request_, "run-other", None)
        with pytest.raises(ProviderRefusedError, match="answers no requests"):
            await selector.answer(artifact.model_id, artifact.path, [], tmp_path)

        assert artifact.path is not None
        (artifact.path / "tokenizer.json").write_text("{}")
        with pytest.raises(ProviderError, match="cannot be used"):
            await selector.artifact(request_, run_id)


async def test_a_cancelled_training_stays_cancelled(request_: TrainingRequest, tmp_path: Path) -> None:
    async with provider(tmp_path / "data", module="sleeping_child") as selector:
        run_id = await selector.submit(request_)
        await selector.cancel(request_, run_id)
        await selector.cancel(request_, run_id)

        polled = await selector.poll(request_, run_id, None)
        assert (polled.phase, polled.error) == (Phase.CANCELLED, None)


async def test_the_child_trains_on_nothing_but_the_planned_files(
    request_: TrainingRequest, dataset: tuple[Manifest, Path], tmp_path: Path
) -> None:
    changed = tmp_path / "changed"
    changed.mkdir()
    for path in dataset[1].iterdir():
        (changed / path.name).write_bytes(path.read_bytes())
    with (changed / LESSONS).open("a") as file:
        file.write((changed / LESSONS).read_text().splitlines()[0] + "\n")
    async with provider(tmp_path / "data", module="toolhone.training.selector_run") as selector:
        _, polled = await trained(selector, replace(request_, dataset=changed))

    assert polled.phase is Phase.FAILED
    assert "is not the file of the plan" in (polled.error or "")


def test_an_encoder_of_a_job_is_used_until_it_is_released(made: Artifact, tmp_path: Path) -> None:
    data = tmp_path / "data"
    model = record(made)
    assert release(data) is None

    choice = adopt(data, model)
    again = adopt(data, model)

    assert (choice.reason, again) == (Reason.PROMOTED, choice)
    assert active_encoder(data) == (data / "encoders" / made.model_id, made.sha256)
    released = release(data)
    assert released is not None
    assert released.name == DEFAULT
    assert active_encoder(data) is None
    assert release(data) is None


def test_releasing_goes_back_to_what_the_user_had_chosen(made: Artifact, tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert made.path is not None
    own = data / "encoders" / "own"
    own.mkdir(parents=True)
    for path in made.path.iterdir():
        (own / path.name).write_bytes(path.read_bytes())
    use_encoder(data, "own", made.sha256, Reason.CHOSEN)
    adopt(data, record(made, passed=False))
    assert choices(data)[-1].reason is Reason.CHOSEN

    release(data)

    assert active_encoder(data) == (own, made.sha256)


def test_nothing_is_adopted_that_is_not_what_was_judged(made: Artifact, tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert made.path is not None
    artifact = replace(made, path=shutil.copytree(made.path, tmp_path / "changed"))
    manifest = tmp_path / "changed" / "encoder.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "verdict": {"decision": "promoted"}}))

    with pytest.raises(ModelUnavailableError, match="not the pinned file"):
        adopt(data, record(artifact))
    with pytest.raises(InvalidRequestError, match="is no encoder"):
        adopt(data, replace(record(artifact), provider=FinetuningProvider.LOCAL))

    assert active_encoder(data) is None
    assert not (data / "encoders" / artifact.model_id).exists()


def test_planning_imports_no_torch() -> None:
    check = (
        "import sys, toolhone.training.providers.selector, toolhone.training.adoption\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'onnx')))"
    )

    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
