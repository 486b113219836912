"""find_tools through the whole server over stdio: latency, and resident memory step by step.

python benchmarks/server.py --data FOLDER [--limit 300]

FOLDER holds tool listings, one server a JSON file. They are put into the data folder as toolhone itself keeps
the last listing of a server, so the tools are found and no server has to be started.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import anyio
from figures import TOOLHONE, milliseconds, percentile
from find_tools import catalog, tasks
from mcp import Client, StdioServerParameters
from rich.console import Console
from rich.table import Table

from toolhone.models import content_hash
from toolhone.registry.config import load_servers
from toolhone.storage.catalogs import SqliteCatalogStore
from toolhone.stores import StoredCatalog


def put_into_data_folder(listings: Path, folder: Path) -> Path:
    """A configuration that names the servers, and their listings beside it; returns the former."""
    names = [path.stem for path in sorted(listings.glob("*.json"))]
    config = folder / "mcp.json"
    config.write_text(json.dumps({"mcpServers": {name: {"command": "not-started"} for name in names}}))
    store = SqliteCatalogStore(folder / "data")
    entries = load_servers(config, os.environ).entries
    for entry, path in zip(entries, sorted(listings.glob("*.json")), strict=True):
        tools = json.loads(path.read_text())["tools"]
        store.save(
            StoredCatalog(
                server=entry.name,
                fingerprint=entry.fingerprint,
                content_hash=content_hash(tools),
                tools=tools,
                listed_at="2026-01-01T00:00:00+00:00",
            )
        )
    store.close()
    return config


def children() -> set[int]:
    text = "".join(path.read_text() for path in Path("/proc/self/task").glob("*/children"))
    return {int(pid) for pid in text.split()}


def resident_mb(pid: int) -> float:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


async def measure(listings: Path, asked: Iterable[str]) -> None:
    memory = Table("after", "resident MB", title="memory of toolhone serve")
    with tempfile.TemporaryDirectory(prefix="toolhone-bench-") as text:
        folder = Path(text)
        config = put_into_data_folder(listings, folder)
        registry = folder / "registry"
        registry.mkdir()
        noted = registry / "note.json"
        noted.write_text(
            json.dumps(
                {
                    "name": "note",
                    "description": "Answer with the text that was given.",
                    "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}},
                    "handler": {"type": "python", "function": "note:note"},
                }
            )
        )
        (registry / "note.py").write_text("def note(text: str) -> str:\n    return text\n")
        served = StdioServerParameters(
            command=str(TOOLHONE),
            args=[
                *("serve", "--role", "agent", "--config", str(config)),
                *("--registry", str(registry), "--data", f"{folder}/data"),
            ],
        )
        before = children()
        async with Client(served, cache=None) as client:
            (pid,) = children() - before
            await client.list_tools()
            memory.add_row("initialize and tools/list", f"{resident_mb(pid):.0f}")
            call = {"tool": "note", "arguments": {"text": "hello"}}
            await client.call_tool("call_tools", {"calls": [call]})
            memory.add_row("the first call (o200k vocabulary, audit)", f"{resident_mb(pid):.0f}")

            async def ask(task: str) -> dict[str, Any]:
                result = await client.call_tool("find_tools", {"task": task})
                assert not result.is_error, result.content
                answer: Any = result.structured_content
                return answer

            first, *rest = asked
            answer = await ask(first)
            memory.add_row("the first search (model, index)", f"{resident_mb(pid):.0f}")
            with anyio.fail_after(300):
                while answer["method"] != "hybrid" or "notices" in answer:
                    await anyio.sleep(1)
                    answer = await ask(first)
            memory.add_row("every tool embedded", f"{resident_mb(pid):.0f}")
            times: list[float] = []
            inside: list[float] = []
            for task in rest:

                async def job(task: str = task) -> None:
                    inside.append((await ask(task))["elapsed_ms"])

                times.append(await milliseconds(job))
            memory.add_row(f"{len(times)} searches", f"{resident_mb(pid):.0f}")
    latency = Table("measured", "p50 ms", "p95 ms", "max ms", title="find_tools, warm")
    for where, values in (("in the server", inside), ("by the client, over stdio", times)):
        latency.add_row(
            where, f"{percentile(values, 0.5):.1f}", f"{percentile(values, 0.95):.1f}", f"{max(values):.1f}"
        )
    schemas = answer["tokens"]["all_schemas"]
    print(f"{answer['considered']} tools, {schemas:,} tokens of schemas, {len(times)} searches")
    console = Console()
    console.print(memory)
    console.print(latency)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with tool listings")
    parser.add_argument("--limit", type=int, default=300, help="how many questions (default: 300)")
    options = parser.parse_args()
    if not sys.platform.startswith("linux"):
        parser.error("reads memory from /proc, so it needs Linux")
    definitions = catalog(options.data)
    anyio.run(measure, options.data, tasks(definitions, None, options.limit))


if __name__ == "__main__":
    main()
