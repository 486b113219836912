"""Trains the encoder in use on a log, and lets the gate compare the two on requests new to both."""

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np

from toolhone.evaluation.gate import Figures, Verdict, judge
from toolhone.evaluation.retrieval import ndcg_at, recall_at
from toolhone.models import JsonObject, ToolDefinition
from toolhone.selection.bundle import MANIFEST, load_bundle
from toolhone.selection.encoder import Encoder
from toolhone.selection.evidence import RememberedTask
from toolhone.selection.index import ToolIndex
from toolhone.selection.scoring import Weights
from toolhone.selection.task_scores import IndexScorer
from toolhone.training.contrastive import Recipe, finetune
from toolhone.training.export import CHECKED, Exported, export_bundle
from toolhone.training.recorded import JudgedRequest, Recorded
from toolhone.training.sources import read_parts

SHOWN = 5
"""What is judged: recall and nDCG among so many tools."""

RECIPE = Recipe(epochs=3, learning_rate=3e-5, kept=0.4)
"""Gentler than a training from the stock model: a log is small, and knows only some of the tools."""

Progress = Callable[[str, int, int], None]
"""Receives what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrained:
    """A new encoder and what the gate says of it."""

    exported: Exported
    sha256: str
    """Of its manifest, which has the verdict."""
    verdict: Verdict
    losses: tuple[float, float]
    """Of the first and of the last steps of the training."""


def retrain(
    recorded: Recorded,
    definitions: Sequence[ToolDefinition],
    folder: Path,
    *,
    name: str,
    current: Path,
    start: Path | None = None,
    recipe: Recipe = RECIPE,
    weights: Weights,
    progress: Progress = lambda what, done, of: None,
) -> Retrained:
    """Train, export to `folder`, and judge.

    Args:
        current: The bundle in use, which must be beaten.
        start: What training starts from; `None` is the encoder in use.
        weights: As the server scores.

    Raises:
        InvalidRequestError: The folder exists, or the model to start from cannot be trained.
        ToolhoneError: The export is not like the original, or a library is missing.
        ModelUnavailableError: A bundle cannot be loaded.
    """
    parent = manifest_of(current)
    parts = read_parts(start or current)
    trained = finetune(
        parts,
        [recorded.training],
        recipe,
        report=lambda step, steps, loss: progress(f"Training (loss {loss:.3f})", step, steps),
    )
    progress("Exporting", 0, 1)
    exported = export_bundle(
        trained.parts,
        folder,
        name=name,
        base=str(parent["base"]) if start is None else start.name,
        parent=_sha256(current / MANIFEST) if start is None else None,
        training={
            **asdict(recipe),
            "tasks": len(recorded.training.tasks),
            "tools": len(recorded.training.tools),
            "kept_tools": list(recorded.kept),
            "until": recorded.until,
            "data_hash": recorded.data_hash,
        },
        check_texts=[*CHECKED, *recorded.training.tools[:: max(1, len(recorded.training.tools) // 50)]],
    )
    verdict = compare(load_bundle(folder), load_bundle(current), recorded, definitions, weights, progress)
    return Retrained(
        exported=exported,
        sha256=_noted(folder, verdict, cast("JsonObject | None", parent.get("calibration"))),
        verdict=verdict,
        losses=(_mean(trained.losses[:5]), _mean(trained.losses[-5:])),
    )


def compare(
    candidate: Encoder,
    current: Encoder,
    recorded: Recorded,
    definitions: Sequence[ToolDefinition],
    weights: Weights,
    progress: Progress = lambda what, done, of: None,
) -> Verdict:
    """The gate's verdict on two encoders, each scoring as the selector does, without anything learned."""
    both: list[tuple[Figures, Figures]] = []
    for what, encoder in (("the new encoder", candidate), ("the encoder in use", current)):
        scorer = _scorer(encoder, definitions, weights, partial(progress, f"Indexing with {what}"))
        both.append((_figures(scorer, recorded.later), _figures(scorer, recorded.unseen)))
        progress(f"Judging {what}", 1, 1)
    (later, unseen), (later_now, unseen_now) = both
    return judge(later, later_now, cold_candidate=unseen, cold_current=unseen_now)


def manifest_of(folder: Path) -> JsonObject:
    """The manifest of a bundle that was checked."""
    return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))


def _scorer(
    encoder: Encoder,
    definitions: Sequence[ToolDefinition],
    weights: Weights,
    report: Callable[[int, int], None],
) -> IndexScorer:
    index = ToolIndex(definitions)
    index.use_encoder(encoder.name, encoder.dimensions)
    missing = index.missing()
    for done, (text_hash, text) in enumerate(missing.items()):
        if done % 20 == 0:
            report(done, len(missing))
        index.add({text_hash: encoder.encode_texts([text])[0]})
    return IndexScorer(index, encoder, weights)


def _figures(scorer: IndexScorer, requests: Sequence[JudgedRequest]) -> Figures:
    recall: list[float] = []
    ndcg: list[float] = []
    everything = np.arange(len(scorer.index))
    names = [definition.name for definition in scorer.index.definitions]
    for request in requests:
        scores = scorer.scores(RememberedTask(text=request.task))
        assert scores is not None, "a task with its text is always scored"
        first: list[int] = np.lexsort((everything, -scores.base))[:SHOWN].tolist()
        order = [names[place] for place in first]
        recall.append(recall_at(order, request.served, SHOWN))
        ndcg.append(ndcg_at(order, request.served, SHOWN))
    return Figures(recall=recall, ndcg=ndcg)


def _noted(folder: Path, verdict: Verdict, calibration: JsonObject | None) -> str:
    """Write the verdict into the manifest, and what its scores mean; returns the manifest's new hash."""
    manifest = manifest_of(folder)
    manifest["verdict"] = verdict.as_json()
    if calibration is not None:
        manifest["calibration"] = calibration
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return _sha256(folder / MANIFEST)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _mean(values: Collection[float]) -> float:
    return sum(values) / len(values)
