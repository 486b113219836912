"""Stands in for the training of an encoder: makes one that can be loaded, and a verdict, without torch."""

import hashlib
import json
import shutil
import sys
from pathlib import Path

from toolhone.selection.bundle import DEFAULT_FOLDER
from toolhone.training.providers.child_reports import Reporter
from toolhone.training.providers.provider import Phase
from toolhone.training.selector_run import ENCODER, Order


def main() -> None:
    folder = Path(sys.argv[1])
    reporter = Reporter(folder)
    order = Order.model_validate(reporter.config())
    reporter.report("Step 1 of 2", {"step": 1, "steps": 2, "training_loss": 3.0})
    shutil.copytree(DEFAULT_FOLDER, folder / ENCODER)
    manifest = json.loads((folder / ENCODER / "encoder.json").read_text())
    (folder / ENCODER / "encoder.json").write_text(json.dumps({**manifest, "name": order.name}))
    interval = {"mean": 0.1, "low": 0.05, "high": 0.15}
    verdict = {
        "decision": "promoted",
        "why": "It finds more.",
        "requests": 60,
        "recall": interval,
        "ndcg": interval,
        "cold_requests": 30,
        "cold_recall": interval,
        "cold_ndcg": interval,
        "current_recall": 0.5,
        "current_ndcg": 0.4,
        "current_cold_recall": 0.25,
        "current_cold_ndcg": 0.2,
    }
    sha256 = hashlib.sha256((folder / ENCODER / "encoder.json").read_bytes()).hexdigest()
    reporter.finish(Phase.SUCCEEDED, result={"sha256": sha256, "size": 1, "losses": {}, "verdict": verdict})


if __name__ == "__main__":
    main()
