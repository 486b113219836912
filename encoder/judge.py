"""Compares encoders on requests over tools that the shipped encoder never saw in training.

python encoder/judge.py --data FOLDER --servers FOLDER --bundle FOLDER [--bundle FOLDER ...]

Prints recall@5 and nDCG@10 of the default ranking with each encoder, and the 95 % bootstrap interval of the
paired difference to the first one. `encoder/export.py` makes a bundle of the stock model to compare with.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sets import LabelledSet, labelled

from toolhone.evaluation.intervals import paired_difference
from toolhone.evaluation.retrieval import ndcg_at, recall_at
from toolhone.selection.bundle import BundleEncoder, load_bundle
from toolhone.selection.index import ToolIndex
from toolhone.selection.scoring import Weights, best_places, score


def judged(one: LabelledSet, encoder: BundleEncoder) -> NDArray[np.float64]:
    """Recall@5 and nDCG@10 of each request; shape (requests, 2)."""
    index = ToolIndex(one.tools)
    index.use_encoder(encoder.name, encoder.dimensions)
    texts = index.missing()
    index.add(dict(zip(texts, encoder.encode_texts(list(texts.values())), strict=True)))
    everything = np.arange(len(index.definitions), dtype=np.int64)
    rows: list[tuple[float, float]] = []
    for request in one.requests:
        evidence = score(index, request.query, everything, encoder.encode_task(request.query), Weights())
        places: list[int] = best_places(evidence.scores, 10).tolist()
        ranked = [index.definitions[place].name for place in places]
        rows.append((recall_at(ranked, request.gold, 5), ndcg_at(ranked, request.gold, 10)))
    return np.array(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--servers", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, required=True, action="append", dest="bundles")
    options = parser.parse_args()
    encoders = [load_bundle(folder) for folder in options.bundles]
    table = Table(
        "set", "requests", "encoder", "recall@5", "nDCG@10", "recall@5 against first", "nDCG@10 against first"
    )
    for _, unseen in labelled(options.data, options.servers):
        first: NDArray[np.float64] | None = None
        for encoder in encoders:
            figures = judged(unseen, encoder)
            cells = [f"{100 * column.mean():.1f}" for column in figures.T]
            if first is None:
                first, against = figures, ["", ""]
            else:
                differences = [
                    paired_difference(new.tolist(), old.tolist())
                    for new, old in zip(figures.T, first.T, strict=True)
                ]
                against = [f"{100 * d.low:+.1f} to {100 * d.high:+.1f}" for d in differences]
            table.add_row(unseen.name, str(len(figures)), encoder.name.partition("@")[0], *cells, *against)
    Console().print(table)


if __name__ == "__main__":
    main()
