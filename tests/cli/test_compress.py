"""`toolhone compress` and `decompress`: every level, a budget, and the way back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.compression.levels import Level
from toolhone.models import Json, JsonObject
from toolhone.tokens import count_tokens

Run: TypeAlias = Callable[..., Json]

TOOLS: list[JsonObject] = [
    {
        "name": name,
        "title": f"To {name} a kettle",
        "description": f"Does {name} with one of the kettles. It may take a while. \N{TEACUP WITHOUT HANDLE}",
        "inputSchema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "kettle": {"type": "string", "description": "Which of the kettles, by its name."},
                "litres": {"type": "number", "minimum": 0, "maximum": 20, "default": 1.5},
                "style": {"enum": ["green", "black", 7, None], "x-odd": {"kept": True}},
            },
            "required": ["kettle"],
        },
        "annotations": {"readOnlyHint": name == "weigh"},
        "_meta": {"origin": [name]},
    }
    for name in ("boil", "weigh", "polish")
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kettles.json"
    path.write_text(json.dumps(TOOLS))
    return path


@pytest.mark.parametrize("level", ["full", "json"])
def test_what_was_compressed_comes_back(run: Run, file: Path, tmp_path: Path, level: str) -> None:
    compressed = run("compress", "--level", level, str(file))
    (tmp_path / "text").write_bytes(compressed.stdout.encode("utf-8", "surrogatepass"))

    assert run("decompress", str(tmp_path / "text")).json == TOOLS
    assert compressed.stderr == ""


@pytest.mark.parametrize(
    "answer", [{"tools": TOOLS}, {"jsonrpc": "2.0", "id": 1, "result": {"tools": TOOLS, "nextCursor": "x"}}]
)
def test_an_answer_to_tools_list_is_read_too(run: Run, file: Path, answer: Json) -> None:
    plain = run("compress", str(file)).stdout
    file.write_text(json.dumps(answer))

    assert run("compress", str(file)).stdout == plain


def test_each_level_is_shorter_than_the_next(run: Run, file: Path) -> None:
    sizes = [
        count_tokens(run("compress", "--level", level.value, str(file)).stdout)
        for level in (Level.NAMES, Level.INDEX, Level.TYPES, Level.BRIEF, Level.FULL, Level.JSON)
    ]

    assert sizes == sorted(sizes)


def test_a_budget_is_kept_and_names_every_tool(run: Run, file: Path) -> None:
    for budget in (40, 80, 160, 320):
        text = run("compress", "--budget", str(budget), str(file)).stdout.removesuffix("\n")
        assert count_tokens(text) <= budget
        assert all(tool["name"] in text for tool in TOOLS)


def test_what_was_saved_is_said_on_stderr(run: Run, file: Path) -> None:
    said = run("compress", "--stats", str(file)).stderr

    assert said.startswith("3 tools: ")
    assert "tokens as JSON" in said


@pytest.mark.parametrize(
    ("arguments", "content", "says"),
    [
        (["compress"], "{", "is not JSON"),
        (["compress"], "7", "no list of tools"),
        (["compress"], '{"tools": 5}', "no list of tools"),
        (["compress"], '[{"name": "a", "inputSchema": {}}, {}]', "entry 1"),
        (["compress", "--budget", "3"], '[{"name": "a_long_name_of_a_tool", "inputSchema": {}}]', "--budget"),
        (["compress", "--budget", "300", "--level", "seed"], '[{"name": "a", "inputSchema": {}}]', "seed"),
        (["compress"], '{"result": 5}', "no list of tools"),
        (["decompress"], "nonsense", "Line 1"),
        (["decompress"], b"\xff\xfe", "not UTF-8"),
    ],
)
def test_bad_input_is_refused_clearly(
    run: Run, file: Path, arguments: list[str], content: str | bytes, says: str
) -> None:
    file.write_bytes(content.encode() if isinstance(content, str) else content)

    outcome = run(*arguments, str(file))

    assert outcome.exit_code == 1
    assert says in outcome.stderr


def test_a_lossy_text_cannot_be_decompressed(run: Run, file: Path) -> None:
    text = run("compress", "--level", "types", str(file)).stdout
    file.write_text(text)

    outcome = run("decompress", str(file))

    assert outcome.exit_code == 1
    assert "lossy" in outcome.stderr
