"""Rows as chat templates take them, and what a model wrote as a message again."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.exceptions import InvalidRequestError
from toolhone.models import Json, JsonObject
from toolhone.records.datasets import Row
from toolhone.records.row_json import row_json
from toolhone.training.local.conversations import conversation, for_template, read_conversations
from toolhone.training.local.tool_calls import read_answer

CALL: JsonObject = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "scan", "arguments": '{"path": "app.py"}'},
}


def test_arguments_become_objects_and_nothing_reads_none() -> None:
    ready = for_template(
        [
            {"role": "user", "content": "scan app.py"},
            {"role": "assistant", "content": None, "weight": 0, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "clean"},
        ]
    )

    assert ready[1]["content"] == ""
    assert "weight" not in ready[1]
    assert ready[1]["tool_calls"][0]["function"] == {"name": "scan", "arguments": {"path": "app.py"}}
    assert ready[2]["name"] == "scan"


def test_malformed_arguments_stay_the_text_they_were() -> None:
    broken: JsonObject = {**CALL, "function": {"name": "scan", "arguments": '{"path": '}}

    ready = for_template([{"role": "assistant", "tool_calls": [broken]}])

    assert ready[0]["tool_calls"][0]["function"]["arguments"] == '{"path": '


def test_parts_of_text_are_joined() -> None:
    ready = for_template([{"role": "user", "content": [{"type": "text", "text": "a"}, {"text": "b"}]}])

    assert ready[0]["content"] == "ab"


def test_turns_of_weight_zero_are_not_learned() -> None:
    row = conversation(
        "r",
        [
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "first", "weight": 0},
            {"role": "user", "content": "two"},
            {"role": "assistant", "content": "second", "weight": 1},
        ],
        (),
    )

    assert row.targets == {3}


@pytest.mark.parametrize(
    ("line", "why"),
    [("{", "Expecting"), ("[1]", "it is not an object"), ('{"row_id": "r"}', "'messages'")],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, why: str) -> None:
    messages = {"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}
    row = Row(row_id="r", group="g", task_type="t", messages=messages, score=1.0, recorded_at="2026")
    file = tmp_path / "train.jsonl"
    file.write_text(json.dumps(row_json(row)) + "\n" + line + "\n")

    with pytest.raises(InvalidRequestError, match="line 2 ") as refused:
        read_conversations(file)

    assert why in refused.value.message


def test_written_tool_calls_are_read() -> None:
    answer = read_answer(
        'I look.\n<tool_call>\n{"name": "scan", "arguments": {"path": "app.py"}}\n</tool_call>'
        '<tool_call>{"name": "stop", "arguments": {}}</tool_call>'
    )

    assert answer["content"] == "I look."
    assert [call["function"]["name"] for call in answer["tool_calls"]] == ["scan", "stop"]
    assert json.loads(answer["tool_calls"][0]["function"]["arguments"]) == {"path": "app.py"}


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>scan(app.py)</tool_call>",
        '<tool_call>{"arguments": {}}</tool_call>',
        '<tool_call>{"name": "scan", "arguments": "{"}</tool_call>',
        '<tool_call>{"name": "scan"',
    ],
)
def test_calls_that_cannot_be_read_are_content(text: str) -> None:
    assert read_answer(text) == {"role": "assistant", "content": text}


def test_thoughts_are_no_part_of_the_answer() -> None:
    assert read_answer("<think>\nhm\n</think>\n\nyes") == {"role": "assistant", "content": "yes"}


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=8), st.none() | st.booleans() | st.integers() | st.text(max_size=20), max_size=4
    )
)
def test_any_arguments_survive_writing_and_reading(arguments: dict[str, Json]) -> None:
    written = json.dumps({"name": "scan", "arguments": arguments})

    answer = read_answer(f"<tool_call>{written}</tool_call>")

    # A text that ends the call within the call cannot be told from its end; it stays content.
    if "</tool_call>" not in written:
        assert json.loads(answer["tool_calls"][0]["function"]["arguments"]) == arguments


def test_half_a_surrogate_pair_never_reaches_a_tokenizer(tmp_path: Path) -> None:
    """Also of a dataset that was written when rows still kept them."""
    call = {"id": "a", "function": {"name": "scan", "arguments": '{"path": "\\ud800"}'}}
    messages = [{"role": "user", "content": "scan \ud800 "}, {"role": "assistant", "tool_calls": [call]}]
    row = {"row_id": "r", "group": "r", "task_type": "scan", "score": 1.0, "messages": messages}
    (tmp_path / "train.jsonl").write_text(json.dumps({**row, "recorded_at": "2026-11-23"}) + "\n")

    (read,) = read_conversations(tmp_path / "train.jsonl")

    assert read.messages[0]["content"] == "scan \ufffd "
    assert read.messages[1]["tool_calls"][0]["function"]["arguments"] == {"path": "\ufffd"}
