"""Many clients at once over HTTP: tool selections over REST, and MCP calls through to a stdio server.

python benchmarks/load.py [--clients 64] [--seconds 20] [--data FOLDER]

The server, the stdio server behind it and the clients are three processes that share the machine's cores. The
tools are the frozen set of tests/selection; --data adds the listings of a folder. At the end the rows of the
audit are counted: each answered request must have one. fastmcp's proxy with search takes the same calls, if
`make bench` has installed it. A virtual machine may not get the cores that it has: "stolen" is the share of
their time that its host gave to others.
"""

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, cycle
from pathlib import Path

import anyio
from figures import ECHO, PEERS, ROOT, TOOLHONE, echo_server, percentile
from load_client import Answer, Outcome, load, request
from recorded_tools import KEYS, read_listings, serving
from rich.console import Console
from rich.table import Table

from server import resident_mb
from toolhone.models import EventKind, JsonObject
from toolhone.storage.audit import SqliteAuditStore
from toolhone.stores import AuditQuery

FROZEN = ROOT / "tests" / "selection" / "frozen"
VERSION = "2026-07-28"
PATIENCE = 60.0
"""Seconds that a server may take to listen."""

WARMING = 2.0
"""Seconds of load at a time, until everything is loaded."""

FASTMCP = """
from fastmcp import FastMCP
from fastmcp.server import create_proxy
from fastmcp.server.transforms.search import BM25SearchTransform
gateway = FastMCP("gateway")
gateway.mount(create_proxy({"mcpServers": {"echo": {"command": %r, "args": [%r]}}}, name="proxy"))
gateway.add_transform(BM25SearchTransform())
gateway.run(transport="http", host="127.0.0.1", port=%d, show_banner=False)
"""


@dataclass(frozen=True, slots=True)
class Served:
    """A server that takes requests."""

    pid: int
    port: int
    headers: Mapping[str, str]
    """What each request needs."""


def configured(folder: Path, data: Path | None) -> JsonObject:
    """The echo server, and servers that only list tools."""
    lines = (FROZEN / "tools.jsonl").read_text().splitlines()
    tools = [{key: tool[key] for key in KEYS} for tool in map(json.loads, lines)]
    servers: JsonObject = {"echo": echo_server(), "frozen": serving(folder / "frozen.json", tools)}
    for listing in read_listings(data) if data is not None else ():
        servers[listing.server] = serving(folder / f"{listing.server}.json", listing.tools)
    return servers


def tasks() -> list[str]:
    return [json.loads(line)["query"] for line in (FROZEN / "queries.jsonl").read_text().splitlines()]


def selection(task: str, headers: Mapping[str, str]) -> bytes:
    body: JsonObject = {"task_description": task, "max_tools": 5, "prefer_fast": True}
    return request("/api/v1/finetuning/tools/select", body, headers)


def selections_seen(headers: Mapping[str, str]) -> Callable[[], bytes]:
    asked = cycle([selection(task, headers) for task in tasks()])
    return lambda: next(asked)


def selections_new(headers: Mapping[str, str]) -> Callable[[], bytes]:
    known, numbers = tasks(), count()

    def asked() -> bytes:
        number = next(numbers)
        return selection(f"{known[number % len(known)]} It is about order {number * 7919}.", headers)

    return asked


def mcp_call(tool: str, arguments: JsonObject, headers: Mapping[str, str]) -> Callable[[], bytes]:
    body: JsonObject = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": tool,
            "arguments": arguments,
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": VERSION,
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": {"name": "load", "version": "1"},
            },
        },
    }
    routing = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": VERSION,
        "Mcp-Method": "tools/call",
        "Mcp-Name": tool,
    }
    asked = request("/mcp", body, {**headers, **routing})
    return lambda: asked


def selected(answer: Answer) -> bool:
    return answer.status == 200 and isinstance(answer.json()["selected_tools"], list)


def echoed(answer: Answer) -> bool:
    return answer.status == 200 and b"hello" in answer.body and not answer.json()["result"].get("isError")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextmanager
def listening(command: Sequence[str], port: int, log: Path) -> Generator[int]:
    """A process that listens at this port, until the end."""
    with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        try:
            until = time.monotonic() + PATIENCE
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > until:
                        sys.exit(f"{command[0]} does not listen:\n{log.read_text()}")
                    time.sleep(0.05)
            yield process.pid
        finally:
            process.terminate()


@contextmanager
def toolhone(folder: Path, servers: JsonObject) -> Generator[Served]:
    config, registry, data, port = folder / "mcp.json", folder / "registry", folder / "data", free_port()
    config.write_text(json.dumps({"mcpServers": servers}))
    registry.mkdir()
    issue = [str(TOOLHONE), "tokens", "issue", "--role", "agent", "--data", str(data)]
    token = subprocess.run(issue, check=True, capture_output=True, text=True).stdout.strip()
    command = [str(TOOLHONE), "serve", "--http", f"127.0.0.1:{port}"]
    command += ["--config", str(config), "--registry", str(registry), "--data", str(data)]
    with listening(command, port, folder / "toolhone.log") as pid:
        yield Served(pid, port, {"Host": f"127.0.0.1:{port}", "Authorization": f"Bearer {token}"})


@contextmanager
def fastmcp(folder: Path) -> Generator[Served]:
    port = free_port()
    script = folder / "gateway.py"
    script.write_text(FASTMCP % (sys.executable, str(ECHO), port))
    with listening([str(PEERS / "python"), str(script)], port, folder / "fastmcp.log") as pid:
        yield Served(pid, port, {"Host": f"127.0.0.1:{port}"})


@dataclass(frozen=True, slots=True)
class Processor:
    """What the cores did since the machine was started, in ticks."""

    total: int
    stolen: int
    """By the host of a virtual machine."""

    @classmethod
    def now(cls) -> "Processor | None":
        """`None` where the system does not say."""
        try:
            first = Path("/proc/stat").read_text().split("\n", 1)[0]
        except OSError:
            return None
        ticks = [int(field) for field in first.split()[1:]]
        return cls(sum(ticks[:8]), ticks[7])

    def stolen_until(self, later: "Processor") -> float:
        """The share from now until then, 0..1."""
        return (later.stolen - self.stolen) / max(later.total - self.total, 1)


class Lanes:
    """Loads one after the other, and what they came to."""

    def __init__(self, clients: int, seconds: float) -> None:
        self._clients = clients
        self._seconds = seconds
        self.table = Table("", "a second", "p50 ms", "p99 ms", "answered", "refused", "server MB", "stolen")

    async def warm(
        self, served: Served, asked: Callable[[], bytes], accepted: Callable[[Answer], bool], least: int
    ) -> int:
        """Let everything be loaded, by at least so many requests; returns how many were answered."""
        answered = 0
        while answered < least:
            answered += len((await self._load(served, asked, accepted, WARMING)).times)
        return answered

    async def run(
        self, name: str, served: Served, asked: Callable[[], bytes], accepted: Callable[[Answer], bool]
    ) -> Outcome:
        before = Processor.now()
        outcome = await self._load(served, asked, accepted, self._seconds)
        after = Processor.now()
        self.table.add_row(
            name,
            f"{outcome.per_second:.0f}",
            f"{percentile(outcome.times, 0.5):.0f}",
            f"{percentile(outcome.times, 0.99):.0f}",
            f"{len(outcome.times):,}",
            str(outcome.refused),
            f"{resident_mb(served.pid):.0f}",
            f"{before.stolen_until(after):.0%}" if before and after else "not known",
        )
        print(f"{name}: {outcome.per_second:.0f} a second", file=sys.stderr, flush=True)
        return outcome

    async def _load(
        self, served: Served, asked: Callable[[], bytes], accepted: Callable[[Answer], bool], seconds: float
    ) -> Outcome:
        address = ("127.0.0.1", served.port)
        return await load(address, asked, accepted, clients=self._clients, seconds=seconds)


def rows(data: Path, kind: EventKind) -> int:
    store = SqliteAuditStore(data)
    try:
        return sum(1 for _ in store.export(AuditQuery(kinds=(kind.value,), limit=None)))
    finally:
        store.close()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=20, help="of each load")
    parser.add_argument("--data", type=Path, help="folder of tool listings")
    given = parser.parse_args()
    lanes = Lanes(given.clients, given.seconds)
    with tempfile.TemporaryDirectory(prefix="toolhone-bench-") as name:
        folder = Path(name)
        with toolhone(folder, configured(folder, given.data)) as served:
            seen = selections_seen(served.headers)
            call = mcp_call(
                "call_tools",
                {"calls": [{"tool": "echo__echo", "arguments": {"text": "hello"}}]},
                served.headers,
            )
            selections = await lanes.warm(served, seen, selected, 3 * len(tasks()))
            calls = await lanes.warm(served, call, echoed, 200)
            for name, asked in (("seen", seen), ("new", selections_new(served.headers))):
                outcome = await lanes.run(f"selections, tasks {name}", served, asked, selected)
                selections += len(outcome.times)
            calls += len((await lanes.run("MCP calls", served, call, echoed)).times)
        kept = rows(folder / "data", EventKind.SELECTION), rows(folder / "data", EventKind.CALL)
        if (PEERS / "python").exists():
            with fastmcp(folder) as served:
                call = mcp_call("call_tool", {"name": "echo", "arguments": {"text": "hello"}}, served.headers)
                await lanes.warm(served, call, echoed, 200)
                await lanes.run("fastmcp: MCP calls", served, call, echoed)
    console = Console()
    console.print(lanes.table)
    console.print(
        f"audit: {kept[0]:,} of {selections:,} selections, {kept[1]:,} of {calls:,} calls", style="bold"
    )


if __name__ == "__main__":
    anyio.run(main)
