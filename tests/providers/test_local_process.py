"""The parent's side of local training, with a stand-in child that needs no torch."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from toolhone.exceptions import (
    BudgetExceededError,
    InvalidRequestError,
    ProviderError,
    ProviderUnavailableError,
)
from toolhone.models import Category, Json
from toolhone.records.datasets import Manifest
from toolhone.records.jobs import FinetuningConfig
from toolhone.training.providers import local
from toolhone.training.providers.child_process import run_folder
from toolhone.training.providers.local import LocalProvider
from toolhone.training.providers.local_models import checked_base_model
from toolhone.training.providers.provider import Phase, Polled, Question, TrainingRequest

STAND_IN = Path(__file__).parent / "stand_in"

FOUND: dict[str, Json] = {
    "rows": 80,
    "validation_rows": 10,
    "dropped": {},
    "trained_tokens": 24_000,
    "learned_tokens": 8_000,
    "steps": 60,
    "rows_at_once": 4,
    "answers_found_by": "markers",
    "device": "cpu",
    "seconds": 1_800.0,
}

BuildModel = Callable[..., Path]


@pytest.fixture
def model(tmp_path: Path) -> BuildModel:
    """Makes the folder of a model that the stand-in treats as told."""

    def build(**behaviour: Json) -> Path:
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text('{"architectures": ["Qwen2ForCausalLM"]}')
        (folder / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
        for name in ("model.safetensors", "tokenizer.json"):
            (folder / name).write_text("")
        (folder / "behaviour").write_text(json.dumps(behaviour))
        return folder

    return build


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[LocalProvider]:
    environ = {**os.environ, "PYTHONPATH": str(STAND_IN), "OPENAI_API_KEY": "hidden"}
    provider = LocalProvider(
        tmp_path / "estimates", environ=environ, module="stand_in_trainer", grace=5.0, poll_seconds=0.02
    )
    try:
        yield provider
    finally:
        await provider.aclose()


def manifest() -> Manifest:
    return Manifest(
        dataset_id="d",
        category=Category.ECOMMERCE,
        version=1,
        created_at="2026-11-23T00:00:00+00:00",
        content_hash="h",
        request={},
        counts={},
        files={},
        dropped={},
    )


def asked(base_model: Path, workspace: Path, **config: Any) -> TrainingRequest:
    return TrainingRequest(
        job_id="job",
        key="key",
        category=Category.ECOMMERCE,
        config=FinetuningConfig(category=Category.ECOMMERCE, base_model=str(base_model), **config),
        manifest=manifest(),
        dataset=workspace,
        workspace=workspace / "runs",
    )


async def over(
    provider: LocalProvider,
    request: TrainingRequest,
    run_id: str,
    enough: Callable[[Polled], bool] = lambda polled: polled.phase.over,
) -> Polled:
    with anyio.fail_after(60):
        # A child is told of by its files alone.
        while not enough(polled := await provider.poll(request, run_id, None)):  # noqa: ASYNC110
            await anyio.sleep(0.02)
    return polled


def started(workspace: Path) -> bool:
    return any(workspace.glob("answers-*/environment.json"))


async def test_a_training_is_followed_to_its_artifact(
    provider: LocalProvider, model: BuildModel, tmp_path: Path
) -> None:
    request = asked(model(train="succeed"), tmp_path)

    assert await provider.find(request) is None
    run_id = await provider.submit(request)
    assert await provider.find(request) == run_id
    polled = await over(provider, request, run_id)
    artifact = await provider.artifact(request, run_id)

    assert polled.phase is Phase.SUCCEEDED
    assert artifact.model_id == f"ecommerce-{artifact.sha256[:12]}"
    assert artifact.cost_usd == 0.25
    assert artifact.path is not None and (artifact.path / "weights").read_text() == "tuned"


async def test_the_child_gets_no_secret_and_no_network(
    provider: LocalProvider, model: BuildModel, tmp_path: Path
) -> None:
    request = asked(model(train="succeed"), tmp_path)

    await over(provider, request, await provider.submit(request))

    environment = json.loads((run_folder(request.workspace, "key") / "environment.json").read_text())
    assert "OPENAI_API_KEY" not in environment
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert environment["HF_HOME"].startswith(str(tmp_path))


async def test_a_child_that_dies_again_and_again_has_failed(
    provider: LocalProvider, model: BuildModel, tmp_path: Path
) -> None:
    request = asked(model(train="die"), tmp_path)

    polled = await over(provider, request, await provider.submit(request))

    assert polled.phase is Phase.FAILED
    assert "ended 3 times without a result" in (polled.error or "")


async def test_a_cancelled_training_stays_cancelled(
    provider: LocalProvider, model: BuildModel, tmp_path: Path
) -> None:
    request = asked(model(train="wait"), tmp_path)
    run_id = await provider.submit(request)
    running = await over(provider, request, run_id, lambda polled: polled.step is not None)

    await provider.cancel(request, run_id)
    await provider.cancel(request, run_id)

    assert (running.progress, running.training_loss) == (0.25, 1.0)
    assert (await provider.poll(request, run_id, None)).phase is Phase.CANCELLED
    with pytest.raises(ProviderError, match="has not succeeded"):
        await provider.artifact(request, run_id)


async def test_a_training_that_was_cut_off_with_its_parent_starts_again(
    provider: LocalProvider, model: BuildModel, tmp_path: Path
) -> None:
    request = asked(model(train="wait"), tmp_path)
    run_id = await provider.submit(request)
    await over(provider, request, run_id, lambda polled: polled.step is not None)
    await provider.aclose()
    model(train="succeed")

    assert (await over(provider, request, run_id)).phase is Phase.SUCCEEDED


async def test_a_training_of_another_request_is_not_taken_for_this_one(
    provider: LocalProvider, model: BuildModel, tmp_path: Path
) -> None:
    with pytest.raises(ProviderError, match="does not belong to the request"):
        await provider.poll(asked(model(), tmp_path), "run-of-another", None)


async def test_the_estimate_says_what_it_takes(
    provider: LocalProvider, model: BuildModel, tmp_path: Path
) -> None:
    request = asked(model(check=FOUND), tmp_path, batch_size=4)

    estimate = await provider.estimate(request.config, manifest(), tmp_path, 2.0)

    assert (estimate.trained_tokens, estimate.steps, estimate.seconds) == (24_000, 60, 1_800.0)
    assert estimate.cost_usd == pytest.approx(1.0)
    assert estimate.upper_bound_usd == 48.0
    assert estimate.warnings == ()
    assert estimate.honoured["lora"] == {"r": 16, "alpha": 32, "targets": "all-linear"}


async def test_estimates_leave_nothing_even_if_one_was_killed(
    provider: LocalProvider, model: BuildModel, tmp_path: Path
) -> None:
    request = asked(model(check=FOUND), tmp_path)
    killed = (
        "import os, pathlib, signal, sys; from toolhone.storage.workspaces import Workspaces;"
        "(Workspaces(pathlib.Path(sys.argv[1])).make() / 'rows').write_text('Anna');"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    await anyio.run_process([sys.executable, "-c", killed, str(tmp_path / "estimates")], check=False)
    (left,) = (tmp_path / "estimates").iterdir()

    await provider.estimate(request.config, request.manifest, request.dataset, 0.0)

    assert not left.exists()
    assert list((tmp_path / "estimates").iterdir()) == []


async def test_free_work_costs_nothing(provider: LocalProvider, model: BuildModel, tmp_path: Path) -> None:
    request = asked(model(check={**FOUND, "seconds": None}), tmp_path)

    estimate = await provider.estimate(request.config, manifest(), tmp_path, 0.0)

    assert (estimate.cost_usd, estimate.upper_bound_usd) == (0.0, 0.0)
    assert any("the time is not known" in warning for warning in estimate.warnings)


async def test_work_that_would_cost_more_than_is_allowed_is_refused(
    provider: LocalProvider, model: BuildModel, tmp_path: Path
) -> None:
    request = asked(model(check=FOUND), tmp_path, max_training_cost_usd=0.5)

    with pytest.raises(BudgetExceededError, match=r"30 minutes, which is \$1.00"):
        await provider.estimate(request.config, manifest(), tmp_path, 2.0)


async def test_the_estimate_warns(provider: LocalProvider, model: BuildModel, tmp_path: Path) -> None:
    found = {**FOUND, "steps": 3, "validation_rows": 0, "dropped": {"longer than 4096 tokens": 2}}
    request = asked(model(check=found), tmp_path, max_training_hours=0.25)

    warnings = (await provider.estimate(request.config, manifest(), tmp_path, 0.0)).warnings

    assert [warning.split(" ")[0] for warning in warnings] == ["2", "The", "There", "It"]
    assert "2 rows are left out: longer than 4096 tokens" in warnings


async def test_what_the_child_refuses_is_refused(
    provider: LocalProvider, model: BuildModel, tmp_path: Path
) -> None:
    request = asked(model(check="refuse"), tmp_path)

    with pytest.raises(InvalidRequestError, match="It cannot be trained so"):
        await provider.estimate(request.config, manifest(), tmp_path, 0.0)


async def test_answers_given_before_a_crash_are_not_asked_for_again(
    provider: LocalProvider, model: BuildModel, tmp_path: Path
) -> None:
    base = model(answer="once")
    questions = [Question(row_id=name, messages=({"role": "user", "content": name},)) for name in "abc"]

    answers = await provider.answer(str(base), None, questions, tmp_path)

    assert [answer.message["content"] for answer in answers] == [
        "first start",
        "second start",
        "second start",
    ]
    assert [answer.row_id for answer in answers] == ["a", "b", "c"]
    assert answers[0].latency_ms == 1.5


async def test_answers_that_failed_can_be_asked_for_again(
    provider: LocalProvider, model: BuildModel, tmp_path: Path
) -> None:
    base = model(answer="die")
    questions = [Question(row_id="a", messages=({"role": "user", "content": "a"},))]
    with pytest.raises(ProviderError, match="without a result"):
        await provider.answer(str(base), None, questions, tmp_path)

    model(answer="go")

    assert len(await provider.answer(str(base), None, questions, tmp_path)) == 1


async def test_a_child_ends_with_the_one_who_waits_for_its_answers(
    provider: LocalProvider, model: BuildModel, tmp_path: Path
) -> None:
    base = model(answer="wait")
    questions = [Question(row_id="a", messages=({"role": "user", "content": "a"},))]

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(provider.answer, str(base), None, questions, tmp_path)
        with anyio.fail_after(60):
            while not started(tmp_path):  # noqa: ASYNC110
                await anyio.sleep(0.02)
        tasks.cancel_scope.cancel()

    model(answer="go")
    with anyio.fail_after(60):
        # The folder's lock is free again, or this would wait for ever.
        assert len(await provider.answer(str(base), None, questions, tmp_path)) == 1


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(local, "NEEDED", ("torch_that_is_nowhere",))

    capabilities = LocalProvider(tmp_path / "estimates", environ={}).capabilities

    assert not capabilities.available
    assert "torch_that_is_nowhere" in (capabilities.unavailable_why or "")
    assert "pip install 'toolhone[train]'" in (capabilities.unavailable_why or "")


async def test_without_the_extra_nothing_starts(
    monkeypatch: pytest.MonkeyPatch, model: BuildModel, tmp_path: Path
) -> None:
    monkeypatch.setattr(local, "NEEDED", ("torch_that_is_nowhere",))
    request = asked(model(), tmp_path)

    with pytest.raises(ProviderUnavailableError):
        await LocalProvider(tmp_path / "estimates", environ={}).submit(request)

    assert not request.workspace.exists()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"config.json": None}, "no config.json"),
        ({"config.json": '{"auto_map": {"AutoModel": "x.Y"}}'}, "code of its own"),
        ({"config.json": '{"architectures": ["BertModel"]}'}, "only causal language models"),
        ({"config.json": "{"}, "cannot be read"),
        ({"model.safetensors": None}, "no weights"),
        ({"tokenizer.json": None}, "no tokenizer"),
        ({"tokenizer_config.json": "{}"}, "no chat template"),
    ],
)
def test_a_folder_that_is_no_model_is_refused(
    model: BuildModel, change: dict[str, str | None], why: str
) -> None:
    folder = model()
    for name, text in change.items():
        if text is None:
            (folder / name).unlink()
        else:
            (folder / name).write_text(text)

    with pytest.raises(InvalidRequestError, match=why):
        checked_base_model(str(folder))


@pytest.mark.parametrize(
    ("name", "why"), [("", "needs a base_model"), ("Qwen/Qwen3-0.6B", "Nothing is downloaded")]
)
def test_names_are_not_looked_up_anywhere(name: str, why: str) -> None:
    with pytest.raises(InvalidRequestError, match=why):
        checked_base_model(name)


def test_importing_the_provider_loads_nothing_heavy() -> None:
    heavy = "torch", "transformers", "peft", "trl", "datasets", "numpy", "tokenizers"
    code = f"import sys, toolhone.training.providers.local; print([n for n in {heavy!r} if n in sys.modules])"

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert printed.strip() == "[]"
