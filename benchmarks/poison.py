"""What a tool gains by stuffing its description, and what the others lose by it.

python benchmarks/poison.py --data FOLDER [--split dev] [--queries 300] [--sets NAME ...] [--json FILE]

FOLDER is that of `selection.py`. To each set one tool is added that serves none of its queries. Its
description is

- everything: the words that most tools use, the most frequent first
- one field: the words of the tools that share the commonest word, 50 times over
- requests: hundreds of requests of the train split, copied

Printed is in how many queries that tool comes among the first 5 of a ranker, and how recall@5 of the right
tools changes, in points with 95 % bootstrap intervals; differences are paired. "shown" counts what toolhone
really shows of its first 5: it leaves out what is too unlikely.
"""

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from baselines import Meaning, Mix, StockEncoder, Words
from rankers import SHOWN
from retrieval_figures import difference, interval_json, points
from rich.console import Console
from rich.table import Table
from selection import MIX, OURS, WORDS, LabelledSet, read_set

from toolhone.cli.rank import default_selector
from toolhone.evaluation.intervals import bootstrap_mean, paired_difference
from toolhone.evaluation.query_sets import read_labelled_queries
from toolhone.evaluation.retrieval import recall_at
from toolhone.models import JsonObject, ToolDefinition
from toolhone.selection.selector import Selector
from toolhone.selection.text import term_counts, tool_text

POISON = "assistant"
"""The name says nothing, so that only the description counts."""

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


class Measured:
    """One ranker's answers to the queries of a set."""

    def __init__(self, one: LabelledSet, ranked: Sequence[Sequence[str]]) -> None:
        pairs = list(zip(ranked, one.queries, strict=True))
        self.recall = [recall_at(names, query.gold, SHOWN) for names, query in pairs]
        self.poisoned = [float(POISON in names[:SHOWN]) for names in ranked]


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
    return Measured(one, ranked), Measured(one, shown)


@asynccontextmanager
async def running() -> AsyncGenerator[Selector]:
    selector = default_selector()
    async with anyio.create_task_group() as group:
        await group.start(selector.run)
        yield selector
        group.cancel_scope.cancel()


async def measure(one: LabelledSet, stock: StockEncoder) -> dict[str, dict[str, Measured]]:
    """By poison, then by ranker; the poison "" is the clean set."""
    if any(tool.name == POISON for tool in one.tools):
        raise SystemExit(f"{one.folder.name} has a tool {POISON!r} itself.")
    descriptions = {
        "everything": of_everything(one.tools),
        "one field": of_one_field(one.tools),
        "requests": of_requests(one.folder),
    }
    plain = Meaning(one.tools, stock.encode, SHOWN)
    results: dict[str, dict[str, Measured]] = {}
    async with running() as selector:
        for poison in ("", *descriptions):
            print(f"{one.folder.name}: {poison or 'clean'}", file=sys.stderr, flush=True)
            tools = [*one.tools]
            if poison:
                tools.append(ToolDefinition(name=POISON, description=descriptions[poison], input_schema={}))
            words, meaning = Words(tools, SHOWN), plain.with_tools(tools)
            mix = Mix(tools, words, meaning, SHOWN)
            ranked, shown = await ask(selector, one, tools)
            results[poison] = {
                WORDS: Measured(one, [words.search(query.text) for query in one.queries]),
                MIX: Measured(one, [mix.search(query.text) for query in one.queries]),
                OURS: ranked,
                f"{OURS}, shown": shown,
            }
    return results
