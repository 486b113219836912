"""Every protocol version that is spoken, over every transport, against the real process."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import anyio
import pytest
from mcp import Client, StdioServerParameters, stdio_client, types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage

from toolhone import __version__
from toolhone.models import Json, JsonObject

Http: TypeAlias = Json
Site: TypeAlias = Json

PATIENCE = 90


def transport_to(name: str, site: Site, server: Http) -> AbstractAsyncContextManager[Json]:
    if name == "stdio":
        command, *arguments = site.command
        return stdio_client(StdioServerParameters(command=command, args=arguments, env=site.env))
    if name == "http":
        return streamable_http_client(f"{server.url}/mcp")
    return sse_client(f"{server.url}/sse")


TRANSPORTS = pytest.mark.parametrize("transport", ["stdio", "http", "sse"])
CALLS = [
    {"id": "far", "tool": "plain__echo", "arguments": {"number": 40}},
    {"tool": "add", "arguments": {"a": {"$from": "far", "path": "/number"}, "b": 2}},
]


@TRANSPORTS
@pytest.mark.parametrize(("mode", "version"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
async def test_the_sdks_client_finds_and_calls(
    shared_site: Site, http_server: Http, transport: str, mode: str, version: str
) -> None:
    streams = transport_to(transport, shared_site, http_server)
    with anyio.fail_after(PATIENCE):
        async with Client(streams, mode=mode) as client:
            assert client.protocol_version == version
            assert client.server_info and client.server_info.version == __version__
            assert "find_tools" in (client.instructions or "")
            assert client.server_capabilities.tools and client.server_capabilities.tools.list_changed

            listed = (await client.list_tools()).tools
            assert "13 tools" in (listed[0].description or "")
            found = await client.call_tool("find_tools", {"task": "add two numbers"})
            assert found.structured_content["tools"][0]["name"] == "add"
            answer = await client.call_tool("call_tools", {"calls": CALLS})
            assert [slot["result"] for slot in answer.structured_content["results"]] == [
                {"number": 40},
                {"sum": 42},
            ]
            assert (await client.list_resources()).resources[0].uri == "toolhone://catalog"


class Raw:
    """JSON-RPC by hand, as a client of an older time sends it."""

    def __init__(self, read: Json, write: Json) -> None:
        self._read, self._write = read, write
        self._number = 0

    async def _send(self, message: JsonObject) -> None:
        await self._write.send(SessionMessage(types.jsonrpc_message_adapter.validate_python(message)))

    async def notify(self, method: str) -> None:
        await self._send({"jsonrpc": "2.0", "method": method})

    async def ask(self, method: str, **params: Json) -> JsonObject:
        self._number += 1
        await self._send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        while True:
            message = (await self._read.receive()).message
            if isinstance(message, types.JSONRPCResponse) and message.id == self._number:
                return message.result
            assert not isinstance(message, types.JSONRPCError), message


@asynccontextmanager
async def raw(streams: AbstractAsyncContextManager[Json]) -> AsyncGenerator[Raw]:
    async with streams as (read, write):
        yield Raw(read, write)


@TRANSPORTS
@pytest.mark.parametrize("version", ["2024-11-05", "2025-06-18"])
async def test_clients_of_older_versions_find_and_call(
    shared_site: Site, http_server: Http, transport: str, version: str
) -> None:
    with anyio.fail_after(PATIENCE):
        async with raw(transport_to(transport, shared_site, http_server)) as client:
            told = await client.ask(
                "initialize",
                protocolVersion=version,
                capabilities={},
                clientInfo={"name": "old host", "version": "1"},
            )
            assert told["protocolVersion"] == version
            assert told["serverInfo"]["name"] == "toolhone"
            await client.notify("notifications/initialized")

            assert len((await client.ask("tools/list"))["tools"]) == 16
            found = await client.ask("tools/call", name="find_tools", arguments={"task": "add two numbers"})
            # The text is all that a client of 2024 reads.
            assert "## add (" in found["content"][0]["text"]
            answer = await client.ask("tools/call", name="call_tools", arguments={"calls": CALLS})
            assert '{"sum":42' in answer["content"][0]["text"]
            assert await client.ask("ping") == {}
