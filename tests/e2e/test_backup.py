"""A backup of the folder of a server that goes on answering: every call answered before it is in it."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias

import anyio
import anyio.to_thread
import httpx2
from mcp import Client, types
from mcp.client.streamable_http import streamable_http_client

from toolhone.models import Json, JsonObject

Site: TypeAlias = Json
Ask: TypeAlias = Callable[[JsonObject], Awaitable[JsonObject]]

PATIENCE = 90.0
CLIENTS = 3
"""Of each kind."""
EACH = 15
"""Calls of each client that are answered before the backup begins."""


def call(number: int, nth: int) -> JsonObject:
    return {"calls": [{"tool": "add", "arguments": {"a": number, "b": nth}}]}


async def over_rest(client: httpx2.AsyncClient, arguments: JsonObject) -> JsonObject:
    return (await client.post("/api/v1/tools/call", json=arguments)).json()


async def over_mcp(client: Client, arguments: JsonObject) -> JsonObject:
    answer = await client.call_tool("call_tools", arguments)
    assert isinstance(answer, types.CallToolResult) and answer.structured_content
    return answer.structured_content


class Callers:
    """Clients that call without a pause until they are told to end; what was answered to whom."""

    def __init__(self) -> None:
        self.answered: dict[int, int] = {}
        self._enough = anyio.Event()
        self._end = False

    async def enough(self, number: int) -> None:
        while any(self.answered.get(one, 0) < EACH for one in range(number)):
            await self._enough.wait()
            self._enough = anyio.Event()

    def end(self) -> None:
        self._end = True

    async def run(self, number: int, ask: Ask) -> None:
        while not self._end:
            nth = self.answered.get(number, 0)
            [result] = (await ask(call(number, nth)))["results"]
            assert result["success"], result
            self.answered[number] = nth + 1
            if nth + 1 == EACH:
                self._enough.set()


@asynccontextmanager
async def clients(server: Json) -> AsyncGenerator[list[Ask]]:
    """Of either kind, each on connections of its own."""
    headers = {"Authorization": f"Bearer {server.first_token}"}
    async with AsyncExitStack() as stack:
        asking: list[Ask] = []
        for _ in range(CLIENTS):
            http = await stack.enter_async_context(
                httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=60)
            )
            transport = streamable_http_client(f"{server.url}/mcp", http_client=http)
            mcp = await stack.enter_async_context(Client(transport))
            asking += [partial(over_rest, http), partial(over_mcp, mcp)]
        yield asking


async def backed_up(site: Site, server: Json, file: Path) -> tuple[dict[int, int], dict[int, int]]:
    """Make a backup while clients go on; how many calls of each were answered before, and at its end."""
    callers = Callers()
    async with clients(server) as asking, anyio.create_task_group() as tasks:
        for number, ask in enumerate(asking):
            tasks.start_soon(callers.run, number, ask)
        await callers.enough(len(asking))
        before = dict(callers.answered)
        done = await anyio.to_thread.run_sync(site.toolhone, "backup", str(file), "--data", str(site.data))
        assert done.returncode == 0, done.stderr
        during = dict(callers.answered)
        callers.end()
        return before, during
    raise AssertionError  # a group that is cancelled raises


async def test_every_call_that_was_answered_before_is_in_a_backup_made_while_others_go_on(
    site: Site, tmp_path: Path
) -> None:
    file, new, lines = tmp_path / "backup.tar", tmp_path / "new", tmp_path / "rows.jsonl"
    with site.http() as server:
        with anyio.fail_after(PATIENCE):
            before, during = await backed_up(site, server, file)
        code, logged = server.end()

    assert (code, "Traceback" in logged) == (0, False), logged
    # Nobody waited for it to end.
    assert [number for number in before if during[number] <= before[number]] == []
    restored = site.toolhone("restore", str(file), "--data", str(new))
    assert restored.returncode == 0, restored.stderr
    checked = site.toolhone("check", "--json", "--data", str(new))
    assert (checked.returncode, json.loads(checked.stdout)["faults"]) == (0, []), checked.stdout
    exported = site.toolhone("audit", "export", str(lines), "--data", str(new))
    assert exported.returncode == 0, exported.stderr
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    calls = [row["parameters"] for row in rows if row["kind"] == "call" and row["success"]]
    kept = {(one["a"], one["b"]) for one in calls}
    assert {(number, nth) for number, count in before.items() for nth in range(count)} <= kept
