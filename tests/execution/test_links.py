"""What is refused, what is repaired, and what is said about an answer."""

import threading
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from toolhone.execution import executor, links, recording
from toolhone.json_values import is_large
from toolhone.models import EventKind, Json, JsonObject, OutputValidation, ToolOutput

if TYPE_CHECKING:
    from execution.conftest import Workbench

CITY: JsonObject = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 2}, "days": {"type": "integer"}},
    "required": ["city"],
    "additionalProperties": False,
}


async def echo(arguments: JsonObject) -> Json:
    return arguments


@pytest.mark.parametrize(
    ("read_only", "trusted", "says"),
    [(None, True, "readOnlyHint"), (False, True, "changes things"), (True, False, "not marked as trusted")],
)
async def test_the_entrance_for_reading_refuses_what_may_change_things(
    bench: "Workbench", read_only: bool | None, trusted: bool, says: str
) -> None:
    bench.tool("echo", echo, read_only=read_only, trusted=trusted, server="far")
    error = await bench.fails("echo", read_only=True)
    assert error.code == "not_read_only"
    assert says in error.message and "call_tools" in error.message
    assert [event.kind for event in bench.events] == [EventKind.REFUSAL]
    assert (await bench.one("echo")).success


async def test_a_read_only_tool_passes_the_entrance_for_reading(bench: "Workbench") -> None:
    bench.tool("echo", echo, read_only=True)
    assert (await bench.one("echo", read_only=True)).success


async def test_an_unknown_tool_is_refused_with_names_like_it(bench: "Workbench") -> None:
    bench.tool("get_weather", echo)
    error = await bench.fails("get_wether")
    assert error.code == "unknown_tool"
    assert "get_weather" in error.message
    assert bench.events[0].kind is EventKind.REFUSAL
    assert bench.events[0].tool == "get_wether"
    assert bench.observed == []


@pytest.mark.parametrize("known", [False, True])
async def test_a_tool_that_may_not_be_called_is_refused_with_the_reason(
    bench: "Workbench", known: bool
) -> None:
    if known:
        bench.tool("get_weather", echo)
    bench.refused["get_weather"] = "on the deny list of its server"
    error = await bench.fails("get_weather")
    assert error.code == "permission_denied"
    assert error.message == "'get_weather' was not called: it is on the deny list of its server."
    assert error.data == {"reason": "on the deny list of its server"}
    assert bench.events[0].kind is EventKind.REFUSAL
    assert bench.observed == []


async def test_wrong_arguments_are_refused_with_the_parameters_signature(bench: "Workbench") -> None:
    bench.tool("weather", echo, schema=CITY)
    error = await bench.fails("weather", {"city": 5, "dais": 1})
    assert error.code == "invalid_arguments"
    assert "Expected: city str(2..)" in error.message
    assert "did you mean 'days'?" in error.message
    assert error.data is not None
    assert {problem["path"] for problem in error.data["errors"]} == {"/city", "/dais"}
    assert bench.events[0].kind is EventKind.REFUSAL


async def test_a_repaired_call_runs_and_each_repair_is_recorded(bench: "Workbench") -> None:
    bench.tool("weather", echo, schema=CITY)
    (result,) = await bench.run([{"tool_name": "weather", "city": "Berlin", "days": "2"}])
    assert result.result == {"city": "Berlin", "days": 2}
    kinds = [event.kind for event in bench.events]
    assert kinds == [EventKind.REPAIR] * 3 + [EventKind.CALL]
    assert len({(event.call_id, event.request_id) for event in bench.events}) == 1
    row = bench.events[-1].payload
    assert row["arguments"] == {"city": "Berlin", "days": "2"}
    assert row["sent_arguments"] == {"city": "Berlin", "days": 2}


async def test_a_schema_of_no_use_does_not_make_its_tool_useless(bench: "Workbench") -> None:
    for name, schema in {
        "remote": {"$ref": "https://example.com/x.json"},
        "endless": {"$ref": "#"},
        "wrong": {"type": "no such type"},
    }.items():
        bench.tool(name, echo, schema=schema)
        result = await bench.one(name, {"a": 1})
        assert result.success
        assert "not checked" in result.notices[0]


LIST: JsonObject = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "order": {"type": "string"}},
}
"""Every parameter is optional and other keys are not forbidden: anything at all is valid."""


@pytest.mark.parametrize(
    "call",
    [
        {"arguments": {"parameters": {"n": 5}}},
        {"arguments": {"arguments": '{"n": 5}'}},
        {"arguments": {"tool_name": "list", "parameters": {"n": 5}}},
        {"arguments": {"input": {"n": "5"}}},
    ],
)
async def test_nested_arguments_reach_a_tool_that_would_also_run_without(
    bench: "Workbench", call: JsonObject
) -> None:
    bench.tool("list", echo, schema=LIST)
    (result,) = await bench.run([{"tool": "list", **call}])
    assert result.result == {"n": 5}
    assert result.notices and bench.of_kind(EventKind.REPAIR)


@pytest.mark.parametrize(
    "call",
    [
        {"argumets": {"n": 5}},
        {"arguments": {"argumets": {"n": 5}}},
        {"arguments": {"N": 5, "Order": "x"}},
        {"arguments": {"parameters": {"limit": 5}}},
        {"arguments": {"parameters": {"n": 5}, "extra": 1}},
    ],
)
async def test_arguments_that_name_no_parameter_are_not_taken_for_none(
    bench: "Workbench", call: JsonObject
) -> None:
    bench.tool("list", echo, schema=LIST)
    (result,) = await bench.run([{"tool": "list", **call}])
    assert result.error is not None and result.error.code == "invalid_arguments"
    assert "is a parameter of this tool; there are: 'n', 'order'" in result.error.message
    assert [event.kind for event in bench.events if event.kind is not EventKind.REPAIR] == [EventKind.REFUSAL]


@pytest.mark.parametrize(
    "more",
    [
        {"additionalProperties": True},
        {"additionalProperties": {"type": "object"}},
        {"patternProperties": {"^x": {}}},
        {"properties": {}},
        {"anyOf": [{"$ref": "#/$defs/other"}], "$defs": {"other": {"type": "object"}}},
    ],
)
async def test_other_keys_pass_where_the_schema_speaks_of_them(bench: "Workbench", more: JsonObject) -> None:
    bench.tool("list", echo, schema={**LIST, **more})
    assert (await bench.one("list", {"parameters": {"n": 5}})).result == {"parameters": {"n": 5}}


async def test_keys_declared_in_a_branch_are_parameters_too(bench: "Workbench") -> None:
    bench.tool("list", echo, schema={**LIST, "anyOf": [{"properties": {"input": {"type": "object"}}}]})
    assert (await bench.one("list", {"input": {"n": 5}})).result == {"input": {"n": 5}}


async def test_large_values_are_checked_and_written_off_the_event_loop(
    bench: "Workbench", monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: dict[str, set[bool]] = {}
    main = threading.get_ident()

    def watch(module: ModuleType, name: str) -> None:
        work = getattr(module, name)

        def watched(*given: Json, **named: Json) -> Json:
            threads.setdefault(name, set()).add(threading.get_ident() == main)
            return work(*given, **named)

        monkeypatch.setattr(module, name, watched)

    watch(links, "argument_problems")
    watch(links, "repair_arguments")
    watch(links, "find_problems")
    watch(recording, "_event_fields")
    watch(recording, "_sent_text")
    watch(executor, "resolve")
    rows: JsonObject = {
        "type": "object",
        "properties": {"rows": {"type": "array", "items": {"type": "integer"}}},
    }
    bench.tool("sum", echo, schema=rows, output_schema=rows)
    large = await bench.one("sum", {"rows": [5] * 3_000 + ["5"]})
    assert large.success
    assert threads == {name: {False} for name in threads} and len(threads) == 6
    threads.clear()
    assert (await bench.one("sum", {"rows": ["5"]})).success
    assert threads == {name: {True} for name in threads} and len(threads) == 6


MANY: list[Json] = [[0] * 3_000, {"a": "x" * 600_000}, [[0] * 50] * 50, {"x" * 600_000: 1}]


@pytest.mark.parametrize("value", MANY)
def test_large_values_are_known_by_a_glance(value: Json) -> None:
    assert is_large(value) and is_large("", value)
    assert not is_large({"a": [1, 2, "text" * 50]})


OUTPUT: JsonObject = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.mark.parametrize("answer", [{"n": "x"}, "no structure"])
async def test_an_answer_that_does_not_match_is_passed_warned_about_or_refused(
    bench: "Workbench", answer: Json
) -> None:
    async def reply(arguments: JsonObject) -> Json:
        return answer

    for mode in OutputValidation:
        bench.tool(mode.value, reply, output_schema=OUTPUT, output_validation=mode)
    off, warn, strict = await bench.run([{"tool": mode, "arguments": {}} for mode in OutputValidation])
    assert (off.result, off.notices) == (answer, ())
    assert warn.result == answer
    assert "output schema" in warn.notices[0]
    assert strict.error is not None and strict.error.code == "invalid_output"
    page = await bench.keeper.read(strict.handle or "", "local")
    assert "x" in page["value"] or page["value"] == "no structure"
    assert strict.handle and strict.handle in strict.error.message
    assert strict.handle not in str(bench.events)


async def test_a_tools_own_error_is_not_measured_by_its_output_schema(bench: "Workbench") -> None:
    async def sorry(arguments: JsonObject) -> Json:
        return ToolOutput(content=({"type": "text", "text": "no"},), is_error=True)

    bench.tool("sorry", sorry, output_schema=OUTPUT, output_validation=OutputValidation.STRICT)
    error = await bench.fails("sorry")
    assert (error.code, error.message) == ("tool_failed", "no")
    assert bench.events[0].kind is EventKind.CALL
