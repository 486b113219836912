"""What a tool gains by stuffing its description, and what the others lose by it.

python benchmarks/poison.py --data FOLDER [--split dev] [--queries 300] [--sets NAME ...] [--json FILE]

FOLDER is that of `selection.py`. To each set one tool is added that serves none of its queries. Its
description is

- everything: the words that most tools use, the most frequent first
- one field: the words of the tools that share the commonest word, 50 times over
- requests: hundreds of requests of the train split, copied

Printed is in how many queries that tool comes among the first 5 of a ranker (for one field: of the queries
whose right tools are of another), and how recall@5 changes, in points with 95 % bootstrap intervals;
differences are paired. "shown" counts what toolhone really shows of its first 5: it leaves out what is too
unlikely.
"""

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import anyio
from baselines import Meaning, Mix, StockEncoder, Words
from rankers import SHOWN
from retrieval_figures import difference, interval_json, points
from rich.console import Console
from rich.table import Table

from selection import MIX, OURS, WORDS, LabelledSet, read_set
from toolhone.cli.rank import default_selector
from toolhone.evaluation.intervals import Interval, bootstrap_mean, paired_difference
from toolhone.evaluation.query_sets import read_labelled_queries
from toolhone.evaluation.retrieval import recall_at
from toolhone.models import JsonObject, ToolDefinition
from toolhone.selection.selector import Selector
from toolhone.selection.text import term_counts

POISON = "assistant"
"""The name says nothing, so that only the description counts."""

CLEAN = "nothing added"
FIELD = "one field"
SHOWN_OF_OURS = f"{OURS}, shown"

COMMON_WORDS = 2000
FIELD_WORDS = 25
REPETITIONS = 50
REQUESTS = 400

console = Console(width=None if sys.stdout.isatty() else 130, markup=False, highlight=False)


def of_everything(tools: Sequence[ToolDefinition]) -> str:
    """The words that most descriptions have."""
    return " ".join(word for word, _ in words_by_tools(tools).most_common(COMMON_WORDS))


def of_one_field(tools: Sequence[ToolDefinition]) -> str:
    """The words of the tools that have the commonest word that means something, over and over."""
    field = field_of(tools)
    words = words_by_tools([tool for tool in tools if field in term_counts(tool.description)])
    return " ".join([word for word, _ in words.most_common(FIELD_WORDS)] * REPETITIONS)


def field_of(tools: Sequence[ToolDefinition]) -> str:
    """The term that comes in the most descriptions but in less than a tenth, so that it is a field."""
    counts = Counter(term for tool in tools for term in term_counts(tool.description))
    return next(term for term, count in counts.most_common() if 10 * count < len(tools) and len(term) > 3)


def of_requests(folder: Path) -> str:
    with (folder / "queries-train.jsonl").open("rb") as lines:
        queries = read_labelled_queries(lines, f"{folder.name}/queries-train.jsonl")
    return " ".join(query.text for query in random.Random(0).sample(queries, min(REQUESTS, len(queries))))


def words_by_tools(tools: Sequence[ToolDefinition]) -> Counter[str]:
    """In how many descriptions each word comes; words without meaning are left out."""
    counts: Counter[str] = Counter()
    for tool in tools:
        counts.update({word for word in tool.description.lower().split() if term_counts(word)})
    return counts


@dataclass(frozen=True, slots=True)
class Measured:
    """One ranker's answers; both lists have a value a query."""

    recall: list[float]
    poisoned: list[float]
    """1 where the poisoned tool is among the first."""

    def of_unrelated(self, related: Sequence[bool]) -> Interval:
        return bootstrap_mean([hit for hit, near in zip(self.poisoned, related, strict=True) if not near])


def measured(one: LabelledSet, ranked: Sequence[Sequence[str]]) -> Measured:
    recall = [recall_at(names, query.gold, SHOWN) for names, query in zip(ranked, one.queries, strict=True)]
    return Measured(recall, [float(POISON in names[:SHOWN]) for names in ranked])


async def ask(
    selector: Selector, one: LabelledSet, tools: Sequence[ToolDefinition]
) -> tuple[Measured, Measured]:
    """The first tools of every query as they are ranked, and as they are shown."""
    selector.update(tools)
    await selector.wait_indexed()
    ranked: list[list[str]] = []
    shown: list[list[str]] = []
    for query in one.queries:
        served = await selector.select(query.text, max_tools=SHOWN)
        shown.append([tool.definition.name for tool in served.tools])
        ranked.append([*shown[-1], *served.roster])
    return measured(one, ranked), measured(one, shown)


async def measure(one: LabelledSet, stock: StockEncoder) -> dict[str, dict[str, Measured]]:
    """By poison, then by ranker; the poison `CLEAN` is none."""
    if any(tool.name == POISON for tool in one.tools):
        raise SystemExit(f"{one.folder.name} has a tool {POISON!r} itself.")
    descriptions = {
        CLEAN: "",
        "everything": of_everything(one.tools),
        FIELD: of_one_field(one.tools),
        "requests": of_requests(one.folder),
    }
    encode = cache(stock.encode)
    results: dict[str, dict[str, Measured]] = {}
    async with anyio.create_task_group() as group:
        selector = default_selector()
        await group.start(selector.run)
        for poison, description in descriptions.items():
            print(f"{one.folder.name}: {poison}", file=sys.stderr, flush=True)
            tools = [*one.tools]
            if description:
                tools.append(ToolDefinition(name=POISON, description=description, input_schema={}))
            words = Words(tools, SHOWN)
            mix = Mix(tools, words, Meaning(tools, encode, SHOWN), SHOWN)
            ranked, shown = await ask(selector, one, tools)
            results[poison] = {
                WORDS: measured(one, [words.search(query.text) for query in one.queries]),
                MIX: measured(one, [mix.search(query.text) for query in one.queries]),
                OURS: ranked,
                SHOWN_OF_OURS: shown,
            }
        group.cancel_scope.cancel()
    return results


def report(one: LabelledSet, results: Mapping[str, Mapping[str, Measured]]) -> JsonObject:
    """Print the table of a set; the same as JSON."""
    field = field_of(one.tools)
    of_field = {tool.name for tool in one.tools if field in term_counts(tool.description)}
    related = [bool(query.gold & of_field) for query in one.queries]
    nothing = [False] * len(related)
    queries = f"{len(related):,} queries, {sum(related):,} of the field"
    title = f"{one.folder.name}: {len(one.tools):,} tools, {queries}"
    table = Table(
        "poison", "ranker", "among the first 5, unrelated", "recall@5 clean", "changed", title=title
    )
    kept: JsonObject = {"queries": len(related), "of_the_field": sum(related)}
    for poison, rankers in results.items():
        if poison == CLEAN:
            continue
        rows: JsonObject = {}
        for name, found in rankers.items():
            clean = results[CLEAN][name].recall
            poisoned = found.of_unrelated(related if poison == FIELD else nothing)
            before, change = bootstrap_mean(clean), paired_difference(found.recall, clean)
            table.add_row(poison, name, points(poisoned), points(before), difference(change))
            rows[name] = {
                "poisoned": interval_json(poisoned),
                "recall@5": interval_json(before),
                "changed": interval_json(change),
            }
        kept[poison] = rows
    console.print(table)
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with one folder a set")
    parser.add_argument("--split", default="dev", help="which queries (default: dev)")
    parser.add_argument("--sets", nargs="+", help="only these sets")
    parser.add_argument("--queries", type=int, default=300, help="so many of each set (default: 300)")
    parser.add_argument("--json", type=Path, help="write the figures there, as shares of 1")
    options = parser.parse_args()
    folders = sorted(path.parent for path in options.data.glob(f"*/queries-{options.split}.jsonl"))
    folders = [folder for folder in folders if options.sets is None or folder.name in options.sets]
    if not folders:
        parser.error(f"no such set with queries-{options.split}.jsonl in {options.data}")
    stock, reports = StockEncoder(), dict[str, JsonObject]()
    for folder in folders:
        one = read_set(folder, options.split, options.queries)
        reports[folder.name] = report(one, anyio.run(measure, one, stock))
    if options.json:
        options.json.write_text(f"{json.dumps(reports, indent=2)}\n")


if __name__ == "__main__":
    main()
