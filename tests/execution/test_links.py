"""What is refused, what is repaired, and what is said about an answer."""

from typing import TYPE_CHECKING

import pytest

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


async def test_wrong_arguments_are_refused_with_the_parameters_schema(bench: "Workbench") -> None:
    bench.tool("weather", echo, schema=CITY)
    error = await bench.fails("weather", {"city": 5, "dais": 1})
    assert error.code == "invalid_arguments"
    assert '{"type":"string","minLength":2}' in error.message
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


async def test_a_tools_own_error_is_not_measured_by_its_output_schema(bench: "Workbench") -> None:
    async def sorry(arguments: JsonObject) -> Json:
        return ToolOutput(content=({"type": "text", "text": "no"},), is_error=True)

    bench.tool("sorry", sorry, output_schema=OUTPUT, output_validation=OutputValidation.STRICT)
    error = await bench.fails("sorry")
    assert (error.code, error.message) == ("tool_failed", "no")
    assert bench.events[0].kind is EventKind.CALL
