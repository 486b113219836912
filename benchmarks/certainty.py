"""Whether an answer's certainty tells requests that a tool fits from those that none does.

python benchmarks/certainty.py --data FOLDER [--split dev] [--queries N]

For each set with `queries-none.jsonl` ({id, query, offered: [names]}). Twice: over the whole registry, where
another tool than the offered ones may fit, and as an agent with few tools would ask: over the offered
tools, or the right ones, with as many others as make five. AUROC is the chance that a request with a
fitting tool gets the higher certainty (Mann and Whitney, 1947); brackets hold its 95 % bootstrap interval.
"""

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path

import anyio
from rich.console import Console
from rich.table import Table

from toolhone.cli.rank import default_selector
from toolhone.evaluation.discrimination import auroc_interval
from toolhone.evaluation.query_sets import read_tools
from toolhone.models import Json, ToolDefinition

FEW = 5

Answers = list[tuple[float, bool]]
"""How sure each answer is, and whether it says that nothing fits."""


async def ask(
    tools: Sequence[ToolDefinition], rows: Sequence[tuple[Json, Sequence[str]]]
) -> tuple[Answers, Answers]:
    """The answers to requests, given with their own tools, over all tools and over few."""
    selector = default_selector()
    selector.update(tools)
    rng = random.Random(0)
    names = [tool.name for tool in tools]
    among_all: Answers = []
    among_few: Answers = []
    async with anyio.create_task_group() as group:
        await group.start(selector.run)
        await selector.wait_indexed()
        for row, own in rows:
            found = await selector.select(row["query"])
            among_all.append((found.fits, found.nothing_fits))
            few = set(own) | set(rng.sample(names, max(FEW - len(own), 0)))
            found = await selector.select(row["query"], available=few)
            among_few.append((found.fits, found.nothing_fits))
        group.cancel_scope.cancel()
    return among_all, among_few


def read(path: Path, own: str, limit: int | None) -> list[tuple[Json, Sequence[str]]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    random.Random(0).shuffle(rows)
    return [(row, row[own]) for row in rows[:limit]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with one folder a set")
    parser.add_argument("--split", default="dev", help="the requests that a tool fits (default: dev)")
    parser.add_argument("--queries", type=int, help="so many of each kind at random (default: all)")
    options = parser.parse_args()
    table = Table("set", "among", "AUROC", "“nothing fits”, a tool does", "“nothing fits”, none does")
    for path in sorted(options.data.glob("*/queries-none.jsonl")):
        folder = path.parent
        with (folder / "tools.jsonl").open("rb") as lines:
            tools = read_tools(lines, "tools.jsonl")
        served = read(folder / f"queries-{options.split}.jsonl", "gold", options.queries)
        none = read(path, "offered", options.queries)
        answers = anyio.run(ask, tools, [*served, *none])
        for among, fits in zip((f"all {len(tools):,} tools", f"{FEW} tools"), answers, strict=True):
            right, wrong = fits[: len(served)], fits[len(served) :]
            area = auroc_interval([sure for sure, _ in right], [sure for sure, _ in wrong])
            told = [100 * sum(nothing for _, nothing in part) / len(part) for part in (right, wrong)]
            figure = f"{area.mean:.3f} ({area.low:.3f} to {area.high:.3f})"
            table.add_row(folder.name, among, figure, *(f"{share:.1f} %" for share in told))
    Console().print(table)


if __name__ == "__main__":
    main()
