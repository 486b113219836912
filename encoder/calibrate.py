"""Fits what the scores of an encoder mean, and writes it where the selector reads it.

python encoder/calibrate.py --data FOLDER --servers FOLDER [--bundle FOLDER]

The requests are those over tools that the encoder never saw in training: on the others it is surer than it
may be. The probability that a tool serves a task is fitted on the first places of each request; that any tool
does, on each request twice: as it is, and with its right tools taken out of the catalog. What is fitted with
the encoder goes into its manifest, what is fitted for words alone into the selector's `assets`.
"""

import argparse
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sets import LabelledSet, labelled

from toolhone.selection.bundle import DEFAULT_FOLDER, MANIFEST, BundleEncoder, load_bundle
from toolhone.selection.calibration import FILE, Calibration, Logistic
from toolhone.selection.certainty import (
    TASK_FEATURES,
    TOOL_FEATURES,
    task_features,
    tool_features,
    tool_probabilities,
)
from toolhone.selection.index import ToolIndex
from toolhone.selection.placing import enough
from toolhone.selection.scoring import Weights, best_places, score
from toolhone.selection.text import embedded_text, tool_text

TASKS_A_SET = 400
NEAR_COPY = 0.85
"""Tools this similar to a right one are taken out with it: they would serve as well."""

PLACES = 10
WRONGLY_NOTHING = 0.05
"""So many tasks that a tool does serve may be told that none does."""
LOST_RECALL = 0.01
"""So much recall at five may be lost by showing fewer tools."""


@dataclass(slots=True)
class Examples:
    """Rows for both regressions; `groups` keeps the places of one task together."""

    tools: list[NDArray[np.float64]] = field(default_factory=list[NDArray[np.float64]])
    right: list[NDArray[np.bool_]] = field(default_factory=list[NDArray[np.bool_]])
    gold: list[int] = field(default_factory=list[int])
    tasks: list[NDArray[np.float64]] = field(default_factory=list[NDArray[np.float64]])
    served: list[bool] = field(default_factory=list[bool])


def collect(one: LabelledSet, encoder: BundleEncoder, *, by_words: bool, into: Examples) -> None:
    index = ToolIndex(one.tools)
    vectors: NDArray[np.float32] | None = None
    if not by_words:
        index.use_encoder(encoder.name, encoder.dimensions)
        texts = index.missing()
        encoded_texts = dict(zip(texts, encoder.encode_texts(list(texts.values())), strict=True))
        index.add(encoded_texts)
        by_text = {text: encoded_texts[key].vector for key, text in texts.items()}
        vectors = np.stack([by_text[embedded_text(tool_text(tool))] for tool in index.definitions])
    everything = np.arange(len(index), dtype=np.int64)
    rng = random.Random(0)
    for request in rng.sample(one.requests, min(TASKS_A_SET, len(one.requests))):
        gold = [index.positions[name] for name in request.gold]
        encoded = None if by_words else encoder.encode_task(request.query)
        evidence = score(index, request.query, everything, encoded, Weights())
        order = best_places(evidence.scores, PLACES)
        into.tools.append(tool_features(evidence, evidence.scores, order.tolist()))
        into.right.append(np.isin(order, gold))
        into.gold.append(len(gold))
        into.tasks.append(task_features(evidence, len(everything)))
        into.served.append(True)
        out = set(gold) | {index.positions[name] for name in request.also if name in index.positions}
        if vectors is not None:
            out |= set(np.flatnonzero((vectors @ vectors[gold].T).max(axis=1) > NEAR_COPY).tolist())
        rest = np.setdiff1d(everything, np.array(sorted(out)))
        if len(rest):
            into.tasks.append(task_features(score(index, request.query, rest, encoded, Weights()), len(rest)))
            into.served.append(False)


def fitted(features: NDArray[np.float64], labels: NDArray[np.bool_], names: Iterable[str]) -> Logistic:
    """Logistic regression by Newton's method, with a ridge of one on standardised features."""
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread < 1e-9] = np.inf
    x = np.column_stack([np.ones(len(features)), (features - mean) / spread])
    ridge = np.diag([0.0, *np.ones(features.shape[1])])
    weights = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        gradient = x.T @ (p - labels) + ridge @ weights
        step = np.linalg.solve((x.T * np.maximum(p * (1 - p), 1e-6)) @ x + ridge, gradient)
        weights -= step
        if np.abs(step).max() < 1e-9:
            break
    coefficients = weights[1:] / spread
    return Logistic(
        intercept=round(float(weights[0] - coefficients @ np.where(np.isinf(spread), 0, mean)), 6),
        coefficients={
            name: round(float(value), 6) for name, value in zip(names, coefficients, strict=True) if value
        },
    )


def calibrated(examples: Examples) -> Calibration:
    tool = fitted(np.concatenate(examples.tools), np.concatenate(examples.right), TOOL_FEATURES)
    tasks, served = np.stack(examples.tasks), np.array(examples.served)
    task = fitted(tasks, served, TASK_FEATURES)
    draft = Calibration(tool=tool, task=task, nothing_below=0, least=0)
    sure = 1 / (
        1 + np.exp(-(tasks @ [task.coefficients.get(name, 0) for name in TASK_FEATURES] + task.intercept))
    )
    nothing_below = float(np.quantile(sure[served], WRONGLY_NOTHING))
    likely = [tool_probabilities(draft, features)[:5] for features in examples.tools]

    def recall(least: float) -> float:
        rows = zip(examples.right, likely, strict=True)
        shown = [right[: enough(least, fits.tolist())].sum() for right, fits in rows]
        return float(np.mean(np.array(shown) / np.array(examples.gold)))

    full = recall(0.0)
    least = max(
        (float(value) for value in np.linspace(0, 0.5, 101) if recall(float(value)) >= full - LOST_RECALL),
        default=0.0,
    )
    shown = np.mean([enough(least, fits.tolist()) for fits in likely])
    print(f"recall@5 {full:.3f}, shown {shown:.2f} tools of 5 at {least:.3f}: {recall(least):.3f}")
    told = np.mean(sure[~served] < nothing_below)
    print(f"nothing fits below {nothing_below:.3f}: said of {told:.3f} of the tasks without a tool")
    return Calibration(tool=tool, task=task, nothing_below=round(nothing_below, 4), least=round(least, 4))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--servers", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=DEFAULT_FOLDER)
    options = parser.parse_args()
    encoder = load_bundle(options.bundle)
    results: dict[bool, Calibration] = {}
    for by_words in (True, False):
        examples = Examples()
        for _, unseen in labelled(options.data, options.servers):
            collect(unseen, encoder, by_words=by_words, into=examples)
        print("words alone" if by_words else "with the encoder")
        results[by_words] = calibrated(examples)
    FILE.write_text(json.dumps(results[True].model_dump(), indent=1) + "\n")
    manifest = json.loads((options.bundle / MANIFEST).read_text())
    manifest["calibration"] = results[False].model_dump()
    (options.bundle / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main()
