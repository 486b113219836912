"""Files of labelled sets: taken as they are, and refused by line where they are wrong."""

import json

import pytest

from toolhone.evaluation.query_sets import (
    LabelledQuery,
    Query,
    read_labelled_queries,
    read_queries,
    read_tools,
)
from toolhone.exceptions import InvalidRequestError
from toolhone.models import Json


def lines(*rows: Json) -> list[str]:
    return [f"{json.dumps(row)}\n" for row in rows]


def test_a_tool_keeps_a_name_that_toolhone_would_not_give():
    (tool,) = read_tools(
        lines({"name": "Math.Factorial!", "description": "n!", "inputSchema": {}, "server": "math"}), "f"
    )
    assert (tool.name, tool.original_name, tool.server) == ("Math.Factorial!", "Math.Factorial!", "math")


def test_a_tool_may_lack_all_but_its_name():
    (tool,) = read_tools(lines({"name": "a", "description": None, "server": ""}), "f")
    assert (tool.description, tool.input_schema, tool.server) == ("", {"type": "object"}, None)


def test_blank_lines_and_other_keys_are_skipped():
    assert read_queries(["\n", '{"id": 7, "query": "a", "gold": 5}\n', "  "], "f") == [Query(7, "a")]


def test_a_labelled_query_has_its_right_tools():
    (query,) = read_labelled_queries(lines({"id": "q", "query": "a", "gold": ["x", "y", "x"]}), "f")
    assert query == LabelledQuery("q", "a", frozenset({"x", "y"}))


def test_a_second_tool_of_a_name_is_refused_with_both_lines():
    with pytest.raises(InvalidRequestError, match=r"Line 3 of tools: line 1 already has a tool 'a'"):
        read_tools(['{"name": "a"}', "", '{"name": "a"}'], "tools")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "Line 1 of 'f' is not JSON"),
        (b'"\xff"', "Line 1 of 'f' is not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "name is None"),
        ('{"name": ""}', "name is ''"),
        ('{"name": "a", "description": 5}', "'description' is 5"),
        ('{"name": "a", "server": []}', "'server' is"),
        ('{"name": "a", "inputSchema": null}', "inputSchema of 'a' is not"),
    ],
)
def test_what_is_not_a_tool_is_refused(line: str | bytes, said: str):
    with pytest.raises(InvalidRequestError, match=said):
        read_tools([line], "'f'")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"query": "a"}, "no 'id'"),
        ({"id": "q"}, "'query' is None"),
        ({"id": "q", "query": 5}, "'query' is 5"),
    ],
)
def test_what_is_not_a_query_is_refused(row: Json, said: str):
    with pytest.raises(InvalidRequestError, match=said):
        read_queries(lines(row), "f")


@pytest.mark.parametrize("gold", [None, "x", [1]])
def test_labels_must_be_a_list_of_names(gold: Json):
    with pytest.raises(InvalidRequestError, match="'gold' is"):
        read_labelled_queries(lines({"id": "q", "query": "a", "gold": gold}), "f")
