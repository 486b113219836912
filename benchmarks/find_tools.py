"""How fast the selector answers, what it keeps in memory, and how long its index takes.

python benchmarks/find_tools.py --data FOLDER [--queries FILE.jsonl] [--limit 300]

FOLDER holds tool listings, one server a JSON file: {"server": {"name"}, "tools": [{"name", "description",
"inputSchema"}]}. Queries are the first sentences of the tools' own descriptions, which finds tools easily and
is no measure of quality (`benchmarks/selection.py` is), or `query` of each line of --queries.
"""

import argparse
import json
import random
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import cast

import anyio
from figures import percentile
from rich.console import Console
from rich.table import Table

from toolhone.models import JsonObject, ToolDefinition
from toolhone.selection.bundle import load_default
from toolhone.selection.selector import Selector
from toolhone.storage.vectors import SqliteVectorStore
from toolhone.stores import VectorStore


def catalog(folder: Path) -> list[ToolDefinition]:
    """The tools of every listing, named as toolhone names downstream tools."""
    definitions: dict[str, ToolDefinition] = {}
    for path in sorted(folder.glob("*.json")):
        tools = cast("list[JsonObject]", json.loads(path.read_text())["tools"])
        for tool in tools:
            name = re.sub(r"[^a-z0-9_]+", "_", f"{path.stem}__{tool['name']}".lower())
            definitions[name] = ToolDefinition(
                name=name,
                description=tool.get("description") or "",
                input_schema=tool["inputSchema"],
                server=path.stem,
                original_name=tool["name"],
            )
    return list(definitions.values())


def tasks(definitions: Sequence[ToolDefinition], file: Path | None, limit: int) -> list[str]:
    if file is not None:
        found = [str(json.loads(line)["query"]) for line in file.read_text().splitlines() if line.strip()]
    else:
        sentences = (re.split(r"(?<=[.!?])\s|\n", tool.description.strip())[0] for tool in definitions)
        found = [sentence[:300] for sentence in sentences if len(sentence) > 10]
    # No task twice: the selector remembers the vectors of tasks.
    unique = sorted(set(found))
    random.Random(0).shuffle(unique)
    return unique[:limit]


def resident_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


async def timed_index(
    definitions: Sequence[ToolDefinition], open_vectors: Callable[[], VectorStore], asked: Sequence[str]
) -> tuple[float, float, list[float]]:
    """Milliseconds of the first question, seconds until all is indexed, milliseconds of each later one."""
    first, indexed, times = 0.0, 0.0, list[float]()
    selector = Selector(load_encoder=load_default, open_vectors=open_vectors, usage=dict)
    selector.update(definitions)
    async with anyio.create_task_group() as group:
        await group.start(selector.run)
        began = perf_counter()
        first = (await selector.select(asked[0])).elapsed_ms
        await selector.wait_indexed()
        indexed = perf_counter() - began
        times = [(await selector.select(task)).elapsed_ms for task in asked[1:]]
        group.cancel_scope.cancel()
    return first, indexed, times


async def measure(definitions: Sequence[ToolDefinition], asked: Sequence[str]) -> None:
    table = Table(
        "index",
        "tools",
        "first ms",
        "indexed s",
        "questions",
        "p50 ms",
        "p95 ms",
        "MB before",
        "MB after",
        title="find: the selector alone",
    )
    with tempfile.TemporaryDirectory(prefix="toolhone-bench-") as folder:

        def open_vectors() -> VectorStore:
            return SqliteVectorStore(Path(folder))

        for index in ("cold", "from the vector cache"):
            before = resident_mb()
            first, indexed, times = await timed_index(definitions, open_vectors, asked)
            table.add_row(
                index,
                f"{len(definitions):,}",
                f"{first:.0f}",
                f"{indexed:.1f}",
                str(len(times)),
                f"{percentile(times, 0.5):.1f}",
                f"{percentile(times, 0.95):.1f}",
                # The second selector loads the model a second time, which no server does.
                *((f"{before:.0f}", f"{resident_mb():.0f}") if index == "cold" else ()),
            )
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with tool listings")
    parser.add_argument("--queries", type=Path, help="JSON lines with a `query` each")
    parser.add_argument("--limit", type=int, default=300, help="how many questions (default: 300)")
    options = parser.parse_args()
    definitions = catalog(options.data)
    if not definitions:
        parser.error(f"no listing with tools in {options.data}")
    anyio.run(measure, definitions, tasks(definitions, options.queries, options.limit))


if __name__ == "__main__":
    main()
