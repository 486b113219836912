"""A small MCP server (2025-11-25, stdio) whose tools stand in a file, so that a test can change them.

The file is read at every tools/list. A tool answers with what stands under "_answer", else with its name; the
tool "reload" tells the client that the list has changed.
"""

import json
import sys
from pathlib import Path
from typing import Any


def send(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def main(file: Path, calls: Path) -> None:
    for line in sys.stdin:
        message = json.loads(line)
        method, number, params = message.get("method"), message.get("id"), message.get("params", {})
        tools: list[dict[str, Any]] = json.loads(file.read_text())
        if method == "initialize":
            info = {"name": "from_file", "version": "1"}
            capabilities = {"tools": {"listChanged": True}}
            result = {"protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": info}
            send({"id": number, "result": result})
        elif method == "tools/list":
            send({"id": number, "result": {"tools": tools}})
        elif method == "tools/call":
            with calls.open("a") as log:
                log.write(params["name"] + "\n")
            if params["name"] == "reload":
                send({"method": "notifications/tools/list_changed"})
            answers = {tool["name"]: tool.get("_answer", tool["name"]) for tool in tools}
            text = answers.get(params["name"], "")
            send({"id": number, "result": {"content": [{"type": "text", "text": text}]}})
        elif number is not None:
            send({"id": number, "error": {"code": -32601, "message": "Method not found"}})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
