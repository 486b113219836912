"""A held-out row is asked turn by turn, each with what really came before it."""

from dataclasses import replace

import pytest

from toolhone.evaluation.exchanges import exchanges
from toolhone.exceptions import InvalidRequestError
from toolhone.models import JsonObject
from toolhone.records.datasets import Row

SYSTEM: JsonObject = {"role": "system", "content": "be brief"}
USER: JsonObject = {"role": "user", "content": "scan a.py"}
CALL: JsonObject = {
    "role": "assistant",
    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "scan", "arguments": "{}"}}],
}
RESULT: JsonObject = {"role": "tool", "tool_call_id": "1", "content": "clean"}
DONE: JsonObject = {"role": "assistant", "content": "It is clean."}

ROW = Row(
    row_id="row-1",
    group="group-1",
    task_type="scan",
    messages=(SYSTEM, USER, DONE),
    tools=({"type": "function", "function": {"name": "scan"}},),
    score=1.0,
    recorded_at="2026-01-01T00:00:00.000000+00:00",
)


def test_one_answer_is_one_exchange_under_the_id_of_the_row() -> None:
    (only,) = exchanges(ROW)

    assert (only.key, only.row_id) == ("row-1", "row-1")
    assert only.asked == (SYSTEM, USER)
    assert only.expected == DONE
    assert only.tools == ROW.tools


def test_each_turn_of_an_answer_is_asked_after_what_really_came_before() -> None:
    first, second = exchanges(replace(ROW, messages=(SYSTEM, USER, CALL, RESULT, DONE)))

    assert (first.key, second.key) == ("row-1#1", "row-1#2")
    assert (first.asked, first.expected) == ((SYSTEM, USER), CALL)
    assert (second.asked, second.expected) == ((SYSTEM, USER, CALL, RESULT), DONE)


def test_turns_before_the_last_request_are_context() -> None:
    (only,) = exchanges(replace(ROW, messages=(USER, CALL, RESULT, DONE, USER, DONE)))

    assert only.asked == (USER, CALL, RESULT, DONE, USER)


def test_turns_of_weight_zero_are_not_asked() -> None:
    (only,) = exchanges(replace(ROW, messages=(USER, {**CALL, "weight": 0}, RESULT, {**DONE, "weight": 1})))

    assert only.key == "row-1"
    assert only.expected["content"] == "It is clean."


@pytest.mark.parametrize("messages", [(), (USER,), (DONE, USER), (DONE,), (USER, {**DONE, "weight": 0})])
def test_a_row_without_question_or_answer_is_refused(messages: tuple[JsonObject, ...]) -> None:
    with pytest.raises(InvalidRequestError, match=r"'row-1' has no answer"):
        exchanges(replace(ROW, messages=messages))
