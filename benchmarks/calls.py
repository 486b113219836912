"""A warm call to a stdio server: direct, through toolhone, and through peers, in turns.

python benchmarks/calls.py [--rounds N]

The peers run from `.venv-peers` (`make bench` installs them); without it their rows are left out.
"""

import argparse
import json
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
from figures import ECHO, PEERS, Job, echo_server, in_turns, print_times, toolhone_serving
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult

FASTMCP = """
from fastmcp import FastMCP
from fastmcp.server import create_proxy
from fastmcp.server.transforms.search import BM25SearchTransform
gateway = FastMCP("gateway")
gateway.mount(create_proxy({"mcpServers": {"echo": {"command": %r, "args": [%r]}}}, name="proxy"))
gateway.add_transform(BM25SearchTransform())
gateway.run(show_banner=False)
"""


def checked(result: CallToolResult) -> None:
    assert not result.is_error and "hello" in str(result.content), result.content


def direct(client: Client) -> Job:
    async def job() -> None:
        checked(await client.call_tool("echo", {"text": "hello"}))

    return job


def through_toolhone(client: Client) -> Job:
    async def job() -> None:
        call = {"tool": "echo__echo", "arguments": {"text": "hello"}}
        checked(await client.call_tool("call_tools", {"calls": [call]}))

    return job


def through_fastmcp(client: Client) -> Job:
    async def job() -> None:
        checked(await client.call_tool("call_tool", {"name": "echo", "arguments": {"text": "hello"}}))

    return job


def through_compressor(client: Client) -> Job:
    async def job() -> None:
        arguments = {"tool_name": "echo", "tool_input": {"text": "hello"}}
        checked(await client.call_tool("invoke_tool", arguments))

    return job


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    rounds = parser.parse_args().rounds
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="toolhone-bench-")))
        bare = StdioServerParameters(command=sys.executable, args=[str(ECHO)])
        served = stack.enter_context(toolhone_serving({"echo": echo_server()}))
        jobs: dict[str, Job] = {
            "direct": direct(await stack.enter_async_context(Client(bare, cache=None))),
            "toolhone": through_toolhone(await stack.enter_async_context(Client(served, cache=None))),
        }
        if (PEERS / "python").exists():
            script = folder / "gateway.py"
            script.write_text(FASTMCP % (sys.executable, str(ECHO)))
            fastmcp = StdioServerParameters(command=str(PEERS / "python"), args=[str(script)])
            jobs["fastmcp proxy + search"] = through_fastmcp(
                await stack.enter_async_context(Client(fastmcp, cache=None))
            )
            config = folder / "mcp.json"
            config.write_text(
                json.dumps({"mcpServers": {"echo": {"command": sys.executable, "args": [str(ECHO)]}}})
            )
            compressor = StdioServerParameters(
                command=str(PEERS / "mcp-compressor"), args=["-c", "medium", "--config", str(config)]
            )
            jobs["mcp-compressor"] = through_compressor(
                await stack.enter_async_context(Client(compressor, cache=None))
            )
        times = await in_turns(jobs, rounds, warm_up=20)
    print_times("a warm call to a stdio server", times, "direct")


if __name__ == "__main__":
    anyio.run(main)
