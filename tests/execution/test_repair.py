"""Argument repair: a valid call that names a parameter is never changed; others only into a valid one."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.exceptions import InvalidArgumentsError
from toolhone.execution.parameters import names_none
from toolhone.execution.repair import repair_arguments
from toolhone.execution.validation import check_arguments, matches
from toolhone.models import Json, JsonObject

SEARCH: JsonObject = {
    "type": "object",
    "properties": {
        "query": {"type": "string"},
        "limit": {"type": "integer", "minimum": 1},
        "ratio": {"type": "number"},
        "deep": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "ids": {"type": "array", "items": {"type": "integer"}},
        "filter": {
            "type": "object",
            "properties": {"year": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
        },
        "page": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    },
    "required": ["query"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("given_arguments", "meant"),
    [
        ({"query": "a", "limit": "5"}, {"query": "a", "limit": 5}),
        ({"query": "a", "limit": "5.0"}, {"query": "a", "limit": 5}),
        ({"query": "a", "ratio": "0.5"}, {"query": "a", "ratio": 0.5}),
        ({"query": "a", "deep": "true"}, {"query": "a", "deep": True}),
        ({"query": "a", "tags": "x"}, {"query": "a", "tags": ["x"]}),
        ({"query": "a", "tags": '["x", "y"]'}, {"query": "a", "tags": ["x", "y"]}),
        ({"query": "a", "ids": "5"}, {"query": "a", "ids": [5]}),
        ({"query": "a", "ids": '["5", 6]'}, {"query": "a", "ids": [5, 6]}),
        ({"query": "a", "filter": '{"year": "2020"}'}, {"query": "a", "filter": {"year": 2020}}),
        ({"query": "a", "page": "3"}, {"query": "a", "page": 3}),
        ({"query": "a", "page": "null"}, {"query": "a", "page": None}),
        ({"parameters": {"query": "a"}}, {"query": "a"}),
        ({"arguments": '{"query": "a", "limit": "5"}'}, {"query": "a", "limit": 5}),
        ({"tool_name": "search", "query": "a"}, {"query": "a"}),
        ({"tool_name": "search", "parameters": {"query": "a"}}, {"query": "a"}),
    ],
)
def test_arguments_are_read_as_they_were_meant(given_arguments: JsonObject, meant: JsonObject) -> None:
    before = copy.deepcopy(given_arguments)
    repaired, done = repair_arguments(given_arguments, SEARCH, names={"search"})
    assert repaired == meant
    assert done
    assert given_arguments == before


@pytest.mark.parametrize(
    "hopeless",
    [
        {},
        {"query": "a", "limit": "many"},
        {"query": "a", "limit": "0"},
        {"query": "a", "limit": "5", "unknown": 1},
        {"query": "a", "tool_name": "another_tool"},
        {"query": "a", "tags": None},
        {"query": 5},
        {"parameters": {"query": "a"}, "limit": 5},
        {"query": "a", "limit": "1e999"},
        {"query": "a", "limit": "9" * 5000},
    ],
)
def test_what_cannot_be_repaired_comes_back_as_it_was(hopeless: JsonObject) -> None:
    assert repair_arguments(hopeless, SEARCH, names={"search"}) == (hopeless, [])


def test_nothing_is_done_if_the_schema_is_of_no_use() -> None:
    arguments: JsonObject = {"parameters": {"limit": "5"}}
    assert repair_arguments(arguments, {"$ref": "https://example.com/schema"}) == (arguments, [])


LEAVES = st.one_of(
    st.tuples(
        st.just({"type": "string"}), st.sampled_from(["5", "true", "null", "[1]", '{"a": 1}', "", "x"])
    ),
    st.tuples(st.just({"type": "integer"}), st.integers()),
    st.tuples(st.just({"type": "number"}), st.floats(allow_nan=False, allow_infinity=False)),
    st.tuples(st.just({"type": "boolean"}), st.booleans()),
    st.tuples(st.just({"type": ["string", "null"]}), st.sampled_from(["null", "5", None])),
    st.tuples(st.just({"anyOf": [{"type": "string"}, {"type": "integer"}]}), st.sampled_from(["5", 5])),
    st.tuples(st.just({}), st.sampled_from(["5", '["x"]', [1], {"name": "search"}])),
)
"""A schema and a value that matches it, preferring values that look as if they needed repair."""

NAMES = st.sampled_from(["query", "tool_name", "name", "parameters", "arguments", "input", "id", "tool"])


def in_objects(
    children: st.SearchStrategy[tuple[JsonObject, Json]],
) -> st.SearchStrategy[tuple[JsonObject, Json]]:
    def build(
        parts: dict[str, tuple[JsonObject, Json]], closed: bool, needed: bool
    ) -> tuple[JsonObject, Json]:
        schema: JsonObject = {"type": "object", "properties": {name: part[0] for name, part in parts.items()}}
        if closed:
            schema["additionalProperties"] = False
        if needed:
            schema["required"] = sorted(parts)
        return schema, {name: part[1] for name, part in parts.items()}

    return st.builds(build, st.dictionaries(NAMES, children, max_size=4), st.booleans(), st.booleans())


PAIRS = in_objects(st.recursive(LEAVES, in_objects, max_leaves=6))
SCRAPS: st.SearchStrategy[Json] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(["5", "true", "null", "[]", "x"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=8,
)


@settings(deadline=None, max_examples=60)
@given(PAIRS)
def test_a_valid_call_with_a_declared_key_or_none_at_all_is_never_changed(
    pair: tuple[JsonObject, Json],
) -> None:
    schema, arguments = pair
    assert not arguments or arguments.keys() & schema["properties"].keys()
    before = copy.deepcopy(arguments)
    repaired, done = repair_arguments(arguments, schema, names={"search"})
    assert repaired is arguments
    assert (repaired, done) == (before, [])


@settings(deadline=None, max_examples=60)
@given(PAIRS, st.dictionaries(NAMES, SCRAPS, max_size=4))
def test_a_repair_ends_in_a_valid_call_or_is_not_made(
    pair: tuple[JsonObject, Json], arguments: JsonObject
) -> None:
    schema, _ = pair
    before = copy.deepcopy(arguments)
    repaired, done = repair_arguments(arguments, schema, names={"search"})
    assert arguments == before
    assert bool(done) == (repaired != before)
    if done:
        assert matches(schema, repaired) and not names_none(schema, repaired)
        assert not matches(schema, before) or names_none(schema, before)


@settings(deadline=None, max_examples=60)
@given(PAIRS, st.dictionaries(NAMES, SCRAPS, max_size=4))
def test_what_may_be_sent_is_valid_and_names_a_parameter_if_anything(
    pair: tuple[JsonObject, Json], arguments: JsonObject
) -> None:
    schema, _ = pair
    repaired, _ = repair_arguments(arguments, schema, names={"search"})
    try:
        check_arguments("search", repaired, schema)
    except InvalidArgumentsError:
        return
    assert matches(schema, repaired)
    assert not repaired or not schema["properties"] or repaired.keys() & schema["properties"].keys()


@settings(deadline=None, max_examples=60)
@given(PAIRS)
def test_what_was_nested_or_written_as_text_comes_back_whole(pair: tuple[JsonObject, Json]) -> None:
    schema, arguments = pair
    wrapped: JsonObject = {"params": arguments}
    repaired, done = repair_arguments(wrapped, schema)
    # Without any key, or without a parameter to miss, the wrapped call is as good as another.
    if not matches(schema, wrapped) or names_none(schema, wrapped):
        assert repaired == arguments
        assert done
