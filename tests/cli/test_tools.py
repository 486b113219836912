"""`toolhone tools` and `toolhone describe`: the catalog as a table, as JSON, and one tool in full."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.models import Json

Run: TypeAlias = Callable[..., Json]
Servers: TypeAlias = Callable[..., Path]


def test_the_json_holds_what_the_table_shows(run: Run, registry: Path, servers: Servers) -> None:
    servers(plain=None)
    listed = run("tools", "--json").json
    shown = run("tools")

    assert {"add", "plain__echo"} <= {tool["name"] for tool in listed}
    lines = shown.stdout.splitlines()
    assert lines[0].split()[:3] == ["tool", "source", "read-only"]
    assert lines[-1] == f"{len(listed)} tools"
    for line, tool in zip(lines[1:-1], listed, strict=True):
        assert line.startswith(f"{tool['name']} ")
        assert line.split()[1] == tool["server"]
        assert (line.split()[2:3] == ["yes"]) == tool["readOnly"]


def test_the_table_fits_80_columns(run: Run, registry: Path, servers: Servers) -> None:
    servers(**{"a-server-with-quite-a-long-name": None})
    shown = run("tools").stdout

    assert max(map(len, shown.splitlines())) <= 80
    assert "a_tool_whose_name_is_as_long_as_a_name_can_be_here" in shown


def test_descriptions_cannot_colour_the_terminal(
    run: Run, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    shown = run("tools").stdout

    assert "\x1b" not in shown
    assert "Add [red]two[/red] numbers  [31mslowly." in shown
    assert "second line" not in shown


def test_tools_of_one_source(run: Run, registry: Path, servers: Servers) -> None:
    servers(plain=None)

    assert {tool["server"] for tool in run("tools", "--server", "plain", "--json").json} == {"plain"}
    assert {tool["server"] for tool in run("tools", "--server", "local", "--json").json} == {"local"}


def test_a_server_that_is_not_there_is_an_error_that_names_the_others(run: Run, servers: Servers) -> None:
    servers(plain=None)
    outcome = run("tools", "--server", "plane")

    assert outcome.exit_code == 1
    assert outcome.stderr == "error: There is no server 'plane'. There are: local, plain.\n"


def test_a_wrong_tool_file_is_noted_beside_json(run: Run, registry: Path) -> None:
    (registry / "wrong.json").write_text("{}")
    outcome = run("tools", "--json")

    assert len(outcome.json) == 6
    assert "wrong.json" in outcome.stderr


def test_an_empty_catalog_is_said_with_what_to_do(run: Run) -> None:
    outcome = run("tools")

    assert (outcome.exit_code, outcome.stdout) == (0, "0 tools\n")
    assert "Nothing is configured." in outcome.stderr
    assert run("tools", "--json").json == []


def test_describe_shows_everything_as_text_and_as_json(run: Run, registry: Path) -> None:
    (definition,) = run("describe", "add", "--json").json
    shown = run("describe", "add").stdout

    assert definition["inputSchema"]["required"] == ["a", "b"]
    assert definition["annotations"] == {"readOnlyHint": True}
    assert shown.startswith("add (local, general, readOnlyHint, read-only)\nAdd two numbers")
    assert '"required": [' in shown


def test_describe_says_which_names_are_unknown_and_what_was_meant(run: Run, registry: Path) -> None:
    outcome = run("describe", "add", "repaet", "--json")

    assert outcome.exit_code == 1
    assert [tool["name"] for tool in outcome.json] == ["add"]
    assert outcome.stderr == "note: There is no tool 'repaet'. Did you mean repeat?\n"
    assert run("describe", "repaet").stderr == "error: There is no tool 'repaet'. Did you mean repeat?\n"
