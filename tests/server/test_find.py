"""What `find_tools` says besides the tools: how sure it is, what came next, what was left out and why."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import anyio
import pytest
from mcp import types

from toolhone import tokens
from toolhone.models import Caller, Json, JsonObject
from toolhone.selection.question import Selection
from toolhone.selection.selector import Selector

Session: TypeAlias = Json
OpenToolhone: TypeAlias = Json
PlainServer: TypeAlias = Callable[..., JsonObject]

DENIED = "on the deny list of its server"


def names(found: JsonObject) -> list[str]:
    return [tool["name"] for tool in found["tools"]]


def left_out(found: JsonObject) -> dict[str, str]:
    return {tool["name"]: tool["reason"] for tool in found.get("left_out", [])}


# --- how sure it is


async def test_an_answer_says_how_sure_it_is_and_text_and_data_agree(session: Session) -> None:
    answer = await session.answer("find_tools", {"task": "add two numbers and give their sum"})
    found = answer.structured_content
    (block,) = answer.content

    assert 0 <= found["fits"] <= 1
    assert not found["nothing_fits"]
    assert all(0 <= tool["fits"] <= 1 for tool in found["tools"])
    first = found["tools"][0]
    assert block.text.startswith("Fits: ")
    head = next(line for line in block.text.splitlines() if line.startswith(f"## {first['name']}"))
    assert f"({math.floor(first['fits'] * 100 + 1e-9)}%" in head
    assert f"{len(found['tools'])} of 4 tools" in block.text
    for name in found.get("roster", []):
        assert name in block.text and name not in names(found)


async def test_a_tool_that_the_task_names_is_certain(session: Session) -> None:
    found = await session.tell("find_tools", {"task": "please list_rows"})

    assert found["fits"] == found["tools"][0]["fits"] == 1


async def test_when_nothing_fits_that_is_said_first_and_the_nearest_are_only_named(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    select = Selector.select

    async def unsure(self: Selector, task: str, **options: Json) -> Selection:
        return replace(await select(self, task, **options), fits=0.04, nothing_fits=True)

    monkeypatch.setattr(Selector, "select", unsure)
    answer = await session.answer("find_tools", {"task": "tune a xylophone"})
    found = answer.structured_content
    (block,) = answer.content

    assert (found["nothing_fits"], found["fits"]) == (True, 0.04)
    assert found["tools"], "never empty-handed"
    assert block.text.startswith("Nothing fits. The nearest")
    assert names(found)[0] in block.text
    assert "inputSchema" not in block.text and '"properties"' not in block.text


# --- what was left out


async def test_a_denied_tool_is_named_with_the_reason_and_refused_with_the_same(
    open_toolhone: OpenToolhone, plain_server: PlainServer
) -> None:
    async with (
        open_toolhone({"far": plain_server(deny=["ech*"])}) as toolhone,
        toolhone.connected() as session,
    ):
        found = await session.tell("find_tools", {"task": "far__echo the text"})
        answer = await session.answer("find_tools", {"task": "far__echo the text"})
        refused = await session.one("far__echo")
        missing = await session.tell("describe_tools", {"names": ["add", "far__echo"]})
        (row,) = await session.rows("refusal")

    assert "far__echo" not in names(found)
    assert left_out(found)["far__echo"] == DENIED
    assert f"far__echo ({DENIED})" in answer.content[0].text
    assert refused["error"]["code"] == row["error_code"] == "permission_denied"
    assert DENIED in refused["error"]["message"]
    assert DENIED in missing["missing"][0]


async def test_a_denied_tool_is_in_no_listing_and_in_no_count(
    open_toolhone: OpenToolhone, plain_server: PlainServer
) -> None:
    async with (
        open_toolhone({"far": plain_server(allow=["echo", "pid"])}) as toolhone,
        toolhone.connected() as session,
    ):
        description = (await session.client.list_tools()).tools[0].description
        found = await session.tell("find_tools", {"task": "end the server in mid-call", "max_tools": 50})

    assert "far (2)" in description
    assert found["considered"] == 6
    assert left_out(found)["far__die"] == "not on the allow list of its server"


async def test_the_hosts_own_lists_hold_too(open_toolhone: OpenToolhone, plain_server: PlainServer) -> None:
    entry = {**plain_server(), "enabledTools": ["echo", "pid", "die"], "disabledTools": ["d?e"]}
    async with open_toolhone({"far": entry}) as toolhone, toolhone.connected() as session:
        gateway = await toolhone.app.gateway()
        await session.tell("find_tools", {"task": "anything"})
        listed = [tool.name for tool in gateway.catalog.tools() if tool.server == "far"]

    assert listed == ["far__echo", "far__pid"]


async def test_tools_of_a_server_that_is_down_are_left_out_with_the_reason_and_not_forgotten(
    open_toolhone: OpenToolhone, plain_server: PlainServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolhone.registry.failures.FIRST_PAUSE", 3_600.0)
    monkeypatch.setattr("toolhone.registry.failures.LONGEST_PAUSE", 3_600.0)
    gone = tmp_path / "gone"
    far = plain_server("--exit-if", str(gone))
    async with open_toolhone({"far": far}) as toolhone, toolhone.connected() as session:
        known = await session.tell("find_tools", {"task": "far__echo"})
    gone.touch()
    async with open_toolhone({"far": far}) as toolhone, toolhone.connected() as session:
        before = await session.tell("find_tools", {"task": "far__echo"})
        refused = await session.one("far__echo")
        after = await session.tell("find_tools", {"task": "far__echo"})

    assert names(known)[0] == names(before)[0] == "far__echo", "its listing is remembered"
    assert refused["error"]["code"] == "server_unavailable"
    assert "far__echo" not in names(after) and names(after), "what can be called is still found"
    assert left_out(after)["far__echo"].startswith("server far is down: Server 'far' did not start")


async def test_a_tool_whose_last_calls_failed_says_so_and_goes_on_being_found(
    fresh_session: Session,
) -> None:
    for reason in ("one", "two", "three"):
        await fresh_session.one("fail", reason=reason)

    answer = await fresh_session.answer("find_tools", {"task": "fail for a reason"})

    (fail,) = [tool for tool in answer.structured_content["tools"] if tool["name"] == "fail"]
    assert fail["caution"] == "3 of its last 3 calls failed"
    assert "3 of its last 3 calls failed)" in answer.content[0].text


async def test_how_the_last_calls_went_is_known_to_the_next_process(open_toolhone: OpenToolhone) -> None:
    async with open_toolhone() as toolhone, toolhone.connected() as session:
        for reason in ("one", "two", "three"):
            await session.one("fail", reason=reason)
    async with open_toolhone() as toolhone, toolhone.connected() as session:
        found = await session.tell("find_tools", {"task": "please fail"})

    assert found["tools"][0]["caution"] == "3 of its last 3 calls failed"


# --- pins


@pytest.mark.parametrize(
    ("pins", "shown"),
    [
        ({"*": ["write_note"]}, True),
        ({"MCP*": ["write_note"]}, True),
        ({"somebody-else": ["write_note"]}, False),
    ],
)
async def test_a_pinned_tool_is_in_every_answer_of_the_client_it_is_pinned_for(
    open_toolhone: OpenToolhone, pins: dict[str, Sequence[str]], shown: bool
) -> None:
    async with open_toolhone(pins=pins) as toolhone:
        me = types.Implementation(name="mcp-inspector", version="1")
        async with toolhone.connected("legacy", client_info=me) as session:
            found = await session.tell("find_tools", {"task": "please list_rows", "max_tools": 2})
            (row,) = await session.rows("selection")

    assert names(found)[0] == "list_rows", "what the task names comes first"
    assert len(found["tools"]) <= 2
    pinned = [tool["name"] for tool in found["tools"] if tool.get("pinned")]
    assert pinned == row["details"]["pinned"] == (["write_note"] if shown else [])


async def test_a_pin_that_no_tool_has_is_named_and_one_that_is_denied_is_left_out(
    open_toolhone: OpenToolhone, plain_server: PlainServer
) -> None:
    pins = {"*": ["list_row", "far__echo", "add"]}
    async with (
        open_toolhone({"far": plain_server(deny=["echo"])}, pins=pins) as toolhone,
        toolhone.connected() as session,
    ):
        found = await session.tell("find_tools", {"task": "write down a note"})

    assert "add" in names(found)
    assert "The pinned tool 'list_row' is not there; list_rows is close." in found["notices"]
    assert left_out(found)["far__echo"] == DENIED


# --- what is recorded


async def test_the_audit_knows_what_was_shown_at_which_place_and_how_sure_that_was(
    fresh_session: Session,
) -> None:
    found = await fresh_session.tell("find_tools", {"task": "add two numbers", "max_tools": 3})
    (row,) = await fresh_session.rows("selection")
    details = row["details"]

    assert [name for name, _ in details["selected"]][: details["shown"]] == names(found)
    assert details["fits"] == pytest.approx(found["fits"], abs=1e-3)
    assert details["nothing_fits"] is found["nothing_fits"]
    assert details["explored"] == []
    assert details["roster"] == found.get("roster", [])


async def test_the_budget_takes_the_roster_first(fresh_session: Session) -> None:
    gateway = await fresh_session.app.gateway()
    me = Caller(principal="somebody")
    with anyio.fail_after(60):
        whole = await gateway.find("add two numbers", caller=me, max_tools=1)
        short = await gateway.find(
            "add two numbers", caller=me, max_tools=1, token_budget=whole.tokens_sent - 1
        )

    assert whole.roster
    assert len(short.roster) < len(whole.roster)
    assert [tool.definition.name for tool in short.tools] == [tool.definition.name for tool in whole.tools]
    assert short.tokens_sent == tokens.count_tokens(short.text) < whole.tokens_sent
