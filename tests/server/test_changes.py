"""A catalog that changes while clients are connected: all are told, in the way of their era."""

from collections.abc import Callable
from typing import TypeAlias

import anyio
import pytest
from mcp import types

from toolhone.models import Json, JsonObject

OpenToolhone: TypeAlias = Json
PlainServer: TypeAlias = Callable[..., JsonObject]

TOOLS = types.ToolListChangedNotification
RESOURCES = types.ResourceListChangedNotification


class Inbox:
    """What a handshake-era client is told."""

    def __init__(self) -> None:
        self.kinds: list[type] = []
        self._more = anyio.Event()

    async def __call__(self, message: Json) -> None:
        self.kinds.append(message.__class__)
        self._more.set()
        self._more = anyio.Event()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Looks again at each message."""
        with anyio.fail_after(30):
            while not is_so():
                await self._more.wait()

    async def until_told(self, *kinds: type) -> None:
        await self.until(lambda: set(kinds) <= set(self.kinds))


async def test_clients_of_the_handshake_era_are_told_and_removed_tools_are_gone(
    open_toolhone: OpenToolhone, plain_server: PlainServer
) -> None:
    inbox = Inbox()
    async with (
        open_toolhone({"far": plain_server(deny=["grown"])}) as toolhone,
        toolhone.connected("legacy", message_handler=inbox) as session,
    ):
        before = (await session.client.list_tools()).tools
        assert "far (10)" in (before[0].description or "")
        assert (await session.one("far__fail"))["error"]["code"] == "tool_failed"

        assert (await session.one("far__grow"))["success"]  # `fail` goes; what comes is denied
        await inbox.until_told(TOOLS, RESOURCES)

        after = (await session.client.list_tools()).tools
        assert "far (9)" in (after[0].description or "")
        assert (await session.one("far__fail"))["error"]["code"] == "unknown_tool"
        found = await session.tell("find_tools", {"task": "far__fail", "max_tools": 50})
        assert "far__fail" not in [tool["name"] for tool in found["tools"]]


async def test_clients_since_2026_are_told_on_their_listen_stream(
    open_toolhone: OpenToolhone, plain_server: PlainServer
) -> None:
    async with (
        open_toolhone({"far": plain_server(deny=["grown"])}) as toolhone,
        toolhone.connected() as session,
    ):
        assert "far (10)" in ((await session.client.list_tools()).tools[0].description or "")
        async with session.client.listen(tools_list_changed=True, resources_list_changed=True) as events:
            await session.one("far__grow")
            told: set[str] = set()
            with anyio.fail_after(30):
                while len(told) < 2:
                    told.add(type(await anext(aiter(events))).__name__)
            assert told == {"ToolsListChanged", "ResourcesListChanged"}
        assert "far (9)" in ((await session.client.list_tools()).tools[0].description or "")


async def test_a_change_that_no_count_shows_is_announced_and_leaves_the_listing_as_it_was(
    open_toolhone: OpenToolhone, plain_server: PlainServer
) -> None:
    inbox = Inbox()
    async with (
        open_toolhone({"far": plain_server()}) as toolhone,
        toolhone.connected("legacy", message_handler=inbox) as session,
    ):
        before = await session.client.list_tools()
        await session.one("far__grow")  # one comes, one goes: as many as before
        await inbox.until_told(TOOLS, RESOURCES)

        assert (await session.one("far__grown"))["success"]
        after = await session.client.list_tools(cache_mode="bypass")
        assert after.tools == before.tools  # so that prompt caches hold


async def test_a_client_that_only_reads_resources_is_told_of_changes_too(
    open_toolhone: OpenToolhone, plain_server: PlainServer
) -> None:
    inbox = Inbox()
    async with (
        open_toolhone({"far": plain_server()}) as toolhone,
        toolhone.connected("legacy", message_handler=inbox) as reader,
    ):
        await reader.client.list_resources()
        async with toolhone.connected() as other:
            await other.one("far__grow")
        await inbox.until_told(RESOURCES)


async def test_a_client_that_has_left_keeps_the_news_from_nobody(
    open_toolhone: OpenToolhone, plain_server: PlainServer
) -> None:
    async with open_toolhone({"far": plain_server(deny=["grown"])}) as toolhone:
        async with toolhone.connected("legacy") as gone:
            await gone.client.list_tools()
        async with toolhone.connected() as session:
            await session.client.list_tools()
            async with session.client.listen(tools_list_changed=True) as events:
                await session.one("far__grow")
                with anyio.fail_after(30):
                    await anext(aiter(events))


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_lists_say_that_they_may_change(open_toolhone: OpenToolhone, mode: str) -> None:
    async with open_toolhone() as toolhone, toolhone.connected(mode) as session:
        capabilities = session.client.server_capabilities
        assert capabilities.tools.list_changed and capabilities.resources.list_changed
