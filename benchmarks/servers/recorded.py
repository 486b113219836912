"""A small MCP server (stdio, no SDK) that lists recorded tools and answers their calls with recorded results.

python benchmarks/servers/recorded.py FILE

FILE holds {"tools": [...], "answers": {NAME: result}}; a tool without an answer answers "ok".
"""

import json
import sys
from pathlib import Path
from typing import Any

OK: dict[str, Any] = {"content": [{"type": "text", "text": "ok"}]}


def answer(method: str, params: dict[str, Any], recorded: dict[str, Any]) -> dict[str, Any] | None:
    if method == "initialize":
        return {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "recorded", "version": "1"},
        }
    if method == "ping":
        return {}
    if method == "tools/list":
        return {"tools": recorded["tools"]}
    if method == "tools/call":
        return recorded.get("answers", {}).get(params["name"], OK)
    return None


def main() -> None:
    recorded = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            continue
        result = answer(message.get("method", ""), message.get("params") or {}, recorded)
        said = (
            {"error": {"code": -32601, "message": "Method not found"}}
            if result is None
            else {"result": result}
        )
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **said}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
