"""`toolhone registry`: what is wrong with tool files, by file and field, and their schema."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.models import Json

Run: TypeAlias = Callable[..., Json]

ROOT = Path(__file__).parents[2]


def break_one(folder: Path) -> None:
    file = folder / "add.json"
    content = json.loads(file.read_text())
    content["category"] = "arithmetic"
    file.write_text(json.dumps(content))


def test_the_shipped_tools_are_in_order(run: Run) -> None:
    outcome = run("registry", "check", ROOT / "tool_registry")

    assert (outcome.exit_code, outcome.stdout) == (0, "")
    assert outcome.stderr.endswith("files, 0 problems\n")
    assert run("registry", "check", ROOT / "tool_registry", "--json").json == []


def test_a_problem_names_file_and_field_and_the_exit_code_says_it(run: Run, registry: Path) -> None:
    break_one(registry)
    outcome = run("registry", "check", registry)
    (problem,) = run("registry", "check", registry, "--json").json

    assert outcome.exit_code == 1
    assert outcome.stdout.startswith(f"{registry / 'add.json'}: /category: ")
    assert outcome.stderr.endswith("6 files, 1 problem\n")
    assert (problem["file"], problem["field"]) == (str(registry / "add.json"), "/category")
    assert problem["message"] in outcome.stdout


def test_the_folder_is_the_named_one_else_the_one_here_else_the_users(
    run: Run, registry: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("registry", "check").stderr == f"{registry}: 6 files, 0 problems\n"
    (home / "here" / "tool_registry").mkdir()
    assert run("registry", "check").stderr == "tool_registry: 0 files, 0 problems\n"
    monkeypatch.setenv("TOOLHONE_REGISTRY", str(registry))
    assert run("registry", "check").stderr == f"{registry}: 6 files, 0 problems\n"


def test_no_folder_at_all_is_one_line(run: Run) -> None:
    outcome = run("registry", "check")

    assert outcome.exit_code == 1
    assert outcome.stderr.startswith("error: There is no tool registry")
    assert outcome.stderr.count("\n") == 1


def test_the_schema_is_the_published_one(run: Run) -> None:
    published = ROOT / "src" / "toolhone" / "registry" / "tool.schema.json"

    assert run("registry", "schema").json == json.loads(published.read_text())
