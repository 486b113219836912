"""A toolhone in this process over server processes that a test can turn hostile, and MCP clients of it."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from mcp import Client, types

from toolhone.app import App, open_app
from toolhone.models import Caller, EventKind, Json, JsonObject
from toolhone.roles import Role
from toolhone.server.mcp import build_server
from toolhone.settings import Settings
from toolhone.stores import AuditQuery

SERVER = Path(__file__).parent / "servers" / "from_file.py"
PATIENCE = 60

ADMIN = Caller(principal="token:admin", role=Role.ADMIN)
AGENT = Caller(principal="token:agent", role=Role.AGENT)


def listed(name: str, description: str, **more: Json) -> JsonObject:
    """A tool as a server lists it."""
    schema = {"type": "object", "properties": {"text": {"type": "string", "description": "Any text."}}}
    return {"name": name, "description": description, "inputSchema": schema, **more}


RELOAD = listed("reload", "Say that the list has changed.")


class Session:
    """An MCP client, and what tests ask it."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def ask(self, tool: str, **arguments: Json) -> JsonObject:
        """The structured answer of one of toolhone's tools."""
        answer = await self.answer(tool, **arguments)
        assert answer.structured_content is not None, answer
        return answer.structured_content

    async def answer(self, tool: str, **arguments: Json) -> types.CallToolResult:
        with anyio.fail_after(PATIENCE):
            return await self.client.call_tool(tool, arguments)

    async def run(self, name: str, **arguments: Json) -> JsonObject:
        """The slot of one call."""
        calls = [{"tool": name, "arguments": arguments}]
        return (await self.ask("call_tools", calls=calls))["results"][0]

    async def everything(self, *names: str) -> str:
        """All that toolhone tells this client of its tools, in every way there is, as one text."""
        told: list[str] = []
        with anyio.fail_after(PATIENCE):
            told.append((await self.client.list_tools(cache_mode="bypass")).model_dump_json())
            for path in ("catalog", "catalog?token_budget=2000", "statistics"):
                read = await self.client.read_resource(f"toolhone://{path}")
                told.append(read.model_dump_json())
            reference = types.ResourceTemplateReference(uri="toolhone://tools/{name}")
            completed = await self.client.complete(reference, {"name": "name", "value": ""})
            told.append(completed.model_dump_json())
        for task in ("greet somebody", "delete everything", *names):
            found = await self.answer("find_tools", task=task, max_tools=50)
            told.append(found.model_dump_json().replace(json.dumps(task), ""))
        return "\n".join(told)


class Site:
    """Servers whose tools stand in files, a data folder, and how toolhone is opened on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.servers: JsonObject = {}

    def server(self, name: str, *tools: JsonObject) -> None:
        """Have a server with these tools; again: let it have these from its next listing on."""
        (self.folder / f"{name}.json").write_text(json.dumps([*tools, RELOAD]))
        args = [str(SERVER), str(self.folder / f"{name}.json"), str(self.folder / f"{name}.calls")]
        self.servers[name] = {"command": sys.executable, "args": ["-I", "-S", *args]}

    def calls(self, server: str) -> list[str]:
        """The calls that reached a server."""
        file = self.folder / f"{server}.calls"
        return file.read_text().split() if file.exists() else []

    @property
    def config(self) -> Path:
        config = self.folder / "mcp.json"
        config.write_text(json.dumps({"mcpServers": self.servers}))
        return config

    @asynccontextmanager
    async def opened(self, **settings: Json) -> AsyncGenerator["Toolhone"]:
        chosen = Settings(data=self.data, config=self.config, **settings)
        async with open_app(chosen, os.environ) as app:
            await app.gateway()
            await app.listed()
            yield Toolhone(app, self)

    def toolhone(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """One command of the command line, in a process of its own."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("TOOLHONE_")}
        return subprocess.run(
            [sys.executable, "-m", "toolhone", *arguments, "--data", str(self.data)],
            env={**own, "XDG_CONFIG_HOME": str(self.folder / "config"), **environ},
            text=True,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )


class Toolhone:
    """A running app, and what tests do with it."""

    def __init__(self, app: App, site: Site) -> None:
        self.app = app
        self._site = site

    def names(self) -> list[str]:
        """The downstream tools that are used, but for `reload`."""
        return [tool.name for tool in self.app.downstream.tools() if tool.original_name != "reload"]

    async def relist(self, server: str, *tools: JsonObject) -> None:
        """The server has other tools now, and is asked."""
        await self.app.refresh()  # whoever is just starting has listed already
        self._site.server(server, *tools)
        await self.app.refresh()

    async def until(self, names: Sequence[str]) -> None:
        """Wait until just these are used."""
        with anyio.fail_after(PATIENCE):
            async for _ in self.app.catalog_changes():
                if self.names() == list(names):
                    return

    async def rows(self, *kinds: EventKind) -> list[JsonObject]:
        """The audit, oldest first."""
        query = AuditQuery(kinds=[kind.value for kind in kinds] or None, limit=None, newest_first=False)
        return await self.app.audit.query(query)

    async def decisions(self) -> list[tuple[str, str, str]]:
        """(what, tool, principal) of what the audit has on approvals."""
        return [
            (row["details"]["what"], row["tool_name"], row["user_id"])
            for row in await self.rows(EventKind.SERVER)
            if str(row["details"]["what"]).startswith("tool_")
        ]

    @asynccontextmanager
    async def as_(self, caller: Caller) -> AsyncGenerator[Session]:
        """An MCP client whose credential names this caller."""
        server, handlers = build_server(self.app)

        def who(ctx: object) -> Caller:
            return replace(caller, client="test")

        handlers._caller = who
        async with Client(server) as client:
            yield Session(client)
        handlers.listen.close()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def tool() -> Callable[..., JsonObject]:
    return listed


@pytest.fixture
def admin() -> Caller:
    return ADMIN


@pytest.fixture
def agent() -> Caller:
    return AGENT
