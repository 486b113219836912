"""Downstream MCP servers, configured as hosts do it; every step of it is in the audit log."""

import json
import sys
import tempfile
from pathlib import Path

import anyio
from mcp import Client, StdioServerParameters

BIN = Path(sys.executable).parent


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "mcp.json"
        clock = {"command": str(BIN / "mcp-server-time"), "toolhone": {"trusted": True}}
        missing = {"command": "no-such-server"}
        config.write_text(json.dumps({"mcpServers": {"clock": clock, "missing": missing}}))
        toolhone = StdioServerParameters(
            command=sys.executable,
            args=["-m", "toolhone", "serve", "--config", str(config), "--data", f"{folder}/data"],
        )
        async with Client(toolhone) as client:
            task = "convert a time to another time zone"
            found = await client.call_tool("find_tools", {"task": task, "max_tools": 1})
            assert found.structured_content is not None
            (tool,) = found.structured_content["tools"]
            print(f"found {tool['name']} of the server {tool['server']}")
            assert tool["name"] == "clock__convert_time"

            arguments = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
            call = {"tool": tool["name"], "arguments": arguments}
            done = await client.call_tool("call_read_tools", {"calls": [call]})
            assert done.structured_content is not None
            (result,) = done.structured_content["results"]
            print(f"12:00 UTC is {result['result']['target']['datetime']} in Tokyo")
            assert result["result"]["time_difference"] == "+9.0h"

        # The same record that an operator reads.
        listed = await anyio.run_process(
            [sys.executable, "-m", "toolhone", "audit", "list", "--json", "--data", f"{folder}/data"]
        )
        kinds = {row["kind"] for row in json.loads(listed.stdout)}
        print(f"recorded: {sorted(kinds)}")
        assert {"selection", "call", "server"} <= kinds


if __name__ == "__main__":
    anyio.run(main)
