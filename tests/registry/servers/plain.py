"""A small MCP server (2025-11-25, stdio) without the SDK: starts at once, and can misbehave in many ways."""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

OBJECT: dict[str, Any] = {"type": "object"}
TOOLS: list[Any] = [
    {"name": "echo", "description": "Give back the text.", "annotations": {"readOnlyHint": True}},
    {"name": "pid"},
    {"name": "waitForever", "description": "Never answers."},
    {"name": "cancelled", "description": "How many calls were cancelled."},
    {"name": "progress"},
    {"name": "die", "description": "Ends the server in mid-call."},
    {"name": "grow", "description": "One tool comes, one goes, and the client is told."},
    {"name": "fail"},
    {"name": "odd", "description": "Answers with a block that is not MCP, and with null."},
    {"name": "forEver", "description": "x" * 20_000},
]
MORE_TOOLS: list[Any] = [
    {"name": "refuse", "description": "Answers with the error that the arguments say."},
    {"name": "environment", "description": "The value of a variable."},
]
BAD_TOOLS: list[Any] = [
    "not a tool",
    {"name": "no_schema", "inputSchema": None},
    {"name": "bad_type", "inputSchema": {"type": "object", "properties": {"a": {"type": "text"}}}},
    {"name": "array", "inputSchema": {"type": "array"}},
    {"name": "echo", "description": "A second one.", "inputSchema": OBJECT},
]


def send(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def answer(number: int, text: str, **more: Any) -> None:
    send({"id": number, "result": {"content": [{"type": "text", "text": text}], **more}})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tools", type=int, default=0, help="list this many, in pages of a thousand")
    parser.add_argument("--more", action="store_true", help="have tools that few tests need")
    parser.add_argument("--bad", action="store_true", help="list wrong tools among the good ones")
    parser.add_argument("--endless", action="store_true", help="repeat the first page for ever")
    parser.add_argument("--garbage", action="store_true", help="print to stdout what is not MCP")
    parser.add_argument("--hang", choices=["initialize", "tools/list"], help="never answer this")
    parser.add_argument("--exit", help="write this to stderr and end at once")
    parser.add_argument("--exit-if", type=Path, help="end at once if this file exists")
    parser.add_argument("--stubborn", type=Path, help="outlive everything but SIGKILL; write all pids here")
    parser.add_argument("--starts", type=Path, help="append a line for every start")
    parser.add_argument("--gate", type=Path, help="start when somebody opens this pipe for writing")
    parser.add_argument("--name", default="plain", help="the name to give in the handshake")
    parser.add_argument("--strict", action="store_true", help="end at a first message other than initialize")
    options = parser.parse_args()
    if options.starts:
        with options.starts.open("a") as file:
            file.write(f"{os.getpid()}\n")
    if options.gate:
        options.gate.read_bytes()
    if options.exit or (options.exit_if and options.exit_if.exists()):
        sys.exit(options.exit or "told to end")
    if options.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        code = "import os, signal, time; signal.signal(15, signal.SIG_IGN); os.setsid(); time.sleep(600)"
        grandchild = subprocess.Popen([sys.executable, "-I", "-S", "-c", code])
        options.stubborn.write_text(f"{os.getpid()} {grandchild.pid}")

    tools = TOOLS + (MORE_TOOLS if options.more else [])
    cancelled = 0
    for line in sys.stdin:
        message = json.loads(line)
        method, number, params = message.get("method"), message.get("id"), message.get("params", {})
        if options.garbage:
            print("Starting up... 100%", flush=True)
            sys.stdout.buffer.write(b"\xff\xfe{broken\n")
        if options.strict:
            if method != "initialize":
                sys.exit("expected initialize")
            options.strict = False
        if method == options.hang:
            continue
        if method == "initialize":
            info = {"name": options.name, "version": "1"}
            capabilities = {"tools": {"listChanged": True}}
            result = {"protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": info}
            send({"id": number, "result": result})
        elif method == "tools/list":
            start = int(params.get("cursor", 0))
            if options.tools:
                names = range(start, min(start + 1000, options.tools))
                page: list[Any] = [{"name": f"tool_{index}", "inputSchema": OBJECT} for index in names]
                more = {"nextCursor": str(start + 1000)} if start + 1000 < options.tools else {}
            else:
                page = [{"inputSchema": OBJECT, **tool} for tool in tools]
                page += BAD_TOOLS if options.bad else []
                more = {"nextCursor": "0"} if options.endless else {}
            send({"id": number, "result": {"tools": page, **more}})
        elif method == "tools/call":
            name, arguments = params["name"], params.get("arguments", {})
            if name == "echo":
                answer(number, json.dumps(arguments), structuredContent=arguments)
            elif name == "pid":
                answer(number, str(os.getpid()))
            elif name == "cancelled":
                answer(number, str(cancelled))
            elif name == "progress":
                token = params["_meta"]["progressToken"]
                for step in (1, 2):
                    told = {"progressToken": token, "progress": step, "total": 2, "message": f"step {step}"}
                    send({"method": "notifications/progress", "params": told})
                answer(number, "done")
            elif name == "die":
                os._exit(3)
            elif name == "grow":
                tools = [tool for tool in tools if tool["name"] != "fail"] + [{"name": "grown"}]
                send({"method": "notifications/tools/list_changed"})
                answer(number, "grown")
            elif name == "fail":
                send({"id": number, "error": {"code": -32050, "message": "no luck today"}})
            elif name == "refuse":
                send({"id": number, "error": arguments})
            elif name == "environment":
                answer(number, os.environ.get(arguments["variable"], ""))
            elif name == "odd":
                odd = [{"type": "text", "text": "fine"}, {"type": "smell", "strength": 3}]
                send({"id": number, "result": {"content": odd, "structuredContent": None}})
            elif name == "grown":
                answer(number, "new")
        elif method == "notifications/cancelled":
            cancelled += 1
        elif number is not None:
            send({"id": number, "error": {"code": -32601, "message": "Method not found"}})
    if options.stubborn:
        threading.Event().wait()


if __name__ == "__main__":
    main()
