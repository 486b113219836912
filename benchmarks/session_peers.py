"""The same sessions through mcp-compressor and fastmcp's search transform, which run from `.venv-peers`."""

import json
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TextIO, TypeAlias

from figures import PEERS
from mcp import Client, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from session_traffic import Agent, Session, Wanted, listed

from toolhone.models import JsonObject

COMPRESSOR_LEVELS = ("low", "medium", "high", "max")
COMPRESSOR_TOOLS = ("get_tool_schema", "invoke_tool")
"""How the names of its tools end."""

Peer: TypeAlias = tuple[str, Callable[[], AbstractAsyncContextManager[Client]], Agent]
"""What it is called, how to open a client of it, and how it is used."""

FASTMCP = """
from fastmcp import FastMCP
from fastmcp.server import create_proxy
from fastmcp.server.transforms.search import BM25SearchTransform
gateway = FastMCP("gateway")
gateway.mount(create_proxy({"mcpServers": {"recorded": %r}}))
gateway.add_transform(BM25SearchTransform())
gateway.run(show_banner=False)
"""


async def through_compressor(session: Session, tools: Sequence[types.Tool], wanted: Sequence[Wanted]) -> None:
    """Get each schema, call each. That the agent picks right, even from mere names, is granted."""
    needed = [tool for tool in tools if tool.name.endswith(COMPRESSOR_TOOLS)]
    describe, invoke = (
        next(tool.name for tool in needed if tool.name.endswith(job)) for job in COMPRESSOR_TOOLS
    )
    session.paid.listing = listed(needed)
    for tool in wanted:
        await session.look(describe, {"tool_name": tool.name})
        session.paid.found += 1
    for tool in wanted:
        await session.call(invoke, {"tool_name": tool.name, "tool_input": tool.arguments})


async def through_fastmcp(session: Session, tools: Sequence[types.Tool], wanted: Sequence[Wanted]) -> None:
    """Search for all with one question, then for each that was not shown, then call each."""
    session.paid.listing = listed(tools)
    shown = set[str]()

    async def search(query: str) -> None:
        answer = await session.look("search_tools", {"query": query})
        # When it finds nothing it answers without any text.
        shown.update(tool["name"] for tool in json.loads(answer.text or "[]"))

    await search(" ".join(tool.sentence for tool in wanted))
    for tool in wanted:
        if tool.name not in shown:
            await search(tool.sentence)
    for tool in wanted:
        if tool.name in shown:
            session.paid.found += 1
            await session.call("call_tool", {"name": tool.name, "arguments": tool.arguments})


def peer_sessions(command: JsonObject, folder: Path) -> list[Peer]:
    """Each peer in front of the server that this command starts."""
    programs: dict[str, tuple[StdioServerParameters, Agent]] = {
        f"mcp-compressor {level}": (compressor(level, command, folder), through_compressor)
        for level in COMPRESSOR_LEVELS
    }
    programs["fastmcp's search transform"] = fastmcp(command, folder), through_fastmcp
    return [(name, partial(client_of, parameters), agent) for name, (parameters, agent) in programs.items()]


def compressor(level: str, command: JsonObject, folder: Path) -> StdioServerParameters:
    config = folder / "mcp.json"
    config.write_text(json.dumps({"mcpServers": {"recorded": command}}))
    return StdioServerParameters(
        command=str(PEERS / "mcp-compressor"), args=["-c", level, "--config", str(config)]
    )


def fastmcp(command: JsonObject, folder: Path) -> StdioServerParameters:
    script = folder / "gateway.py"
    script.write_text(FASTMCP % (command,))
    return StdioServerParameters(command=str(PEERS / "python"), args=[str(script)])


@asynccontextmanager
async def client_of(parameters: StdioServerParameters) -> AsyncGenerator[Client]:
    """A client of a program that speaks MCP over stdio; what the program writes besides is dropped."""
    with open_nothing() as log:
        # fastmcp expects of the servers behind it the protocol that its own client speaks, and the recorded
        # server speaks that of the handshake.
        async with Client(stdio_client(parameters, errlog=log), cache=None, mode="legacy") as client:
            yield client


def open_nothing() -> TextIO:
    return Path(os.devnull).open("w")
