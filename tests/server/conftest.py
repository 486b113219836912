"""One toolhone in this process, and clients of both eras that talk to its real MCP server."""

import json
import os
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import anyio
import pytest
from jsonschema import Draft202012Validator
from mcp import Client, types

from toolhone.app import App, open_app
from toolhone.models import Json, JsonObject
from toolhone.server.definitions import OUTPUT_SCHEMAS
from toolhone.server.finetuning_definitions import OUTPUT_SCHEMAS as FINETUNING_SCHEMAS
from toolhone.server.mcp import Handlers, MCPServer, build_server
from toolhone.settings import Settings
from toolhone.stores import AuditQuery

PLAIN = Path(__file__).parents[1] / "registry" / "servers" / "plain.py"

MODULE = '''
"""The functions of the tools under test."""

NOTES: list[str] = []


def add(a: float, b: float) -> dict[str, float]:
    return {"sum": a + b}


def write_note(text: str) -> str:
    NOTES.append(text)
    return f"{len(NOTES)} notes"


def list_rows(count: int) -> dict[str, object]:
    return {"rows": [{"number": number, "square": number * number} for number in range(count)]}


def fail(reason: str) -> str:
    raise ValueError(reason)
'''

NUMBER: JsonObject = {"type": "number"}
TEXT: JsonObject = {"type": "string"}


def tool_file(
    name: str, description: str, properties: JsonObject, *, category: str = "general", **more: Json
) -> JsonObject:
    schema = {"type": "object", "properties": properties, "required": [*properties]}
    return {
        "name": name,
        "description": description,
        "inputSchema": {**schema, "additionalProperties": False},
        "category": category,
        "handler": {"type": "python", "function": f"functions_under_test:{name}"},
        **more,
    }


READ_ONLY: JsonObject = {"readOnlyHint": True}
FILES = [
    tool_file(
        "add",
        "Add two numbers and give their sum.",
        {"a": NUMBER, "b": NUMBER},
        annotations=READ_ONLY,
        outputSchema={"type": "object", "properties": {"sum": NUMBER}, "required": ["sum"]},
    ),
    tool_file("write_note", "Write down a note for later.", {"text": TEXT}, category="customer_service"),
    tool_file("list_rows", "List many rows.", {"count": {"type": "integer"}}, annotations=READ_ONLY),
    tool_file("fail", "Fail for the reason that is given.", {"reason": TEXT}, annotations=READ_ONLY),
]


class Session:
    """A client, and what tests ask it."""

    def __init__(self, client: Client, app: App) -> None:
        self.client = client
        self.app = app

    async def tell(self, tool: str, arguments: Json = None, *, failing: bool = False) -> JsonObject:
        """The structured answer of one of toolhone's tools, which must match what the tool declares."""
        answer = await self.answer(tool, arguments)
        assert answer.is_error is failing, text_of(answer)
        assert text_of(answer).strip()
        return as_declared(tool, answer)

    async def answer(self, tool: str, arguments: Json = None) -> types.CallToolResult:
        with anyio.fail_after(60):
            return await self.client.call_tool(tool, arguments or {})

    async def refusal(self, tool: str, arguments: Json = None) -> str:
        """The text of an answer that is an error, and the proof that the server goes on."""
        answer = await self.answer(tool, arguments)
        assert answer.is_error, text_of(answer)
        assert answer.structured_content is None
        await self.client.list_tools(cache_mode="bypass")
        return text_of(answer)

    async def run(self, *calls: JsonObject, tool: str = "call_tools") -> list[JsonObject]:
        """The slots of a batch."""
        answer = await self.answer(tool, {"calls": list(calls)})
        return as_declared(tool, answer)["results"]

    async def one(self, name: str, *, through: str = "call_tools", **arguments: Json) -> JsonObject:
        (slot,) = await self.run({"tool": name, "arguments": arguments}, tool=through)
        return slot

    async def rows(self, *kinds: str) -> list[JsonObject]:
        """The audit so far, oldest first."""
        return await self.app.audit.query(AuditQuery(kinds=kinds or None, limit=None, newest_first=False))


def as_declared(tool: str, answer: types.CallToolResult) -> JsonObject:
    """The structured content, if it is what the tool's output schema says."""
    structured: Json = answer.structured_content
    assert structured is not None, text_of(answer)
    validator: Json = Draft202012Validator((OUTPUT_SCHEMAS | FINETUNING_SCHEMAS)[tool])
    validator.validate(structured)
    return structured


def text_of(answer: types.CallToolResult) -> str:
    return "\n".join(block.text for block in answer.content if isinstance(block, types.TextContent))


class Toolhone:
    """A running app behind its MCP server."""

    def __init__(self, app: App, server: MCPServer, handlers: Handlers) -> None:
        self.app = app
        self.server = server
        self.handlers = handlers

    @asynccontextmanager
    async def connected(self, mode: str = "auto", **options: Json) -> AsyncGenerator[Session]:
        async with Client(self.server, mode=mode, **options) as client:
            yield Session(client, self.app)


OpenToolhone: TypeAlias = Callable[..., AbstractAsyncContextManager[Toolhone]]


@pytest.fixture
def plain_server() -> Callable[..., JsonObject]:
    """Makes the entry of a downstream server that starts in milliseconds; see `plain.py` for its tools."""

    def entry(*args: str, **settings: Json) -> JsonObject:
        return {"command": sys.executable, "args": ["-I", "-S", str(PLAIN), *args], "toolhone": settings}

    return entry


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """For the whole module, so that tests can share a running toolhone."""
    return "asyncio"


def opener(folder: Path) -> OpenToolhone:
    registry = folder / "registry"
    registry.mkdir()
    (registry / "functions_under_test.py").write_text(MODULE)
    for file in FILES:
        (registry / f"{file['name']}.json").write_text(json.dumps(file))

    @asynccontextmanager
    async def opened(
        servers: Mapping[str, JsonObject] | None = None, **settings: Json
    ) -> AsyncGenerator[Toolhone]:
        config = folder / "mcp.json"
        config.write_text(json.dumps({"mcpServers": dict(servers or {})}))
        chosen = Settings(
            data=folder / "data", registry=registry, config=config if servers else None, **settings
        )
        async with open_app(chosen, os.environ) as app:
            server, handlers = build_server(app)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(handlers.announce_changes)
                tasks.start_soon(handlers.announce_jobs)
                yield Toolhone(app, server, handlers)
                handlers.listen.close()
                tasks.cancel_scope.cancel()

    return opened


@pytest.fixture
def open_toolhone(tmp_path: Path) -> OpenToolhone:
    """Opens a toolhone on the tool files above, and on the downstream servers that are given."""
    return opener(tmp_path)


@pytest.fixture(scope="module")
async def toolhone(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Toolhone]:
    """Local tools only; shared by the tests of a module, which must not count what others did."""
    async with opener(tmp_path_factory.mktemp("toolhone"))() as running:
        yield running


@pytest.fixture(scope="module")
async def session(toolhone: Toolhone) -> AsyncGenerator[Session]:
    async with toolhone.connected() as connected:
        yield connected


@pytest.fixture
async def fresh_session(open_toolhone: OpenToolhone) -> AsyncGenerator[Session]:
    """Of a toolhone that nothing was asked before."""
    async with open_toolhone() as running, running.connected() as connected:
        yield connected
