"""Native mode: pinned tools stand in the listing beside toolhone's own, thin and in a stable order."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import pytest
from mcp import MCPError, types

from toolhone.models import Json, JsonObject
from toolhone.server.definitions import INPUT_SCHEMAS
from toolhone.server.finetuning_definitions import INPUT_SCHEMAS as FINETUNING
from toolhone.server.native import thin

Session: TypeAlias = Json
OpenToolhone: TypeAlias = Callable[..., AbstractAsyncContextManager[Json]]

PINS: JsonObject = {"*": ["write_note", "add", "gone"], "someone-else": ["fail"]}


async def test_pinned_tools_are_listed_after_ours_with_a_thin_schema_and_their_signature(
    open_toolhone: OpenToolhone,
) -> None:
    async with open_toolhone(mode="native", pins=PINS) as toolhone, toolhone.connected() as session:
        listed: list[types.Tool] = (await session.client.list_tools()).tools

        assert [tool.name for tool in listed] == [*INPUT_SCHEMAS, *FINETUNING, "write_note", "add"]
        add = listed[-1]
        assert add.input_schema == {
            "type": "object",
            "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
            "required": ["a", "b"],
            "additionalProperties": False,
        }
        assert add.description is not None
        assert add.description.startswith("Add two numbers and give their sum.\n a num")
        assert add.annotations is not None and add.annotations.read_only_hint is True


async def test_a_native_tool_is_called_by_its_name_and_answers_alone(open_toolhone: OpenToolhone) -> None:
    async with open_toolhone(mode="native", pins=PINS) as toolhone, toolhone.connected() as session:
        answer = await session.answer("add", {"a": 1, "b": "2"})

        assert answer.structured_content == {"sum": 3}
        assert not answer.is_error
        (call,) = await session.rows("call")
        assert (call["tool_name"], call["success"]) == ("add", True)


async def test_a_wrong_call_of_a_native_tool_says_what_is_expected(open_toolhone: OpenToolhone) -> None:
    async with open_toolhone(mode="native", pins=PINS) as toolhone, toolhone.connected() as session:
        answer = await session.answer("add", {"a": "one", "b": 2})

        assert answer.is_error
        assert "invalid_arguments" in answer.content[0].text
        assert "Expected: a num" in answer.content[0].text


async def test_what_is_not_pinned_for_everyone_is_not_listed_and_not_called(
    open_toolhone: OpenToolhone,
) -> None:
    async with open_toolhone(mode="native", pins=PINS) as toolhone, toolhone.connected() as session:
        with pytest.raises(MCPError, match="Unknown tool 'fail'"):
            await session.answer("fail", {"reason": "not listed"})


async def test_in_meta_mode_only_our_own_tools_are_listed(open_toolhone: OpenToolhone) -> None:
    async with open_toolhone(pins=PINS) as toolhone, toolhone.connected() as session:
        listed: list[types.Tool] = (await session.client.list_tools()).tools

        assert [tool.name for tool in listed] == [*INPUT_SCHEMAS, *FINETUNING]
        with pytest.raises(MCPError, match="Unknown tool 'add'"):
            await session.answer("add", {"a": 1, "b": 2})


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, {"type": "object"}),
        (
            {"properties": {"a": True, "b": {"enum": [1]}}},
            {"type": "object", "properties": {"a": {}, "b": {}}},
        ),
        (
            {"properties": {"a": {"type": ["string", "null"], "description": "long"}}, "required": []},
            {"type": "object", "properties": {"a": {"type": ["string", "null"]}}},
        ),
        (
            {
                "properties": {"a": {"type": "array", "items": {"type": "string"}}},
                "additionalProperties": False,
            },
            {
                "type": "object",
                "properties": {"a": {"type": "array", "items": {}}},
                "additionalProperties": False,
            },
        ),
    ],
)
def test_a_thin_schema_has_names_plain_types_and_what_is_required(
    schema: JsonObject, expected: JsonObject
) -> None:
    assert thin(schema) == expected
