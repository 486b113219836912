"""`toolhone call`: the ways to write arguments, batches, and exit codes for scripts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.models import Json

Run: TypeAlias = Callable[..., Json]

pytestmark = pytest.mark.usefixtures("registry")


@pytest.mark.parametrize("arguments", [("a=1", "b=2.5"), ('{"a": 1, "b": 2.5}',)])
def test_arguments_are_pairs_or_one_object(run: Run, arguments: tuple[str, ...]) -> None:
    outcome = run("call", "add", *arguments)

    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert outcome.json == {"sum": 3.5}


@pytest.mark.parametrize("text", ["hello world", "7", "true", '{"a": 1}', "", "a=b", "NaN"])
def test_a_text_parameter_gets_the_text_as_it_was_written(run: Run, text: str) -> None:
    assert run("call", "repeat", f"text={text}").stdout == f"{text}\n"


def test_json_gives_the_slots_of_a_batch_answer(run: Run) -> None:
    (slot,) = run("call", "add", "a=1", "b=2", "--json").json["results"]

    assert (slot["id"], slot["tool"], slot["success"], slot["result"]) == ("1", "add", True, {"sum": 3})
    assert slot["execution_time_ms"] > 0
    assert slot["tokens_used"] > 0


BATCH = [
    {"id": "one", "tool": "add", "arguments": {"a": 1, "b": 2}},
    {"id": "two", "tool": "fail", "arguments": {"reason": "of a kind"}},
    {"id": "three", "tool": "add", "arguments": {"a": {"$from": "one", "path": "/sum"}, "b": 4}},
]


def test_a_batch_from_a_file_fails_as_a_whole_if_one_call_does(run: Run, home: Path) -> None:
    (home / "batch.json").write_text(json.dumps(BATCH))
    outcome = run("call", "--batch", home / "batch.json", "--json")

    assert outcome.exit_code == 1
    assert [(slot["id"], slot["success"]) for slot in outcome.json["results"]] == [
        ("one", True),
        ("two", False),
        ("three", True),
    ]
    assert outcome.json["results"][2]["result"] == {"sum": 7}


def test_a_batch_from_stdin_prints_results_apart_from_what_is_said_about_them(run: Run) -> None:
    outcome = run("call", "--batch", "-", input=json.dumps(BATCH))

    assert outcome.stdout == '{\n  "sum": 3\n}\n{\n  "sum": 7\n}\n'
    assert "one: add: ok" in outcome.stderr
    assert "two: fail: failed" in outcome.stderr
    assert "error: tool_failed: 'fail' failed: ValueError: of a kind" in outcome.stderr


def test_read_only_refuses_what_may_change_things(run: Run) -> None:
    assert run("call", "--read-only", "add", "a=1", "b=2").exit_code == 0
    refused = run("call", "--read-only", "repeat", "text=x")

    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "not_read_only" in refused.stderr


def test_an_unknown_tool_is_an_error_that_suggests(run: Run) -> None:
    outcome = run("call", "repaet", "text=x")

    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert outcome.stderr == "error: unknown_tool: There is no tool 'repaet'. Did you mean repeat?\n"


def test_a_name_that_looks_like_markup_is_only_a_name(run: Run) -> None:
    assert "There is no tool '[/red]'" in run("call", "[/red]").stderr


def test_wrong_arguments_show_their_schema(run: Run) -> None:
    outcome = run("call", "add", "a=one", "b=2")

    assert outcome.exit_code == 1
    assert '/a: "one" is not of type number. Expected: a num' in outcome.stderr


def test_a_large_result_is_printed_whole(run: Run) -> None:
    assert len(run("call", "list_rows", "count=3000").json["rows"]) == 3000


def test_a_picture_is_not_lost(run: Run) -> None:
    shown = run("call", "draw")
    (slot,) = run("call", "draw", "--json").json["results"]

    assert shown.stdout == "a picture\n"
    assert shown.stderr == "note: The result has a block of type 'image' too, which --json shows.\n"
    assert slot["content"] == [{"type": "image", "data": "UElD", "mimeType": "image/png"}]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Give either a TOOL or --batch FILE."),
        (("add", "--batch", "-"), "Give either a TOOL or --batch FILE."),
        (("add", "a"), "'a' is neither a JSON object nor name=value."),
        (("add", "a=1", "a=2"), "'a' is given twice"),
        (("add", "{a: 1}"), "the arguments are not JSON"),
        (("--batch", "-"), "--batch is not JSON"),
        (("--batch", "nowhere.json"), "nowhere.json"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(run: Run, arguments: tuple[str, ...], said: str) -> None:
    outcome = run("call", *arguments, input="[1,")

    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert said in outcome.stderr


def test_a_batch_that_is_no_list_of_calls_is_one_line(run: Run) -> None:
    outcome = run("call", "--batch", "-", input="3")

    assert outcome.exit_code == 1
    assert outcome.stderr.startswith("error: 'calls' must be a list of calls")


def test_the_traceback_of_a_tool_is_shown_on_request(run_process: Run) -> None:
    quiet = run_process("call", "fail", "reason=none")
    loud = run_process("call", "fail", "reason=none", "--traceback")

    assert quiet.stderr == "error: tool_failed: 'fail' failed: ValueError: none\n"
    assert "raise ValueError(reason)" in loud.stderr
    assert quiet.exit_code == loud.exit_code == 1
