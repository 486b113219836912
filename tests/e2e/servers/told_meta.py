"""An MCP server (2025-11-25, stdio) without the SDK, with one tool that answers the `_meta` of its call."""

import json
import sys
from typing import Any


def send(number: int, result: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": number, "result": result}) + "\n")
    sys.stdout.flush()


for line in sys.stdin:
    message = json.loads(line)
    method, number, params = message.get("method"), message.get("id"), message.get("params", {})
    if method == "initialize":
        info = {"name": "told", "version": "1"}
        send(number, {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info})
    elif method == "tools/list":
        send(number, {"tools": [{"name": "meta", "inputSchema": {"type": "object"}}]})
    elif method == "tools/call":
        meta = params.get("_meta", {})
        send(number, {"content": [{"type": "text", "text": json.dumps(meta)}], "structuredContent": meta})
    elif number is not None:
        error = {"code": -32601, "message": "Method not found"}
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": number, "error": error}) + "\n")
        sys.stdout.flush()
