"""Trains the encoder in a process of its own: `python -m toolhone.training.selector_run RUN_FOLDER`.

Reads `config.json` of the run folder, and leaves an encoder in `encoder/` and the gate's verdict in
`status.json`. It cannot go on in the middle: started again, it begins anew.
"""

import hashlib
import logging
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from toolhone.exceptions import DamagedStorageError, ToolhoneError
from toolhone.models import JsonObject
from toolhone.selection.bundle import load_bundle
from toolhone.selection.scoring import Weights
from toolhone.training.providers.child_reports import Reporter, read_reports, seconds_at_work
from toolhone.training.providers.provider import Phase
from toolhone.training.retraining import RECIPE, Retrained, retrain
from toolhone.training.selector_dataset import divided_for, read_catalog, read_lessons
from toolhone.training.sources import required

logger = logging.getLogger(__name__)

ENCODER = "encoder"
"""The folder of the run in which the new encoder is."""

LIMIT = "cost_stopped"
"""The last word's own word for a training that reached its limit of time or cost."""

COURTESY = 5
"""By how much the training is nicer than the server, whose answers somebody waits for."""


class Order(BaseModel):
    """What is to be trained: `config.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    dataset: Path
    files: dict[str, str]
    """The hashes of its files that matter."""
    current: Path
    """The encoder that must be beaten."""
    current_sha256: str
    start: Path | None
    """The model to start from; `None`: the encoder that must be beaten."""
    epochs: int
    batch: int
    learning_rate: float
    seed: int
    weights: Weights
    """As the server scores."""
    threads: int | None
    most_seconds: float
    """Over all starts."""


class _LimitReachedError(Exception):
    pass


@dataclass(slots=True)
class _Watch:
    """Reports how it goes, and ends the training where its time is over."""

    reporter: Reporter
    seconds: Callable[[], float]
    most_seconds: float
    epochs: int
    stage: str = ""

    def step(self, step: int, steps: int, loss: float) -> None:
        metrics = {"step": step, "steps": steps, "epoch": self.epochs * step / steps, "training_loss": loss}
        self.reporter.report(f"Step {step} of {steps}", metrics)

    def progress(self, what: str, done: int, of: int) -> None:
        seconds = self.seconds()
        if seconds > self.most_seconds:
            raise _LimitReachedError
        stage = what.partition(" (")[0]
        if stage != self.stage and stage != "Training":  # whose steps are reported
            self.reporter.report(stage)
        self.stage = stage


def run(folder: Path) -> None:
    """Train and judge; whatever comes of it is the last word of the run."""
    reporter = Reporter(folder)
    try:
        order = Order.model_validate(reporter.config())
        retrained = train(order, folder, reporter)
    except _LimitReachedError:
        reporter.finish(
            Phase.FAILED,
            raw=LIMIT,
            error="The training reached its limit of time or cost and was stopped; nothing was kept. Raise "
            "max_training_hours or max_training_cost_usd, or train fewer epochs.",
        )
    except ToolhoneError as exc:
        reporter.finish(Phase.FAILED, error=exc.message)
    else:
        reporter.finish(Phase.SUCCEEDED, result=outcome(retrained))


def train(order: Order, folder: Path, reporter: Reporter) -> Retrained:
    """Train by the order; the encoder is in the run folder then.

    Raises:
        ToolhoneError: It cannot be done as ordered; the message says why.
    """
    if order.threads is not None:
        required("torch").set_num_threads(order.threads)
    _check(order)
    load_bundle(order.current, sha256=order.current_sha256)
    lessons, definitions = read_lessons(order.dataset), read_catalog(order.dataset)
    recorded = divided_for(order.current, lessons, definitions)
    made = folder / ENCODER
    if made.exists():
        shutil.rmtree(made)  # of a start that was cut off before it was judged
    earlier = read_reports(folder)
    watch = _Watch(
        reporter,
        lambda: seconds_at_work(earlier, datetime.now(UTC)),
        order.most_seconds,
        order.epochs,
    )
    return retrain(
        recorded,
        made,
        name=order.name,
        current=order.current,
        start=order.start,
        recipe=replace(
            RECIPE,
            epochs=order.epochs,
            batch=order.batch,
            learning_rate=order.learning_rate,
            seed=order.seed,
        ),
        weights=order.weights,
        progress=watch.progress,
        on_step=watch.step,
    )


def outcome(retrained: Retrained) -> JsonObject:
    """What the parent is told of the new encoder."""
    first, last = retrained.losses
    return {
        "sha256": retrained.sha256,
        "size": retrained.exported.size,
        "losses": {"first": first, "last": last},
        "verdict": retrained.verdict.as_json(),
    }


def _check(order: Order) -> None:
    """The dataset is the one that was planned with."""
    for name, expected in order.files.items():
        path = order.dataset / name
        try:
            with path.open("rb") as file:
                found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        except OSError as exc:
            raise DamagedStorageError(f"{str(path)!r} of the dataset cannot be read: {exc}.") from exc
        if found != expected:
            raise DamagedStorageError(
                f"{str(path)!r} is not the file of the plan: its hash is {found}, not {expected}. Make the "
                "dataset and the plan anew."
            )


def main() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    os.nice(COURTESY)
    run(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
