"""`toolhone rank`: one line a query, in order, with the names as the file has them."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.models import Json, JsonObject
from toolhone.selection.scoring import Weights
from toolhone.settings import Settings

Run: TypeAlias = Callable[..., Json]

TOOLS: list[JsonObject] = [
    {
        "name": "Weather.Forecast!",
        "description": "The weather of the next days in a city.",
        "inputSchema": {},
    },
    {"name": "send-mail", "description": "Send an e-mail.", "inputSchema": {}, "server": "post"},
    {"name": "add", "description": "Add two numbers.", "inputSchema": {}, "server": "sums"},
    {"name": "überweisen", "description": "Transfer money to an account.", "inputSchema": {}},
]


def write(file: Path, rows: list[JsonObject]) -> str:
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return str(file)


@pytest.fixture
def files(tmp_path: Path) -> JsonObject:
    """A request for two tools of four."""
    queries: list[JsonObject] = [
        {"id": "w", "query": "Will it rain in Oslo tomorrow?", "gold": "not read"},
        {"id": 2, "query": "What is 3 and 4 together?"},
        {"id": "m", "query": "Write an e-mail to Ada."},
    ]
    return {
        "tools": write(tmp_path / "tools.jsonl", TOOLS),
        "queries": write(tmp_path / "queries.jsonl", queries),
        "k": 2,
    }


def answers(stdout: str) -> list[JsonObject]:
    return [json.loads(line) for line in stdout.splitlines()]


def test_each_query_is_answered_in_order_with_the_names_of_the_file(run: Run, files: JsonObject) -> None:
    outcome = run("rank", input=json.dumps(files))
    found = answers(outcome.stdout)

    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert [answer["id"] for answer in found] == ["w", 2, "m"]
    assert [answer["ranked"][0] for answer in found] == ["Weather.Forecast!", "add", "send-mail"]
    assert all(len(answer["ranked"]) == 2 for answer in found)
    assert all(answer.keys() == {"id", "ranked"} for answer in found)


def test_ten_are_ranked_if_not_said_otherwise_and_never_more_than_there_are(
    run: Run, files: JsonObject
) -> None:
    del files["k"]
    for answer in answers(run("rank", input=json.dumps(files)).stdout):
        assert sorted(answer["ranked"]) == sorted(tool["name"] for tool in TOOLS)


def test_the_shares_of_a_score_are_those_of_the_settings() -> None:
    settings, weights = Settings(), Weights()

    assert settings.dense_weight == weights.dense
    assert settings.sentence_weight == weights.sentence
    assert settings.server_weight == weights.server
    assert settings.late_weight == weights.late


def test_the_same_question_has_the_same_answer(run: Run, files: JsonObject) -> None:
    assert run("rank", input=json.dumps(files)).stdout == run("rank", input=json.dumps(files)).stdout


def test_an_empty_query_is_answered_with_nothing_and_a_note(
    run: Run, files: JsonObject, tmp_path: Path
) -> None:
    rows: list[JsonObject] = [{"id": "e", "query": " \n"}, {"id": "m", "query": "an e-mail"}]
    files["queries"] = write(tmp_path / "some.jsonl", rows)
    outcome = run("rank", input=json.dumps(files))

    assert outcome.exit_code == 0
    assert [bool(answer["ranked"]) for answer in answers(outcome.stdout)] == [False, True]
    assert "note: Query 'e' is answered with no tools" in outcome.stderr


def test_a_file_without_queries_is_answered_with_nothing_and_a_note(
    run: Run, files: JsonObject, tmp_path: Path
) -> None:
    files["queries"] = write(tmp_path / "none.jsonl", [])
    outcome = run("rank", input=json.dumps(files))

    assert (outcome.exit_code, outcome.stdout) == (0, "")
    assert "has no queries" in outcome.stderr


def test_what_is_not_read_is_named(run: Run, files: JsonObject) -> None:
    assert "Not read: 'K'" in run("rank", input=json.dumps({**files, "K": 5})).stderr


@pytest.mark.usefixtures("registry")
def test_the_users_tools_and_data_are_not_touched(run: Run, files: JsonObject, home: Path) -> None:
    run("rank", input=json.dumps(files))

    assert not (home / "data").exists()


def test_text_that_utf8_cannot_carry_comes_back_as_json_writes_it(
    run: Run, files: JsonObject, tmp_path: Path
) -> None:
    files["tools"] = write(tmp_path / "odd.jsonl", [{"name": "half \ud83d pair", "description": "A tool."}])
    ranked = [answer["ranked"] for answer in answers(run("rank", input=json.dumps(files)).stdout)]

    assert ranked == [["half \ud83d pair"]] * 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"k": 0}, "'k' is 0"),
        ({"k": 51}, "from 1 to 50"),
        ({"k": True}, "'k' is True"),
        ({"tools": None}, "'tools' is None"),
        ({"queries": ""}, "'queries' is ''"),
        ({"tools": "nowhere.jsonl"}, "'nowhere.jsonl' cannot be read"),
        ({"tools": "a\0b"}, "cannot be read: embedded null byte"),
        ({"queries": "."}, "'.' cannot be read"),
    ],
)
def test_a_request_that_is_wrong(run: Run, files: JsonObject, change: JsonObject, said: str) -> None:
    outcome = run("rank", input=json.dumps(files | change))

    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert said in outcome.stderr
    assert outcome.stderr.count("\n") == 1


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000])
def test_an_input_that_is_no_request(run: Run, text: str) -> None:
    outcome = run("rank", input=text)

    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert '{"tools": PATH, "queries": PATH, "k": 10}' in outcome.stderr


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        ('{"name": "a"}\n{"name"\n', "Line 2 of "),
        ('{"name": "a"}\n\n{"name": "a"}\n', "Line 3 of "),
        ("\n", "has no tools"),
    ],
)
def test_a_file_of_tools_that_is_wrong(
    run: Run, files: JsonObject, tmp_path: Path, tools: str, said: str
) -> None:
    (tmp_path / "wrong.jsonl").write_text(tools)
    outcome = run("rank", input=json.dumps({**files, "tools": str(tmp_path / "wrong.jsonl")}))

    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert said in outcome.stderr
    assert "wrong.jsonl" in outcome.stderr


def test_a_reader_that_leaves_ends_the_run_without_a_traceback(home: Path, files: JsonObject) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "toolhone", "rank"],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdout.close()
        process.stdin.write(json.dumps(files))
        process.stdin.close()
        said = process.stderr.read()

        assert process.wait(60) == 1
        assert said == ""
