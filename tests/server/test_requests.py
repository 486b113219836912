"""What toolhone does with requests to itself: refusals and repairs are recorded, servers harm nobody."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import anyio
import pytest

from toolhone.models import LOCAL_CALLER, Json, JsonObject

OpenToolhone: TypeAlias = Json
PlainServer: TypeAlias = Callable[..., JsonObject]


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("find_tools", {"task": "  "}, "invalid_request"),
        ("find_tools", {"tsk": "add"}, "invalid_arguments"),
        ("call_tools", {"calls": []}, "invalid_request"),
        ("call_tools", {}, "invalid_arguments"),
        ("describe_tools", {"names": ["nothing"]}, "unknown_tool"),
        ("read_result", {"handle": "nothing"}, "unknown_handle"),
    ],
)
async def test_a_refused_request_is_recorded(
    open_toolhone: OpenToolhone, tool: str, arguments: JsonObject, code: str
) -> None:
    async with open_toolhone() as toolhone, toolhone.connected() as session:
        await session.refusal(tool, arguments)

        (row,) = await session.rows("refusal")

    assert (row["tool_name"], row["error_code"], row["parameters"]) == (tool, code, arguments)


async def test_a_repair_of_a_request_is_recorded(open_toolhone: OpenToolhone) -> None:
    async with open_toolhone() as toolhone, toolhone.connected() as session:
        found = await session.tell("find_tools", {"task": "add numbers", "max_tools": "1"})
        repairs = await session.rows("repair")

    assert len(found["tools"]) == 1
    assert [row["tool_name"] for row in repairs] == ["find_tools"]


async def test_a_description_is_recorded(open_toolhone: OpenToolhone) -> None:
    async with open_toolhone() as toolhone, toolhone.connected() as session:
        await session.tell("describe_tools", {"names": ["add"]})
        (row,) = await session.rows("description")

    assert row["details"]["names"] == ["add"]


async def test_a_server_that_does_not_start_keeps_no_known_tool_waiting(
    open_toolhone: OpenToolhone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    # So long that a call which waited for the server would not be answered within the test.
    monkeypatch.setattr("toolhone.app.LISTING_PATIENCE", 600.0)
    hanging = {"command": "sh", "args": ["-c", f"mkfifo {gate}; read line < {gate}"]}
    async with open_toolhone({"hanging": hanging}) as toolhone, toolhone.connected() as session:
        gateway = await toolhone.app.gateway()
        with anyio.fail_after(60):
            call = {"tool": "add", "arguments": {"a": 1, "b": 2}}
            (result,) = await gateway.call([call], caller=LOCAL_CALLER)
        assert result.success

        monkeypatch.setattr("toolhone.app.LISTING_PATIENCE", 0.0)
        found = await session.tell("find_tools", {"task": "add two numbers"})

    assert found["tools"][0]["name"] == "add"
    assert any("hanging" in notice for notice in found["notices"])


async def test_an_output_schema_of_the_registry_folder_is_known_by_name(
    open_toolhone: OpenToolhone, tmp_path: Path
) -> None:
    folder = tmp_path / "registry" / "output_schemas"
    folder.mkdir()
    (folder / "answer.json").write_text(
        json.dumps({"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]})
    )
    (folder / "broken.json").write_text("{")
    async with open_toolhone() as toolhone, toolhone.connected() as session:
        right = await session.tell("validate_output", {"schema": "answer", "output": {"answer": "yes"}})
        wrong = await session.tell("validate_output", {"schema": "answer", "output": {"answer": 5}})
        refused = await session.refusal("validate_output", {"schema": "broken", "output": 1})

    assert (right["valid"], wrong["valid"]) == (True, False)
    assert "broken" in refused
    assert any("broken.json" in notice for notice in toolhone.app.notices())
