"""Trains the encoder in use on a log, and lets the gate compare the two on requests new to both."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from toolhone.evaluation.gate import Verdict
from toolhone.models import JsonObject
from toolhone.selection.bundle import MANIFEST, load_bundle
from toolhone.selection.scoring import Weights
from toolhone.training.comparison import Comparison, Progress, compare
from toolhone.training.contrastive import Recipe, finetune
from toolhone.training.export import CHECKED, Exported, export_bundle
from toolhone.training.recorded import Recorded
from toolhone.training.sources import read_parts

RECIPE = Recipe(epochs=3, learning_rate=3e-5, kept=0.4)
"""Gentler than a training from the stock model: a log is small, and knows only some of the tools."""


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
    folder: Path,
    *,
    name: str,
    current: Path,
    start: Path | None = None,
    recipe: Recipe = RECIPE,
    weights: Weights,
    progress: Progress = lambda what, done, of: None,
    on_step: Callable[[int, int, float], None] = lambda step, steps, loss: None,
) -> Retrained:
    """Train, export to `folder`, and judge.

    Args:
        current: The bundle in use, which must be beaten.
        start: What training starts from; `None` is the encoder in use.
        weights: As the server scores.
        on_step: Called after each step of the training with its number, the number of all, and the loss.

    Raises:
        InvalidRequestError: The folder exists, or the model to start from cannot be trained.
        TrainingFailedError: The export is not like the original, or a library is missing.
        ModelUnavailableError: A bundle cannot be loaded.
    """
    parent = manifest_of(current)
    parts = read_parts(start or current, to_train=True)

    def report(step: int, steps: int, loss: float) -> None:
        on_step(step, steps, loss)
        progress(f"Training (loss {loss:.3f})", step, steps)

    trained = finetune(parts, [recorded.training], recipe, report=report)
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
    comparison = compare(load_bundle(folder), load_bundle(current), recorded, weights, progress)
    calibration = cast("JsonObject | None", parent.get("calibration"))
    return Retrained(
        exported=exported,
        sha256=_noted(folder, comparison, calibration if comparison.calibration_holds else None),
        verdict=comparison.verdict,
        losses=(_mean(trained.losses[:5]), _mean(trained.losses[-5:])),
    )


def manifest_of(folder: Path) -> JsonObject:
    """The manifest of a bundle that was checked."""
    return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))


def _noted(folder: Path, comparison: Comparison, calibration: JsonObject | None) -> str:
    """Write what the comparison found into the manifest; returns the manifest's new hash.

    Args:
        calibration: What its scores mean; without one its certainty is judged by words.
    """
    manifest = manifest_of(folder)
    manifest["verdict"] = comparison.verdict.as_json()
    if comparison.certainty is not None:
        manifest["certainty"] = asdict(comparison.certainty)
    if calibration is not None:
        manifest["calibration"] = calibration
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return _sha256(folder / MANIFEST)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
