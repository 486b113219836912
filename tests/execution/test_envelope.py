"""The forms in which models write calls."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.exceptions import InvalidRequestError
from toolhone.execution.envelope import Envelope, read_calls
from toolhone.json_values import is_array, is_object
from toolhone.models import Json, JsonObject

SCHEMAS: dict[str, JsonObject] = {
    "weather": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
    "run": {"type": "object", "properties": {"input": {"type": "object"}, "name": {"type": "string"}}},
    "get": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
    "list": {"type": "object", "properties": {"id": {"type": "string"}}},
}
BERLIN: JsonObject = {"city": "Berlin", "days": 2}


def one(item: Json) -> Envelope:
    (envelope,) = read_calls([item], SCHEMAS.get)
    return envelope


@pytest.mark.parametrize(
    "item",
    [
        {"tool": "weather", **BERLIN},
        {"tool": "weather", "parameters": BERLIN},
        {"tool": "weather", "args": BERLIN},
        {"tool": "weather", "input": BERLIN},
        {"tool": "weather", "params": BERLIN},
        {"tool": "weather", "arguments": json.dumps(BERLIN)},
        {"tool": "weather", "arguments": json.dumps(json.dumps(BERLIN))},
        {"tool": "weather", "arguments": {"city": "Berlin"}, "days": 2},
        {"tool_name": "weather", "arguments": BERLIN},
        {"name": "weather", "arguments": BERLIN},
        {"name": "weather", **BERLIN},
        {"arguments": {"tool_name": "weather", **BERLIN}},
        {"arguments": {"name": "weather", "arguments": BERLIN}},
        {"type": "function", "function": {"name": "weather", "arguments": json.dumps(BERLIN)}},
        {"function": "weather", "arguments": BERLIN},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": BERLIN},
        {"tool": "weather", "tool_name": "weather", "arguments": BERLIN},
        json.dumps({"tool": "weather", "arguments": BERLIN}),
    ],
)
def test_malformed_calls_are_read_as_they_were_meant(item: Json) -> None:
    envelope = one(item)
    assert envelope.error is None
    assert (envelope.tool, envelope.arguments) == ("weather", BERLIN)
    assert envelope.repairs


def test_a_call_in_the_form_asked_for_is_not_touched() -> None:
    envelope = one({"id": "a", "tool": "run", "arguments": {"input": {"name": "x"}, "name": "y"}})
    assert envelope == Envelope(slot="a", tool="run", arguments={"input": {"name": "x"}, "name": "y"})


@pytest.mark.parametrize(
    "calls",
    [
        {"tool": "weather", "arguments": BERLIN},
        json.dumps([{"tool": "weather", "arguments": BERLIN}]),
        {"calls": [{"tool": "weather", "arguments": BERLIN}]},
        json.dumps({"calls": [{"tool": "weather", "arguments": BERLIN}]}),
    ],
)
def test_the_list_itself_may_be_malformed(calls: Json) -> None:
    (envelope,) = read_calls(calls, SCHEMAS.get)
    assert envelope.arguments == BERLIN
    assert envelope.repairs


def test_a_parameter_called_like_a_wrapper_stays_a_parameter() -> None:
    assert one({"tool": "run", "input": {"a": 1}}).arguments == {"input": {"a": 1}}
    assert one({"tool": "run", "name": "x"}).arguments == {"name": "x"}


def test_an_id_beside_the_tool_is_passed_on_only_where_it_is_required() -> None:
    assert one({"tool": "get", "id": "42"}).arguments == {"id": "42"}
    assert one({"tool": "weather", "id": "42", **BERLIN}).arguments == BERLIN
    ambiguous = one({"tool": "list", "id": "42"})
    assert ambiguous.error is not None and ambiguous.error.code == "invalid_arguments"


@pytest.mark.parametrize(
    "item",
    [
        {"tool": "weather", "arguments": "Berlin"},
        {"tool": "weather", "arguments": ["Berlin"]},
        {"tool": "weather", "arguments": "[1]"},
        {"tool": "weather", "arguments": '{"city": NaN}'},
        {"tool": "weather", "arguments": '{"city": 1e999}'},
        {"tool": "weather", "arguments": '{"city": ' * 3 + "["},
        {"tool": "weather", "arguments": "[" * 100_000},
        {"tool": "weather", "arguments": {"city": "Berlin"}, "city": "Paris"},
        {"tool": "weather", "id": {"a": 1}, "arguments": {}},
        {"arguments": BERLIN},
        {},
        None,
        "weather",
        5,
    ],
)
def test_what_cannot_be_understood_is_refused_and_kept_for_the_record(item: Json) -> None:
    envelope = one(item)
    assert envelope.error is not None
    assert envelope.given == item


@pytest.mark.parametrize("calls", [None, 5, True, "weather", "5"])
def test_something_that_is_no_list_of_calls_is_refused(calls: Json) -> None:
    with pytest.raises(InvalidRequestError):
        read_calls(calls, SCHEMAS.get)


WORDS = st.sampled_from(["tool", "tool_name", "name", "function", "type", "id", "arguments", "input", "city"])
SCRAPS: st.SearchStrategy[Json] = st.recursive(
    st.sampled_from([None, True, 5, "", "weather", "get", "run", '{"city": "x"}', "[1]", "tool_use"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=10,
)


def leaves(value: Json) -> set[str]:
    """Every value that is not null, empty, or a container."""
    if isinstance(value, str) and value[:1] in {"{", "["}:
        value = json.loads(value)
    if is_object(value):
        return {leaf for inner in value.values() for leaf in leaves(inner)}
    if is_array(value):
        return {leaf for inner in value for leaf in leaves(inner)}
    return set() if value in (None, "") else {str(value)}


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(WORDS, SCRAPS, max_size=5))
def test_whatever_is_given_is_understood_whole_or_refused(item: JsonObject) -> None:
    envelope = one(item)
    if envelope.error is not None:
        assert envelope.given == item
        return
    kept = leaves([envelope.arguments, envelope.tool, envelope.slot])
    assert leaves(item) - {"tool_use"} <= kept


@settings(deadline=None, max_examples=60)
@given(
    st.fixed_dictionaries(
        {"tool": st.sampled_from(sorted(SCHEMAS)), "arguments": st.dictionaries(WORDS, SCRAPS)}
    )
)
def test_a_call_in_the_form_asked_for_is_never_changed(item: JsonObject) -> None:
    assert one(item) == Envelope(tool=item["tool"], arguments=item["arguments"])
