"""The encoder commands where toolhone[train] is not installed: what works without it, and what is said."""

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from toolhone.models import Json
from toolhone.selection.bundle import DEFAULT_FOLDER


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A data folder with a copy of the default encoder, as somebody could have trained it."""
    shutil.copytree(DEFAULT_FOLDER, tmp_path / "encoders" / "copied")
    return tmp_path


def test_training_and_export_say_what_to_install(run: Callable[..., Json], tmp_path: Path) -> None:
    assert importlib.util.find_spec("torch") is None

    trained = run("selector", "train", "--data", tmp_path)
    (tmp_path / "config.json").write_text("{}")
    exported = run("selector", "export", tmp_path, "--name", "mine", "--data", tmp_path)

    for outcome in (trained, exported):
        assert outcome.exit_code == 1
        assert "pip install torch==2.13.0" in outcome.stderr
        assert "pip install 'toolhone[train]'" in outcome.stderr
        assert outcome.stdout == ""


def test_an_encoder_is_used_by_name_and_the_default_again(run: Callable[..., Json], copied: Path) -> None:
    assert "copied is used from now on" in run("selector", "use", "copied", "--data", copied).stdout

    listing = run("selector", "encoders", "--data", copied, "--json").json
    assert listing["active"] == "copied"
    assert run("selector", "use", "default", "--data", copied, "--json").json["sha256"] is None
    assert run("selector", "encoders", "--data", copied, "--json").json["active"] == "default"
    assert "copied" in run("selector", "encoders", "--data", copied).stdout


def test_an_unknown_encoder_is_refused_with_the_known_ones(run: Callable[..., Json], copied: Path) -> None:
    outcome = run("selector", "use", "other", "--data", copied)

    assert outcome.exit_code == 1
    assert "There are: default, copied." in outcome.stderr


def test_an_encoder_whose_weights_changed_is_not_used(run: Callable[..., Json], copied: Path) -> None:
    with (copied / "encoders" / "copied" / "encoder.onnx").open("ab") as weights:
        weights.write(b"x")

    outcome = run("selector", "use", "copied", "--data", copied)

    assert outcome.exit_code == 1
    assert "is not the pinned file" in outcome.stderr
    assert run("selector", "encoders", "--data", copied, "--json").json["active"] == "default"


def test_a_chosen_encoder_with_another_manifest_is_refused_and_words_go_on(
    run: Callable[..., Json], copied: Path, registry: Path
) -> None:
    run("selector", "use", "copied", "--data", copied)
    manifest = copied / "encoders" / "copied" / "encoder.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "name": "swapped"}))

    found = run("find", "add two numbers", "--data", copied, "--json")

    assert found.exit_code == 0
    assert found.json["method"] == "lexical"
    assert found.json["tools"][0]["name"] == "add"
    assert "is not the pinned file" in found.stdout + found.stderr
