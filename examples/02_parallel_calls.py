"""Parallel calls in one request; one call's result is another's argument; one failure harms no other."""

import json
import sys
import tempfile
from pathlib import Path

import anyio
from mcp import Client, StdioServerParameters

ROOT = Path(__file__).resolve().parent.parent


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        sales = Path(folder) / "sales.csv"
        sales.write_text("city,total\nLisbon,10\nOsaka,32\nQuito,4\n")
        toolhone = StdioServerParameters(
            command=sys.executable,
            args=[
                *("-m", "toolhone", "serve"),
                *("--registry", str(ROOT / "tool_registry")),
                *("--data", f"{folder}/data"),
            ],
        )
        calls = [
            {"id": "summary", "tool": "analyze_data", "arguments": {"path": str(sales)}},
            # Waits for `summary` and takes the path out of its answer.
            {
                "id": "hash",
                "tool": "hash_file",
                "arguments": {"path": {"$from": "summary", "path": "/path"}},
            },
            {"id": "sum", "tool": "calculate", "arguments": {"expression": "10 + 32 + 4"}},
            {"id": "wrong", "tool": "calculate", "arguments": {"expresion": "1"}},
            {"id": "after_wrong", "tool": "hash_file", "arguments": {"path": {"$from": "wrong"}}},
        ]
        async with Client(toolhone) as client:
            answer = await client.call_tool("call_tools", {"calls": calls})
        assert answer.structured_content is not None
        results = {result["id"]: result for result in answer.structured_content["results"]}
        for name, result in results.items():
            shown = result["result"] if result["success"] else result["error"]
            print(f"{name}: {json.dumps(shown)[:150]}")

        assert list(results) == ["summary", "hash", "sum", "wrong", "after_wrong"]
        assert results["summary"]["result"]["rows"] == 3
        assert results["hash"]["result"]["bytes"] == sales.stat().st_size
        assert results["sum"]["result"]["result"] == 46
        assert results["wrong"]["error"]["code"] == "invalid_arguments"
        assert results["after_wrong"]["error"]["code"] == "reference_failed"


if __name__ == "__main__":
    anyio.run(main)
