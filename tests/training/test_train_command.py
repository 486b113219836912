"""`toolhone selector train`, `export` and `use`, from a recorded log to a server that runs without torch."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from click.testing import CliRunner

from toolhone.assembly import audit_log
from toolhone.cli import main
from toolhone.events import new_event
from toolhone.models import AuditEvent, Caller, EventKind, Json
from toolhone.selection.active import Reason, active_encoder, use_encoder
from toolhone.settings import Settings
from toolhone.training import retraining

if TYPE_CHECKING:
    from training.conftest import World

SERVE = """
import sys, anyio, json
from toolhone.app import open_app
from toolhone.models import LOCAL_CALLER
from toolhone.settings import load_settings

async def main():
    async with open_app(load_settings({}, data=sys.argv[1], registry=sys.argv[2]), {}) as app:
        gateway = await app.gateway()
        await gateway.indexed()
        found = await gateway.find("please duplicate the image", caller=LOCAL_CALLER)
    print(json.dumps({"tools": [tool.definition.name for tool in found.tools], "method": found.method,
                      "torch": "torch" in sys.modules, "transformers": "transformers" in sys.modules}))

anyio.run(main)
"""


@pytest.fixture
def registry(world: "World", tmp_path: Path) -> Path:
    """The tools of the little language as files."""
    folder = tmp_path / "registry"
    folder.mkdir()
    for tool in world.tools:
        file = {
            "name": tool.name,
            "description": tool.description,
            "inputSchema": tool.input_schema,
            "handler": {"type": "python", "function": "json:dumps"},
        }
        (folder / f"{tool.name}.json").write_text(json.dumps(file))
    return folder


def events(world: "World") -> list[AuditEvent]:
    """The log as the server writes it: a selection, and a call of what it showed."""
    written: list[AuditEvent] = []
    for lesson in world.log:
        caller = Caller(principal=lesson.principal, session=lesson.id)
        (name,) = lesson.shown
        payload = {"task": lesson.task.text, "selected": [[name, 1.0]], "shown": 1}
        written.append(new_event(EventKind.SELECTION, caller, payload=payload))
        written.append(new_event(EventKind.CALL, caller, tool=name, success=True))
    return written


@pytest.fixture
def data(world: "World", tiny_bundle: Path, tmp_path: Path) -> Path:
    """A data folder with the log, in which the tiny encoder is used."""
    folder = tmp_path / "data"

    async def write() -> None:
        log = audit_log(Settings(data=folder))
        for event in events(world):
            await log.record(event)
        await log.aclose()

    anyio.run(write)
    shutil.copytree(tiny_bundle, folder / "encoders" / "tiny")
    return folder


def run(*arguments: str | Path, code: int = 0) -> tuple[str, str]:
    with CliRunner().isolation() as (stdout, stderr, _):
        try:
            main([str(argument) for argument in arguments])
            ended: object = 0
        except SystemExit as stop:
            ended = stop.code
        out, err = stdout.getvalue().decode(), stderr.getvalue().decode()
    assert ended == code, err
    return out, err


def served(data: Path, registry: Path) -> Json:
    """What a server of its own process answers."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TOOLHONE_")}
    done = subprocess.run(
        [sys.executable, "-c", SERVE, str(data), str(registry)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environ,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_log_becomes_an_encoder_that_a_server_uses_without_torch(
    world: "World", data: Path, registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retraining, "RECIPE", world.recipe)
    places: Sequence[str | Path] = ("--data", data, "--registry", registry)
    run("selector", "use", "tiny", "--data", data)

    out, _ = run("selector", "train", "--name", "mine", "--epochs", "6", *places, "--json")

    trained = json.loads(out)
    assert trained["promoted"], trained["verdict"]["why"]
    active = active_encoder(data)
    assert active == (data / "encoders" / "mine", trained["sha256"])
    answer = served(data, registry)
    assert answer["method"] == "hybrid"
    assert "copy_picture" in answer["tools"]  # shares no word with the task
    assert not answer["torch"]
    assert not answer["transformers"]

    listing = json.loads(run("selector", "encoders", "--data", data, "--json")[0])
    assert listing["active"] == "mine"
    assert [choice["reason"] for choice in listing["history"]] == ["chosen", "promoted"]
    assert "promoted" in run("selector", "encoders", "--data", data)[0]


def test_an_encoder_that_does_not_pass_changes_nothing(
    world: "World", data: Path, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It keeps every weight as it was, so it finds exactly as much.
    monkeypatch.setattr(retraining, "RECIPE", retraining.Recipe(kept=1.0, batch=64, learning_rate=1e-9))
    run("selector", "use", "tiny", "--data", data)

    out, _ = run(
        "selector", "train", "--name", "same", "--epochs", "1", "--data", data, "--registry", registry
    )

    assert "The encoder in use stays." in out
    active = active_encoder(data)
    assert active is not None
    assert active[0].name == "tiny"


def test_any_model_can_be_exported_and_used_by_name(tiny_model: Path, tmp_path: Path) -> None:
    out, _ = run("selector", "export", tiny_model, "--name", "other", "--data", tmp_path)
    assert "toolhone selector use other" in out

    run("selector", "use", "other", "--data", tmp_path)

    active = active_encoder(tmp_path)
    assert active is not None
    assert active[0] == tmp_path / "encoders" / "other"
    _, err = run("selector", "export", tiny_model, "--name", "other", "--data", tmp_path, code=1)
    assert "exists" in err


def test_training_needs_a_log_and_a_new_name(data: Path, tmp_path: Path) -> None:
    _, err = run("selector", "train", "--data", tmp_path / "empty", code=1)
    assert "There is no audit log" in err

    _, err = run("selector", "train", "--name", "tiny", "--data", data, code=1)
    assert "There is an encoder 'tiny' already" in err


def test_an_encoder_with_changed_files_is_not_trained_from(data: Path, registry: Path) -> None:
    use_encoder(data, "tiny", "0" * 64, Reason.CHOSEN)

    _, err = run("selector", "train", "--data", data, "--registry", registry, code=1)

    assert "is not the pinned file" in err
