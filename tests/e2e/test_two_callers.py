"""Two tokens on one real server: what one may use is not there for the other, and nothing crosses."""

import json
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import anyio
import httpx2
import pytest
from mcp import Client, MCPError, types
from mcp.client.streamable_http import streamable_http_client

from toolhone.models import Json, JsonObject

Http: TypeAlias = Json
Site: TypeAlias = Json
Join: TypeAlias = Callable[[str], AbstractAsyncContextManager["Peer"]]

HIDDEN: dict[str, JsonObject] = {"plain__echo": {"text": "hello"}, "plain__pid": {}}
"""What the second caller may not use, and how the first one calls it."""

RULES = {"agent": ["list_rows", "add"]}


class Peer:
    """One caller, over MCP and over REST with the same token."""

    def __init__(self, client: Client, rest: httpx2.AsyncClient) -> None:
        self.client = client
        self.rest = rest

    async def call(self, tool: str, **arguments: Json) -> types.CallToolResult:
        return await self.client.call_tool(tool, arguments)

    async def run(self, tool: str, **arguments: Json) -> JsonObject:
        """The slot of one call."""
        answer = await self.call("call_tools", calls=[{"tool": tool, "arguments": arguments}])
        assert answer.structured_content is not None
        return answer.structured_content["results"][0]

    async def told(self) -> str:
        """All that a caller reads of tools that it does not name."""
        listed = await self.client.list_tools(cache_mode="bypass")
        found = await self.call("find_tools", task="echo a text, get a process id, add", max_tools=20)
        catalog = await self.client.read_resource("toolhone://catalog")
        pages = [
            (await self.rest.get("/api/v1/tools")).text,
            (await self.rest.post("/api/v1/tools/find", json={"task": "echo a text"})).text,
            (await self.rest.get("/api/v1/finetuning/tools/statistics")).text,
            (await self.rest.get("/tools", headers={"Accept": "text/html"})).text,
        ]
        return "\n".join([*(one.model_dump_json() for one in (listed, found, catalog)), *pages])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, shared_site: Site) -> Site:
    return type(shared_site)(tmp_path_factory.mktemp("callers"))


@pytest.fixture(scope="module")
def server(site: Site) -> Iterator[Http]:
    with site.http(TOOLHONE_MODE="native", TOOLHONE_ALLOW_TOOLS=json.dumps(RULES)) as server:
        yield server
        code, logged = server.end()
    assert code == 0
    assert "Traceback" not in logged, logged


@pytest.fixture
def join(server: Http) -> Join:
    @asynccontextmanager
    async def joined(token: str) -> AsyncGenerator[Peer]:
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=60) as rest,
            httpx2.AsyncClient(headers=headers, timeout=60) as http,
        ):
            with anyio.fail_after(90):
                async with Client(streamable_http_client(f"{server.url}/mcp", http_client=http)) as client:
                    yield Peer(client, rest)

    return joined


async def test_one_caller_uses_a_tool_that_is_not_there_for_the_other(
    server: Http, site: Site, join: Join
) -> None:
    async with join(server.first_token) as free, join(site.token("agent", "--tools", "list_*")) as narrow:
        assert (await free.rest.post("/api/v1/servers/refresh")).status_code == 200
        everything, little = await free.told(), await narrow.told()
        for name in HIDDEN:
            assert name in everything
            assert name not in little
        assert "list_rows" in little and '"add"' not in little  # the token allows less than the role does

        assert (await free.run("plain__echo", text="hello"))["success"]
        refused = await narrow.run("plain__echo", text="hello")
        unknown = await narrow.run("plain__nothing", text="hello")
        assert refused["error"]["code"] == "permission_denied"
        assert (
            refused["error"]["message"].replace("plain__echo", "plain__nothing")
            == (unknown["error"]["message"])
        )
        assert (await narrow.run("list_rows", count=1))["success"]


@pytest.mark.parametrize(("name", "arguments"), HIDDEN.items())
async def test_a_tool_of_another_caller_is_told_of_nowhere(
    server: Http, site: Site, join: Join, name: str, arguments: JsonObject
) -> None:
    body: JsonObject = {"calls": [{"tool": name, "arguments": arguments}]}
    uri = f"toolhone://tools/{name}"
    async with join(server.first_token) as free, join(site.token("agent")) as narrow:
        await free.rest.post("/api/v1/servers/refresh")
        described = await free.call("describe_tools", names=[name])
        assert (await free.client.read_resource(uri)).contents
        assert (await free.rest.get(f"/api/v1/tools/{name}")).status_code == 200
        assert (await free.rest.post("/api/v1/tools/call", json=body)).json()["results"][0]["success"]

        missing = await narrow.call("describe_tools", names=[name])
        assert described.content != missing.content
        with pytest.raises(MCPError):
            await narrow.client.read_resource(uri)
        assert (await narrow.rest.get(f"/api/v1/tools/{name}")).status_code == 404
        slot = (await narrow.rest.post("/api/v1/tools/call", json=body)).json()["results"][0]
        assert slot["error"]["code"] == "permission_denied"
        with pytest.raises(MCPError, match="Unknown tool"):
            await narrow.call(name, **arguments)  # by its own name, as in native mode


async def test_a_handle_is_read_by_its_caller_only_whatever_the_way(
    server: Http, site: Site, join: Join
) -> None:
    async with join(site.token("agent")) as mine, join(server.first_token) as admin:
        handle = (await mine.run("list_rows", count=2_000))["handle"]
        address, uri = f"/api/v1/results/{handle}", f"toolhone://results/{handle}"

        assert (await mine.rest.get(address)).status_code == 200
        assert (await mine.client.read_resource(uri)).contents
        refused = await admin.rest.get(address)
        assert (refused.status_code, refused.json()["code"]) == (404, "unknown_handle")
        with pytest.raises(MCPError):
            await admin.client.read_resource(uri)
        answer = await admin.call("read_result", handle=handle)
        assert answer.is_error and "unknown_handle" in answer.model_dump_json()
