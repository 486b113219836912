"""Messages about values that do not match, and schemas that mean harm."""

import pytest

from toolhone.exceptions import InvalidArgumentsError, InvalidRequestError, UnusableSchemaError
from toolhone.execution.output_schemas import OutputSchemas
from toolhone.execution.patterns import may_explode, search
from toolhone.execution.validation import check_arguments, find_problems, matches
from toolhone.models import Json, JsonObject

PROBLEMS: list[tuple[JsonObject, Json, str, str]] = [
    ({"type": "object", "required": ["a"], "properties": {"a": {"enum": [1]}}}, {}, "/a", "required"),
    ({"properties": {"a": {"type": "integer"}}}, {"a": "x"}, "/a", '"x" is not of type integer'),
    ({"properties": {"a": {"enum": ["b", "c"]}}}, {"a": "d"}, "/a", "not one of the values"),
    ({"properties": {"a": {"pattern": "^x"}}}, {"a": "d"}, "/a", "pattern"),
    (
        {"properties": {"a": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}},
        {"a": "d"},
        "/a",
        "not of type integer or null",
    ),
    (
        {"properties": {"a": {"anyOf": [{"type": "integer", "minimum": 3}, {"type": "null"}]}}},
        {"a": 1},
        "/a",
        "less than the minimum of 3",
    ),
    ({"properties": {"a": {"items": {"type": "string"}}}}, {"a": ["x", 1]}, "/a/1", "not of type string"),
    ({"oneOf": [{"type": "object"}, {"required": []}]}, {}, "", "more than one"),
]


@pytest.mark.parametrize(("schema", "value", "path", "says"), PROBLEMS)
def test_a_problem_says_where_and_what(schema: JsonObject, value: Json, path: str, says: str) -> None:
    (problem,) = find_problems(schema, value)
    assert problem.path == path
    assert says in problem.message
    assert problem.schema


def test_the_draft_that_a_schema_names_is_respected() -> None:
    schema: JsonObject = {"items": [{"type": "string"}], "additionalItems": False}
    assert not matches({"$schema": "http://json-schema.org/draft-07/schema#", **schema}, ["a", 1])
    draft4 = {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 1, "exclusiveMinimum": True}
    assert not matches(draft4, 1)
    assert matches({"$schema": "https://example.com/unknown", "type": "string"}, "x")


def test_long_messages_say_that_they_are_shortened() -> None:
    schema: JsonObject = {"properties": {f"p{n}": {"enum": ["x" * 50] * 50} for n in range(20)}}
    with pytest.raises(InvalidArgumentsError) as refused:
        check_arguments("tool", {f"p{n}": "y" * 10_000 for n in range(20)}, schema)
    assert len(refused.value.message) < 5_000
    assert "and 15 more" in refused.value.message
    assert "first 600 of" in refused.value.message


@pytest.mark.parametrize(
    "schema", [{"type": 5}, {"$ref": "http://127.0.0.1:9/x"}, {"$ref": "#"}, {"$ref": "#/no"}]
)
def test_a_schema_that_cannot_be_used_is_named_as_such(schema: JsonObject) -> None:
    for _ in range(2):
        with pytest.raises(UnusableSchemaError):
            find_problems(schema, {})


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "((a)*b?)+$", "(a{1,30}){1,30}$", r"([a\])]*)*$"])
def test_a_pattern_that_could_hang_is_not_run_on_long_text(pattern: str) -> None:
    assert may_explode(pattern)
    assert search(pattern, "a" * 10_000 + "!") is None
    assert matches({"pattern": pattern}, "a" * 10_000 + "!")


@pytest.mark.parametrize(
    "pattern", ["^[a-z]+$", r"^\d{4}-\d{2}$", "(abc)+", r"\(a+\)+", "[(a+)]+", "^(a|b)$"]
)
def test_ordinary_patterns_are_run(pattern: str) -> None:
    assert not may_explode(pattern)
    assert search(pattern, "###") is False


def test_patterns_in_another_dialect_are_left_to_the_tool() -> None:
    schema: JsonObject = {
        "patternProperties": {r"^\p{L}+$": {"type": "string"}},
        "additionalProperties": False,
        "properties": {"x": {"pattern": r"\p{Lu}"}},
    }
    assert matches(schema, {"x": "y", "other": 1})


def test_output_is_checked_by_name_by_tool_or_by_schema() -> None:
    schema: JsonObject = {"type": "object", "properties": {"answer": {"type": "string"}}}
    schemas = OutputSchemas({"tool": {"type": "integer"}}.get)
    schemas.register("reply", schema)
    assert schemas.validate("reply", {"answer": "yes"}) == []
    assert schemas.validate("reply", {"answer": 5})[0].path == "/answer"
    assert schemas.validate("tool", "x")
    assert schemas.validate({"type": "string"}, "x") == []
    with pytest.raises(InvalidRequestError, match="reply"):
        schemas.validate("nope", {})
    with pytest.raises(UnusableSchemaError):
        schemas.register("bad", {"type": 5})
