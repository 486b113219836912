"""How often the right tools are found: recall@5 and nDCG@10 of words, meaning and both.

python benchmarks/selection.py --data FOLDER [--split dev] [--queries 500]

FOLDER holds one set a folder: `tools.jsonl` ({name, description, inputSchema, server?}) and
`queries-SPLIT.jsonl` ({query, gold: [names]}). Every tool of a set is a candidate for each of its queries.
Brackets hold the 95 % bootstrap interval over queries; "against words" is that of the paired difference.
"""

import argparse
import json
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from toolhone.models import ToolDefinition
from toolhone.selection.embedder import MiniLmEmbedder, load_minilm
from toolhone.selection.index import ToolIndex
from toolhone.selection.question import checked_question
from toolhone.selection.ranking import candidates, rank
from toolhone.selection.vectors import VectorSource

RANKERS = {"words (BM25)": 0.0, "meaning (cosine)": 1.0, "both (0.6 / 0.4)": 0.6}
"""The share of meaning in the score."""


@dataclass(frozen=True, slots=True)
class Query:
    text: str
    gold: frozenset[str]


def read_tools(path: Path) -> list[ToolDefinition]:
    tools = (json.loads(line) for line in path.read_text().splitlines())
    return [
        ToolDefinition(
            name=tool["name"],
            description=tool["description"],
            input_schema=tool["inputSchema"],
            server=tool.get("server"),
        )
        for tool in tools
    ]


def read_queries(path: Path, limit: int) -> list[Query]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    random.Random(0).shuffle(rows)
    return [Query(row["query"], frozenset(row["gold"])) for row in rows[:limit]]


def recall(ranked: Sequence[str], gold: Collection[str], k: int) -> float:
    return len(set(ranked[:k]) & set(gold)) / len(gold)


def ndcg(ranked: Sequence[str], gold: Collection[str], k: int) -> float:
    gain = sum(1 / np.log2(place + 2) for place, name in enumerate(ranked[:k]) if name in gold)
    return float(gain / sum(1 / np.log2(place + 2) for place in range(min(k, len(gold)))))


def interval(values: NDArray[np.float64]) -> str:
    """95 % of the bootstrap means, as points."""
    draws = np.random.default_rng(0).integers(0, len(values), (1000, len(values)))
    low, high = np.percentile(100 * values[draws].mean(axis=1), [2.5, 97.5])
    return f"{low:.1f} to {high:.1f}"


def embedded_index(tools: Sequence[ToolDefinition], embedder: MiniLmEmbedder) -> ToolIndex:
    index = ToolIndex(tools)
    index.add_vectors(VectorSource(embedder, None).compute(index.missing()))
    return index


def figures(
    index: ToolIndex, queries: Sequence[Query], vectors: NDArray[np.float32], share: float
) -> NDArray[np.float64]:
    """Recall@5 and nDCG@10 of each query."""
    rows: list[tuple[float, float]] = []
    for query, vector in zip(queries, vectors, strict=True):
        question = checked_question(
            query.text, max_tools=10, available=None, category=None, prefer_fast=False, prefer_cheap=False
        )
        among, _ = candidates(index, question)
        ranking = rank(index, question, among, query=vector, dense_weight=share, usage=dict)
        ranked = [tool.definition.name for tool in ranking.tools]
        rows.append((recall(ranked, query.gold, 5), ndcg(ranked, query.gold, 10)))
    return np.array(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with one folder a set")
    parser.add_argument("--split", default="dev", help="which queries (default: dev)")
    parser.add_argument(
        "--queries", type=int, default=500, help="how many of each set at most (default: 500)"
    )
    options = parser.parse_args()
    sets = sorted(path.parent for path in options.data.glob(f"*/queries-{options.split}.jsonl"))
    if not sets:
        parser.error(f"no set with queries-{options.split}.jsonl in {options.data}")

    embedder = load_minilm()
    table = Table(
        "set",
        "tools",
        "queries",
        "ranker",
        "recall@5",
        "nDCG@10",
        "nDCG@10 against words",
        title=options.split,
    )
    for folder in sets:
        index = embedded_index(read_tools(folder / "tools.jsonl"), embedder)
        queries = read_queries(folder / f"queries-{options.split}.jsonl", options.queries)
        vectors = embedder.embed([query.text for query in queries])
        by_words = figures(index, queries, vectors, 0.0)
        for ranker, share in RANKERS.items():
            values = figures(index, queries, vectors, share)
            table.add_row(
                folder.name,
                f"{len(index):,}",
                f"{len(queries):,}",
                ranker,
                *(f"{100 * column.mean():.1f} ({interval(column)})" for column in values.T),
                interval(values[:, 1] - by_words[:, 1]) if share else "",
            )
    Console().print(table)


if __name__ == "__main__":
    main()
