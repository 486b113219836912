"""Datasets in other formats, and what providers would refuse of them."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from toolhone.datasets.chat import row_of
from toolhone.datasets.checks import BOM, check_bedrock, check_chat, check_dpo
from toolhone.datasets.formats import Unfit, bedrock_line, chat_line, write_chat
from toolhone.datasets.preparation import Preparation
from toolhone.exceptions import ConfigurationError, InvalidRequestError
from toolhone.models import LOCAL_CALLER, Json, JsonObject
from toolhone.records.datasets import DatasetRequest
from toolhone.records.snapshots import Snapshot
from toolhone.storage.memory_snapshots import MemorySnapshotStore

New = Callable[..., Snapshot]

CALL: JsonObject = {"id": "a", "type": "function", "function": {"name": "scan", "arguments": "{}"}}
TOOL: JsonObject = {"type": "function", "function": {"name": "scan", "parameters": {"type": "object"}}}
USER: JsonObject = {"role": "user", "content": "scan x"}
SAID: JsonObject = {"role": "assistant", "content": "clean"}


class Workplace(Protocol):
    snapshots: MemorySnapshotStore

    @property
    def preparation(self) -> Preparation: ...


async def prepared(workplace: Workplace, new: New, **changes: Json) -> str:
    workplace.snapshots.add([new(**changes) for _ in range(90)])
    request = DatasetRequest.model_validate({"category": "core_security", "min_samples": 1})
    return (await workplace.preparation.prepare(request, caller=LOCAL_CALLER)).dataset_id


def lines(path: Path) -> list[JsonObject]:
    return [json.loads(text) for text in path.read_text(encoding="utf-8-sig").splitlines()]


def test_only_the_answer_is_trained_on(new: New) -> None:
    chat: Json = {"messages": [USER, SAID, {"role": "user", "content": "and y?"}], "tools": [TOOL]}
    told = chat_line(row_of(new(input_data=chat, output_data={"tool_calls": [CALL, {**CALL, "id": "b"}]})))

    assert [message.get("weight") for message in told["messages"]] == [None, 0, None, 1]
    assert told["tools"] == [TOOL] and told["parallel_tool_calls"] is True


async def test_an_export_holds_all_rows_and_says_so(workplace: Workplace, new: New, tmp_path: Path) -> None:
    dataset = await prepared(workplace, new)
    files = await workplace.preparation.export(dataset, "openai-chat", tmp_path / "out")
    note = json.loads((tmp_path / "out" / "export.json").read_text())

    assert [file.name for file in files] == ["train.jsonl", "validation.jsonl", "test.jsonl", "export.json"]
    assert sum(len(lines(file)) for file in files[:3]) == 90 == sum(note["rows"].values())
    assert files[0].stat().st_mode & 0o077 == 0
    assert await workplace.preparation.check(dataset, "openai-chat") == []


async def test_an_export_overwrites_nothing(workplace: Workplace, new: New, tmp_path: Path) -> None:
    dataset = await prepared(workplace, new)
    (tmp_path / "test.jsonl").write_text("mine")
    with pytest.raises(InvalidRequestError, match=r"has 'test\.jsonl' already"):
        await workplace.preparation.export(dataset, "openai-chat", tmp_path)

    assert (tmp_path / "test.jsonl").read_text() == "mine"
    assert not (tmp_path / "train.jsonl").exists()


async def test_azure_wants_a_byte_order_mark(workplace: Workplace, new: New, tmp_path: Path) -> None:
    dataset = await prepared(workplace, new)
    files = await workplace.preparation.export(dataset, "azure-chat", tmp_path)

    assert all(file.read_bytes().startswith(BOM) for file in files[:3])
    assert await workplace.preparation.check(dataset, "azure-chat") == []
    assert check_chat(files[0], count_tokens=len)[0].message == "the file begins with a byte order mark"


async def test_what_a_format_has_no_place_for_is_left_out_and_counted(
    workplace: Workplace, new: New, tmp_path: Path
) -> None:
    workplace.snapshots.add([new(output_data={"tool_calls": [CALL]}) for _ in range(5)])
    dataset = await prepared(workplace, new)
    await workplace.preparation.export(dataset, "bedrock-anthropic", tmp_path)
    note = json.loads((tmp_path / "export.json").read_text())

    assert note["left_out"] == {"calls of tools have no place in this format": 5}
    assert sum(note["rows"].values()) == 90
    problems = await workplace.preparation.check(dataset, "bedrock-anthropic")
    assert any("cannot be written" in problem.message and not problem.fatal for problem in problems)


@pytest.mark.parametrize(("name", "why"), [("openai-dpo", "no such rows"), ("bedrock-anthropic", "no place")])
async def test_an_export_of_nothing_is_refused_and_leaves_nothing(
    workplace: Workplace, new: New, tmp_path: Path, name: str, why: str
) -> None:
    dataset = await prepared(workplace, new, output_data={"tool_calls": [CALL]})
    with pytest.raises(InvalidRequestError, match=why):
        await workplace.preparation.export(dataset, name, tmp_path / "out")

    assert list((tmp_path / "out").iterdir()) == []


async def test_pairs_are_written_for_preference_tuning(
    workplace: Workplace, new: New, tmp_path: Path
) -> None:
    asked = [f"find boat {at} of {at * 7919}" for at in range(30)]
    workplace.snapshots.add([new(input_data=one, output_data="no", success=False) for one in asked])
    workplace.snapshots.add([new(input_data=one, output_data="yes") for one in asked])
    dataset = await prepared(workplace, new)
    (pairs, _) = await workplace.preparation.export(dataset, "openai-dpo", tmp_path)
    first = lines(pairs)[0]

    assert first["preferred_output"] == [{"role": "assistant", "content": "yes"}]
    assert first["non_preferred_output"] == [{"role": "assistant", "content": "no"}]
    assert first["input"]["messages"][-1]["role"] == "user"
    assert not [problem for problem in check_dpo(pairs, count_tokens=len) if problem.fatal]


async def test_an_unknown_format_or_dataset_is_refused(
    workplace: Workplace, new: New, tmp_path: Path
) -> None:
    dataset = await prepared(workplace, new)
    with pytest.raises(InvalidRequestError, match="no format 'yaml'; there are openai-chat"):
        await workplace.preparation.export(dataset, "yaml", tmp_path)
    with pytest.raises(InvalidRequestError, match=f"no dataset 'none'.*{dataset}"):
        await workplace.preparation.export("none", "openai-chat", tmp_path)


REFUSED: list[tuple[Json, str]] = [
    ("{", "not JSON"),
    ("[]", "not an object"),
    ({}, "no 'messages'"),
    ({"messages": [USER, SAID], "prompt": "x"}, "'prompt' is not a key"),
    ({"messages": [SAID, USER]}, "last message is not the assistant's"),
    ({"messages": [USER, {**SAID, "weight": 0}]}, "weight of 1"),
    ({"messages": [{**USER, "weight": 1}, SAID]}, "only the assistant's may have"),
    ({"messages": [USER, {**SAID, "weight": 0.5}]}, "the weight 0.5"),
    ({"messages": [{"role": "robot", "content": "x"}, SAID]}, "no known role"),
    ({"messages": [{"role": "user"}, SAID]}, "message 1 has no content"),
    ({"messages": [USER, {"role": "assistant", "content": " "}]}, "message 2 is empty"),
    ({"messages": [USER, {"role": "assistant", "tool_calls": [CALL]}]}, "not among its tools"),
    (
        {"messages": [USER, {"role": "assistant", "tool_calls": [{**CALL, "id": ""}]}], "tools": [TOOL]},
        "without an id",
    ),
    (
        {
            "messages": [
                USER,
                {
                    "role": "assistant",
                    "tool_calls": [{**CALL, "function": {"name": "scan", "arguments": {}}}],
                },
            ],
            "tools": [TOOL],
        },
        "no JSON object in a string",
    ),
    (
        {"messages": [USER, {"role": "assistant", "tool_calls": [CALL]}, SAID], "tools": [TOOL]},
        "before the results",
    ),
    ({"messages": [USER, {"role": "tool", "tool_call_id": "z", "content": "x"}, SAID]}, "nobody made"),
    (
        {"messages": [USER, SAID], "tools": [{"type": "function", "function": {"name": "a b"}}]},
        "has the name 'a b'",
    ),
    ({"messages": [USER, SAID], "tools": []}, "no list of tools"),
    ({"messages": [USER, SAID], "parallel_tool_calls": True}, "without 'tools'"),
    ({"messages": [USER, {**SAID, "content": "word " * 70_000}]}, "65,536 are the most"),
]


@pytest.mark.parametrize(("row", "problem"), REFUSED)
def test_what_openai_refuses_is_found_with_its_line(tmp_path: Path, row: Json, problem: str) -> None:
    good = json.dumps({"messages": [USER, SAID]})
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join([*[good] * 60, row if isinstance(row, str) else json.dumps(row)]) + "\n")
    found = check_chat(path, count_tokens=lambda text: len(text.split()))

    assert [(one.line, one.fatal) for one in found] == [(61, True)]
    assert problem in found[0].message


def test_a_file_of_too_few_rows_is_refused_and_one_of_few_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    found: list[list[tuple[bool, str]]] = []
    for rows in (9, 10, 50):
        path.write_text((json.dumps({"messages": [USER, SAID]}) + "\n") * rows)
        found.append([(one.fatal, str(one)) for one in check_chat(path, count_tokens=len)])

    assert [[fatal for fatal, _ in one] for one in found] == [[True], [False], []]
    assert "9 rows; 10 are the least" in found[0][0][1]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"input": {}}, "'input' has no 'messages'"),
        (
            {"input": {"messages": [USER]}, "preferred_output": [SAID]},
            "'non_preferred_output' has no messages",
        ),
        (
            {"input": {"messages": [USER]}, "preferred_output": [SAID], "non_preferred_output": [SAID]},
            "both outputs are the same",
        ),
        (
            {"input": {"messages": [USER]}, "preferred_output": [SAID], "non_preferred_output": [USER]},
            "neither the assistant's nor a tool's",
        ),
    ],
)
def test_pairs_that_would_be_refused_are_found(tmp_path: Path, row: Json, problem: str) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(row) + "\n")

    assert any(problem in one.message for one in check_dpo(path, count_tokens=len, least=1))


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"messages": [USER]}, "fewer than two"),
        ({"messages": [SAID, USER]}, "they alternate"),
        ({"messages": [USER, SAID, USER]}, "last message is not the assistant's"),
        ({"messages": [USER, {**SAID, "weight": 1}]}, "other keys"),
        ({"system": "", "messages": [USER, SAID]}, "'system' is no text"),
    ],
)
def test_what_bedrock_refuses_is_found(tmp_path: Path, row: Json, problem: str) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(row) + "\n")

    assert any(problem in one.message for one in check_bedrock(path, count_tokens=len, least=1))


def test_turns_that_do_not_alternate_are_unfit_for_bedrock(new: New) -> None:
    chat = {"messages": [USER, USER]}
    with pytest.raises(Unfit, match="take turns"):
        bedrock_line(row_of(new(input_data=chat, output_data="clean")))


def test_half_a_surrogate_pair_is_marked_as_unreadable(new: New, tmp_path: Path) -> None:
    assert write_chat([row_of(new(output_data="half \ud83d here"))], tmp_path / "x.jsonl") == 1
    assert lines(tmp_path / "x.jsonl")[0]["messages"][-1]["content"] == "half \ufffd here"


async def test_parquet_without_its_library_says_what_to_install(
    workplace: Workplace, new: New, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = await prepared(workplace, new)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'toolhone\[train\]'"):
        await workplace.preparation.export(dataset, "parquet", tmp_path / "out")

    assert list((tmp_path / "out").iterdir()) == []
