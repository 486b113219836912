"""References between the calls of a batch."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.exceptions import InvalidPlanError, ReferenceFailedError
from toolhone.execution.plan import DEEPEST, Reference, fill_slots, make_plan, references, resolve
from toolhone.models import Json, JsonObject, ToolOutput

if TYPE_CHECKING:
    from execution.conftest import Workbench


def text(value: str) -> ToolOutput:
    return ToolOutput(content=({"type": "text", "text": value},))


def structured(value: Json) -> ToolOutput:
    return ToolOutput(structured=value, has_structured=True)


def resolved(value: Json, **outputs: ToolOutput) -> Json:
    return resolve(value, outputs.__getitem__)


def test_calls_without_an_id_get_their_position_unless_it_is_taken() -> None:
    assert fill_slots([None, "x", None]) == ["1", "x", "3"]
    assert fill_slots(["2", None, "2_", None]) == ["2", "2__", "2_", "4"]


@pytest.mark.parametrize(
    ("path", "output", "value"),
    [
        ("/items/0/id", structured({"items": [{"id": 7}]}), 7),
        ("", structured([1, 2]), [1, 2]),
        ("", structured(None), None),
        ("/a~1b/m~0n", structured({"a/b": {"m~n": 1}}), 1),
        ("/items/1", text('{"items": [1, 2]}'), 2),
        ("", text("[1]"), [1]),
        ("", text("plain"), "plain"),
        ("/text", text("plain"), "plain"),
        ("/text", text("42"), "42"),
        ("/text", text('{"text": "inner"}'), "inner"),
        (
            "/a",
            ToolOutput(structured={"a": "cut"}, has_structured=True, whole=structured({"a": "all"})),
            "all",
        ),
    ],
)
def test_a_reference_takes_the_place_of_a_value(path: str, output: ToolOutput, value: Json) -> None:
    reference = {"$from": "a", "path": path}
    assert resolved({"deep": [{"x": reference}]}, a=output) == {"deep": [{"x": value}]}


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/nope", "'items'"),
        ("/items/5", "an array of 1"),
        ("/items/-", "an array"),
        ("/items/00", "an array"),
    ],
)
def test_a_path_that_leads_nowhere_says_what_is_there(path: str, says: str) -> None:
    with pytest.raises(ReferenceFailedError, match=says):
        resolved({"$from": "a", "path": path}, a=structured({"items": [1]}))


def test_data_that_looks_like_a_reference_can_be_quoted() -> None:
    quoted = {"$quote": {"$from": "a"}}
    assert list(references(quoted)) == []
    assert resolved({"x": quoted}) == {"x": {"$from": "a"}}
    assert resolved({"$quote": quoted}) == quoted
    assert resolved({"$quote": {"$from": "a", "to": "b"}}) == {"$from": "a", "to": "b"}


@pytest.mark.parametrize("data", [{"$quote": 5}, {"from": "a"}, {"$quote": {"a": 1}}])
def test_other_data_is_left_alone(data: JsonObject) -> None:
    assert list(references(data)) == []
    assert resolved(data) == data


def test_every_kind_of_broken_plan_names_the_ids() -> None:
    slots = ["a", "b", "c", "d", "d", "e", "f"]
    needs = ["b", "a", "c", None, None, "zz", None]
    arguments: list[JsonObject] = [{"x": {"$from": need}} if need else {} for need in needs]
    arguments[6] = {"x": {"$from": "a", "path": "items/0"}}
    problems = make_plan(slots, arguments).problems
    assert sorted(problems) == [0, 1, 2, 3, 4, 5, 6]
    assert "'b' → 'a'" in problems[0].message
    assert "itself" in problems[2].message
    assert problems[3].data == {"ids": ["d"]}
    assert problems[5].data == {"ids": ["zz"]}
    assert "JSON Pointer" in problems[6].message


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}])  # pyright: ignore
def test_arguments_that_nest_too_deep_are_a_problem_of_their_call(wrap: Callable[[Json], Json]) -> None:
    value: Json = 1
    for _ in range(DEEPEST - 1):
        value = wrap(value)
    deep, deeper = {"x": value}, {"x": wrap(value)}
    assert list(references(deep)) == []
    plan = make_plan(["flat", "deeper", "deep"], [{"x": 1}, deeper, deep])
    assert list(plan.problems) == [1]
    assert "200 levels" in plan.problems[1].message


def test_a_call_that_only_needs_one_in_a_circle_is_not_called_part_of_it() -> None:
    plan = make_plan(["a", "b", "c"], [{"x": {"$from": "a"}}, {"x": {"$from": "a"}}, {}])
    assert set(plan.problems) == {0}


def test_a_malformed_reference_is_a_problem_not_data() -> None:
    with pytest.raises(InvalidPlanError, match="quote"):
        list(references({"$from": {"a": 1}}))
    assert list(references({"$from": 1})) == [Reference("1")]


async def test_a_reference_with_a_misspelled_key_is_refused_and_its_sibling_runs(bench: "Workbench") -> None:
    async def echo(arguments: JsonObject) -> Json:
        return arguments

    bench.tool("echo", echo)
    wrong: JsonObject = {"$from": "a", "pointer": "/x"}
    results = await bench.run(
        [
            {"id": "a", "tool": "echo", "arguments": {"x": 1}},
            {"tool": "echo", "arguments": {"y": wrong}},
            {"tool": "echo", "arguments": {"y": {"$quote": wrong}}},
        ]
    )
    assert results[0].result == {"x": 1}
    assert results[2].result == {"y": wrong}
    error = results[1].error
    assert error is not None and error.code == "invalid_plan"
    assert "'pointer'" in error.message and '"path"' in error.message and '"$quote"' in error.message


COUNT: JsonObject = {"type": "object", "properties": {"n": {"type": "integer"}, "filter": {"type": "object"}}}


@pytest.mark.parametrize(
    "nested",
    [
        {"parameters": '{"n": {"$from": "a", "path": "/x"}}'},
        {"parameters": {"n": {"$from": "a", "path": "/x"}}},
        {"arguments": '{"n": {"$from": "a", "path": "/x"}}'},
        {"tool_name": "count", "parameters": {"n": {"$from": "a", "path": "/x"}}},
        {"tool_name": "count", "parameters": '{"n": {"$from": "a", "path": "/x"}}'},
    ],
)
async def test_references_in_nested_arguments_are_followed(bench: "Workbench", nested: JsonObject) -> None:
    async def echo(arguments: JsonObject) -> Json:
        return arguments

    bench.tool("echo", echo)
    bench.tool("count", echo, schema=COUNT)
    _, result = await bench.run(
        [{"id": "a", "tool": "echo", "arguments": {"x": 5}}, {"tool": "count", "arguments": nested}]
    )
    assert result.result == {"n": 5}


async def test_a_reference_that_only_a_repair_finds_is_refused(bench: "Workbench") -> None:
    async def echo(arguments: JsonObject) -> Json:
        return arguments

    bench.tool("count", echo, schema=COUNT)
    error = await bench.fails("count", {"filter": '{"x": {"$from": "a"}}'})
    assert error.code == "invalid_arguments"
    assert "$from" in error.message and "string" in error.message
    quoted = await bench.one("count", {"n": "5", "filter": {"$quote": {"$from": "a"}}})
    assert quoted.result == {"n": 5, "filter": {"$from": "a"}}


EDGES = st.integers(1, 12).flatmap(
    lambda size: st.tuples(
        st.just(size), st.sets(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)), max_size=30)
    )
)


def batch(size: int, edges: set[tuple[int, int]]) -> list[JsonObject]:
    """Calls in which, for each edge (a, b), call a refers to call b."""
    return [
        {
            "id": f"s{index}",
            "tool": "note",
            "arguments": {
                "me": index,
                "needs": [
                    {"$from": f"s{need}", "path": "/me"} for one, need in sorted(edges) if one == index
                ],
            },
        }
        for index in range(size)
    ]


@settings(deadline=None, max_examples=60)
@given(graph=EDGES, shuffle=st.randoms(use_true_random=False))
def test_every_call_of_a_plan_runs_once_after_what_it_needs(
    new_bench: "type[Workbench]", graph: tuple[int, set[tuple[int, int]]], shuffle: Json
) -> None:
    size, edges = graph
    names = list(range(size))
    shuffle.shuffle(names)
    # Edges that only go down make a graph without circles; the names then lose that order.
    acyclic = {(names[max(edge)], names[min(edge)]) for edge in edges if edge[0] != edge[1]}
    finished: list[int] = []

    async def note(arguments: JsonObject) -> Json:
        assert {need for one, need in acyclic if one == arguments["me"]} <= set(finished)
        assert all(isinstance(need, int) for need in arguments["needs"])
        await anyio.lowlevel.checkpoint()
        finished.append(arguments["me"])
        return arguments

    bench = new_bench()
    bench.tool("note", note)
    results = anyio.run(bench.run, batch(size, acyclic))
    assert [result.success for result in results] == [True] * size
    assert sorted(finished) == list(range(size))
    assert [result.result["me"] for result in results] == list(range(size))


@settings(deadline=None, max_examples=60)
@given(EDGES)
def test_every_circle_is_reported_and_nothing_else(graph: tuple[int, set[tuple[int, int]]]) -> None:
    size, edges = graph
    calls = batch(size, edges)
    plan = make_plan([call["id"] for call in calls], [call["arguments"] for call in calls])
    reachable = set(edges)
    for middle in range(size):
        reachable |= {
            (a, b) for a in range(size) for b in range(size) if {(a, middle), (middle, b)} <= reachable
        }
    assert set(plan.problems) == {index for index in range(size) if (index, index) in reachable}


PLAIN: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=15,
)


@settings(deadline=None, max_examples=50)
@given(PLAIN)
def test_arguments_without_references_arrive_as_they_are(value: Json) -> None:
    assert resolved(value) == value
    assert json.dumps(resolved(value)) == json.dumps(value)
