"""Messages about values that do not match, and schemas that mean harm."""

import importlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.exceptions import InvalidArgumentsError, InvalidRequestError, UnusableSchemaError
from toolhone.execution.output_schemas import OutputSchemas
from toolhone.execution.pattern_costs import steps
from toolhone.execution.patterns import bounded_together, search
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
    assert problem.signature


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


HANGING = [
    "(a+)+$",
    "(a|a)*$",
    "((a)*b?)+$",
    "(a{1,30}){1,30}$",
    r"([a\])]*)*$",
    "^a*a*a*a*b$",
    "^a*?a*?a*?a*?b$",
    "^a{0,999}a{0,999}a{0,999}b$",
    "^" + "a?" * 40 + "a" * 40 + "$",
    "^(a?){40}a{40}$",
    "^(?:a|aa)+$",
    "(?:(?:a?)*)*b$",
    "(?=(a+)+$)b",
    r"^(a*)\1\1\1b$",
    "(?i)^(?:a|A)*$",
]


@pytest.mark.parametrize("pattern", HANGING)
def test_a_pattern_that_could_hang_is_not_run_on_long_text(pattern: str) -> None:
    """With the text's length, the number of strings, or the pattern's, it would."""
    for length in (45, 200, 4_999):
        assert search(pattern, "a" * length + "!") is not True
    assert search(pattern, "a" * 4_999 + "!") is None
    schema: JsonObject = {"pattern": pattern}
    assert matches(schema, "a" * 4_999 + "!")
    assert matches({"items": schema}, ["a" * 4_999 + "!"] * 50)
    assert OutputSchemas().validate(schema, "a" * 4_999 + "!") == []


def test_many_short_texts_share_one_allowance() -> None:
    text = "a" * 90 + "!"
    assert search("^a*a*a*c$", "aaa!") is False
    with bounded_together():
        outcomes = [search("^a*a*b$", "a" * 600) for _ in range(100)]
    assert outcomes[0] is False and outcomes[-1] is None
    assert search("^a*a*b$", text) is False, "the allowance ends with its check"


PIECES = st.recursive(
    st.sampled_from(["a", "b", "[ab]", ".", "[^a]", r"\w", "^", "$"]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{0,9}", "{2}", "*?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=8,
)


def naive_steps(pattern: str, text: str, most: int) -> int:
    """How many steps a plain backtracking matcher really takes, or `most`, if it takes more."""
    parser: Json = importlib.import_module("re._parser")
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        if count >= most:
            raise OverflowError

    def sequence(parts: list[Json], at: int, then: Callable[[int], bool]) -> bool:
        return part(parts[0], at, lambda end: sequence(parts[1:], end, then)) if parts else then(at)

    def part(item: Json, at: int, then: Callable[[int], bool]) -> bool:
        operation, argument = str(item[0]), item[1]
        step()
        if operation == "AT":
            return (at == 0 if str(argument) == "AT_BEGINNING" else at == len(text)) and then(at)
        if operation == "BRANCH":
            return any(sequence(list(choice), at, then) for choice in argument[1])
        if operation == "SUBPATTERN":
            return sequence(list(argument[-1]), at, then)
        if operation in {"MAX_REPEAT", "MIN_REPEAT"}:
            least, largest, inner = argument[0], argument[1], list(argument[2])

            def again(done: int, here: int) -> bool:
                def more(end: int) -> bool:
                    return (end != here or done < least) and again(done + 1, end)

                if done < largest and sequence(inner, here, more):
                    return True
                return done >= least and then(here)

            return again(0, at)
        tree = parser.SubPattern(parser.State(), [item])
        one = importlib.import_module("re._compiler").compile(tree)
        return at < len(text) and one.match(text[at]) is not None and then(at + 1)

    try:
        for start in range(len(text) + 1):
            if sequence(list(parser.parse(pattern)), start, lambda end: True):
                break
    except OverflowError:
        pass
    return count


@settings(deadline=None, max_examples=150)
@given(PIECES, st.text("ab", max_size=9))
def test_the_steps_counted_are_about_those_taken_at_most(pattern: str, text: str) -> None:
    allowed = steps(pattern, len(text))
    most = 20_000
    if allowed < most // 4:
        # What the counting leaves out, leaving a group say, is in proportion to the pattern.
        assert naive_steps(pattern, text, most) <= 4 * (allowed + 1)


@pytest.mark.parametrize(
    "pattern", ["^[a-z]+$", r"^\d{4}-\d{2}$", "(abc)+", r"\(a+\)+", "[(a+)]+", "^(a|b)$"]
)
def test_ordinary_patterns_are_run(pattern: str) -> None:
    assert search(pattern, "###") is False


@pytest.mark.parametrize(
    ("pattern", "good"),
    [
        (r"^[^@\s]+@[^@\s]+\.[^@\s]+$", "x" * 64 + "@" + "y" * 180 + ".org"),
        (r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}$", "some.body+tag@mail.example.org"),
        (r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z?)?$", "2026-01-31T12:30:00.123Z"),
        ("^[a-z0-9]+(?:-[a-z0-9]+)*$", "-".join(["a-slug-of-many-words"] * 15)),
        ("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "01234567-89ab-cdef-0123-456789abcdef"),
        (r"^([0-9]{1,3}\.){3}[0-9]{1,3}$", "192.168.100.200"),
        ("^https?://", "https://example.com/" + "x" * 4_000),
        ("^[A-Z]{2}$", "DE"),
        (r"^\S+$", "x" * 4_999),
    ],
)
def test_emails_dates_slugs_and_ids_are_checked(pattern: str, good: str) -> None:
    assert search(pattern, good) is True
    assert search(pattern, " " + good) is False


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
