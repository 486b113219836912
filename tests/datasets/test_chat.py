"""Snapshots become chats in OpenAI's form, or say why they cannot."""

import json
from collections.abc import Callable

import pytest

from toolhone.datasets.chat import NotAChat, answer_begins, row_of
from toolhone.models import Json, JsonObject
from toolhone.records.row_json import line, row_from, row_json
from toolhone.records.snapshots import Snapshot

New = Callable[..., Snapshot]

CALL: JsonObject = {"id": "a", "type": "function", "function": {"name": "scan", "arguments": '{"path":"x"}'}}


def test_data_is_asked_and_answered_as_json(new: New) -> None:
    row = row_of(new(input_data={"path": "a.py", "line": 3}, output_data={"found": ["x"], "ok": True}))

    assert row.messages == (
        {"role": "system", "content": "You are an agent for core_security tasks."},
        {"role": "user", "content": '{"path":"a.py","line":3}'},
        {"role": "assistant", "content": '{"found":["x"],"ok":true}'},
    )


@pytest.mark.parametrize("key", ["text", "prompt", "query", "question", "task"])
def test_a_lone_text_is_asked_word_for_word(new: New, key: str) -> None:
    assert row_of(new(input_data={key: "Is it safe?"})).messages[1]["content"] == "Is it safe?"


@pytest.mark.parametrize("given", [{"text": "a", "line": 1}, {"path": "a"}, {"text": 3}, ["a"]])
def test_anything_more_than_a_lone_text_stays_json(new: New, given: Json) -> None:
    assert json.loads(row_of(new(input_data=given)).messages[1]["content"]) == given


def test_a_text_answers_with_its_words(new: New) -> None:
    assert row_of(new(output_data="All is well.")).messages[-1] == {
        "role": "assistant",
        "content": "All is well.",
    }


def test_data_that_has_content_among_other_keys_is_no_turn(new: New) -> None:
    answer = {"content": "x", "confidence": 0.5}

    assert json.loads(row_of(new(output_data=answer)).messages[-1]["content"]) == answer


def test_a_chat_with_tools_keeps_its_turns_and_only_its_answer_is_learned(new: New) -> None:
    chat = {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "scan x"}]},
            {"role": "assistant", "tool_calls": [{"function": {"name": "scan", "arguments": {"path": "x"}}}]},
            {"role": "tool", "content": "clean"},
        ],
        "tools": [{"name": "scan", "description": "Scan.", "inputSchema": {"type": "object"}}],
    }
    row = row_of(new(input_data=chat, output_data={"content": "It is clean."}))

    assert row.messages[0] == {"role": "user", "content": "scan x"}
    assert row.messages[1]["weight"] == 0
    assert row.messages[1]["tool_calls"][0]["function"]["arguments"] == '{"path":"x"}'
    assert row.messages[2]["tool_call_id"] == row.messages[1]["tool_calls"][0]["id"] == "call_1"
    assert row.messages[3] == {"role": "assistant", "content": "It is clean."}
    assert answer_begins(row.messages) == 3
    assert row.tools == (
        {
            "type": "function",
            "function": {"name": "scan", "description": "Scan.", "parameters": {"type": "object"}},
        },
    )


def test_an_answer_of_several_turns_begins_with_the_first_of_them(new: New) -> None:
    turns = [
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "a", "content": "clean"},
        {"role": "assistant", "content": "It is clean."},
    ]
    row = row_of(new(input_data="scan x", output_data={"messages": turns}))

    assert row.messages[answer_begins(row.messages) :] == tuple(turns)


CANNOT: list[tuple[JsonObject, str]] = [
    ({"output_data": None}, "empty answer"),
    ({"output_data": {}}, "empty answer"),
    ({"output_data": "  "}, "empty answer"),
    ({"output_data": {"content": ""}}, "empty answer"),
    ({"input_data": {}}, "empty request"),
    ({"input_data": {"text": " "}}, "empty request"),
    ({"input_data": {"messages": []}}, "no messages"),
    ({"input_data": {"messages": [{"role": "robot", "content": "x"}]}}, "known role"),
    ({"input_data": {"messages": [{"role": "system", "content": "x"}]}}, "no message of a user"),
    (
        {
            "input_data": {
                "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
            }
        },
        "ends with an answer",
    ),
    (
        {"input_data": {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}},
        "something else than text",
    ),
    ({"output_data": {"tool_calls": [{"function": {"name": "x", "arguments": "{"}}]}}, "no JSON object"),
    ({"output_data": {"tool_calls": [{"function": {}}]}}, "malformed tool call"),
    (
        {"output_data": {"messages": [{"role": "user", "content": "x"}]}},
        "does not end with the assistant",
    ),
    (
        {
            "input_data": {"messages": [{"role": "user", "content": "x"}], "tools": [{"name": "other"}]},
            "output_data": {"tool_calls": [CALL]},
        },
        "not offered",
    ),
    (
        {
            "output_data": {
                "messages": [
                    {"role": "assistant", "tool_calls": [CALL]},
                    {"role": "assistant", "content": "done"},
                ]
            }
        },
        "without its result",
    ),
    (
        {
            "output_data": {
                "messages": [
                    {"role": "assistant", "content": "a"},
                    {"role": "tool", "tool_call_id": "z", "content": "b"},
                    {"role": "assistant", "content": "done"},
                ]
            }
        },
        "without its call",
    ),
]


@pytest.mark.parametrize(("changes", "reason"), CANNOT)
def test_what_cannot_be_a_chat_says_why(new: New, changes: JsonObject, reason: str) -> None:
    with pytest.raises(NotAChat, match=reason):
        row_of(new(**changes))


def test_the_words_for_tools_are_those_recorded_or_those_of_the_user(new: New) -> None:
    recorded = row_of(new(metadata={"task": "find a scanner"}, tools_used=("scan",)))
    said = row_of(new(input_data="scan x", tools_used=("scan",), tools_offered=("scan", "list")))
    without_tools = row_of(new(input_data="scan x"))

    assert (recorded.task, said.task, without_tools.task) == ("find a scanner", "scan x", None)
    assert said.tools_offered == ("scan", "list")


def test_a_row_reads_back_from_its_json(new: New) -> None:
    row = row_of(new(tools_used=("scan",), input_data="scan x"))

    assert row_from(json.loads(json.dumps(row_json(row)))) == row


@pytest.mark.parametrize("arguments", [{"path": "a\ud800 "}, '{"path": "a\\ud800 "}', '{"path": "a\ud800 "}'])
def test_no_row_holds_half_a_surrogate_pair(new: New, arguments: Json) -> None:
    call = {"function": {"name": "scan", "arguments": arguments}}
    chat = {"messages": [{"role": "user", "content": "scan \udc00"}]}
    row = row_of(new(input_data=chat, output_data={"tool_calls": [call]}))
    kept = json.loads(line(row_json(row)))

    assert kept["messages"][0]["content"] == "scan \ufffd"
    assert json.loads(kept["messages"][1]["tool_calls"][0]["function"]["arguments"]) == {"path": "a\ufffd "}


def test_a_whole_surrogate_pair_is_the_character_that_it_spells(new: New) -> None:
    call = {"function": {"name": "scan", "arguments": '{"path": "\\ud83d\\ude00"}'}}
    kept = json.loads(line(row_json(row_of(new(input_data={"k": "\ud83d\ude00"}, output_data=call)))))

    assert json.loads(kept["messages"][1]["content"]) == {"k": "😀"}
    assert json.loads(json.loads(kept["messages"][2]["content"])["function"]["arguments"]) == {"path": "😀"}
