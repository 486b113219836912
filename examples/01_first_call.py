"""The first call: a host starts toolhone, its agent describes a task and runs what it finds."""

import sys
import tempfile
from pathlib import Path

import anyio
from mcp import Client, StdioServerParameters

ROOT = Path(__file__).resolve().parent.parent


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        toolhone = StdioServerParameters(
            command=sys.executable,
            args=["-m", "toolhone", "serve", "--registry", str(ROOT / "tool_registry"), "--data", data],
        )
        async with Client(toolhone) as client:
            found = await client.call_tool("find_tools", {"task": "calculate a sum", "max_tools": 1})
            assert found.structured_content is not None
            tool = found.structured_content["tools"][0]
            print(f"found {tool['name']}: {tool['signature'].splitlines()[1]}")
            assert tool["name"] == "calculate"

            call = {"tool": tool["name"], "arguments": {"expression": "17 * 3 + 1"}}
            done = await client.call_tool("call_read_tools", {"calls": [call]})
            assert done.structured_content is not None
            (result,) = done.structured_content["results"]
            print(f"called it: {result['result']}")
            assert result["success"]
            assert result["result"]["result"] == 52


if __name__ == "__main__":
    anyio.run(main)
