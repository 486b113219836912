"""`toolhone find`: the table, the JSON, the text, and what is said when there is nothing to find."""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.models import Json
from toolhone.selection.question import Selection
from toolhone.selection.selector import Selector

Run: TypeAlias = Callable[..., Json]


def test_the_json_holds_what_the_table_shows(run: Run, registry: Path) -> None:
    answer = run("find", "add two numbers", "-n", "2", "--json").json
    table = run("find", "add two numbers", "-n", "2").stdout

    assert 1 <= len(answer["tools"]) <= 2
    assert answer["tools"][0]["name"] == "add"
    for tool in answer["tools"]:
        (line,) = [line for line in table.splitlines() if line.startswith(f"{tool['name']} ")]
        assert f" {math.floor(tool['fits'] * 100 + 1e-9)}% " in line
    assert answer["tokens"]["saved"] == answer["tokens"]["all_schemas"] - answer["tokens"]["sent"]
    assert f"{answer['considered']} tools considered, {answer['method']}," in table
    assert f"answer {answer['tokens']['sent']:,} tokens" in table


def test_the_table_fits_80_columns_with_the_longest_name(run: Run, registry: Path) -> None:
    lines = run("find", "add two numbers slowly").stdout.splitlines()

    assert lines[0].split()[:3] == ["tool", "fits", "read-only"]
    assert max(map(len, lines)) <= 80
    (long,) = [line for line in lines if line.startswith("a_tool_whose_name_is")]
    assert long.split()[0] == "a_tool_whose_name_is_as_long_as_a_name_can_be_here"
    assert long.split()[2] == "yes"
    assert long.rstrip().endswith("…")


def test_text_is_what_an_agent_reads(run: Run, registry: Path) -> None:
    shown = run("find", "add two numbers", "--text").stdout

    assert re.search(r"^## add \(\d+%, read-only\)$", shown, re.MULTILINE)
    assert "\nAdd two numbers and give their sum.\n a num\n b num\n" in shown


def test_a_budget_is_kept_by_telling_less(run: Run, registry: Path) -> None:
    arguments = ("find", "add two numbers", "--pin", "repeat", "--pin", "list_rows", "--json")
    whole = run(*arguments).json
    tight = run(*arguments, "--token-budget", "50").json

    assert tight["tokens"]["sent"] <= 50 < whole["tokens"]["sent"]
    assert [tool["name"] for tool in tight["tools"]] == [tool["name"] for tool in whole["tools"]]
    assert (
        {tool["level"] for tool in whole["tools"]} == {"full"} != {tool["level"] for tool in tight["tools"]}
    )


def test_a_pinned_tool_is_shown_whatever_the_task_is(run: Run, registry: Path) -> None:
    tools = run("find", "add two numbers", "-n", "2", "--pin", "draw", "--json").json["tools"]

    assert [tool["name"] for tool in tools if tool.get("pinned")] == ["draw"]
    assert len(tools) <= 2
    assert "The pinned tool 'drew' is not there" in run("find", "add", "--pin", "drew").stderr


def test_when_nothing_fits_that_is_said(run: Run, registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    select = Selector.select

    async def unsure(self: Selector, task: str, **options: Json) -> Selection:
        return replace(await select(self, task, **options), fits=0.04, nothing_fits=True)

    monkeypatch.setattr(Selector, "select", unsure)
    shown = run("find", "tune a xylophone")

    assert shown.stdout.startswith("tool ")
    assert "note: Nothing fits; these are the nearest (4% that one of them does)." in shown.stderr


def test_a_category_narrows_the_choice(run: Run, registry: Path) -> None:
    assert run("find", "add two numbers", "--category", "ecommerce", "--json").json["tools"] == []
    assert run("find", "add", "--category", "weather").exit_code == 2


@pytest.mark.parametrize("option", [(), ("--json",), ("--text",)])
def test_an_empty_catalog_is_said_with_what_to_do(run: Run, home: Path, option: tuple[str, ...]) -> None:
    outcome = run("find", "weather", *option)

    assert outcome.exit_code == 0
    assert f"Name servers in {home}/config/toolhone/mcp.json" in outcome.stderr
    if option == ("--json",):
        assert outcome.json["tools"] == []
        assert outcome.json["considered"] == 0
    elif not option:
        assert outcome.stdout.startswith("0 tools considered")


def test_an_empty_task_is_one_line(run: Run, registry: Path) -> None:
    outcome = run("find", "  ")

    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith("error: ")
    assert outcome.stderr.count("\n") == 1
