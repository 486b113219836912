"""Stands in for `toolhone.training.local` and does what the file `behaviour` in the model says."""

import json
import os
import signal
import sys
import threading
from pathlib import Path

from toolhone.training.local.adapter import folder_hash
from toolhone.training.providers.child_reports import Reporter
from toolhone.training.providers.provider import Phase


def main() -> None:
    task, folder = sys.argv[1], Path(sys.argv[2])
    reporter = Reporter(folder)
    config = reporter.config()
    model = Path(config.get("base_model") or config["adapter"])
    behaviour = json.loads((model / "behaviour").read_text())[task]
    (folder / "environment.json").write_text(json.dumps(dict(os.environ)))
    if behaviour == "refuse":
        reporter.finish(Phase.FAILED, raw="invalid_request", error="It cannot be trained so.")
    elif behaviour == "wait":
        reporter.report("Training loss 1.0 at step 1", {"step": 1, "steps": 4, "training_loss": 1.0})
        threading.Event().wait()
    elif behaviour == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif task == "check" and not has_rows(Path(config["dataset"])):
        reporter.finish(Phase.FAILED, raw="invalid_request", error="There is no row to train on.")
    elif task == "answer":
        answer(folder, reporter, behaviour)
    elif task == "train":
        adapter = folder / "adapter"
        adapter.mkdir()
        (adapter / "weights").write_text("tuned")
        reporter.finish(Phase.SUCCEEDED, result={"sha256": folder_hash(adapter), "cost_usd": 0.25})
    else:
        reporter.finish(Phase.SUCCEEDED, result=behaviour)


def has_rows(dataset: Path) -> bool:
    """A dataset that is none at all is not looked at."""
    path = dataset / "train.jsonl"
    return not path.exists() or path.stat().st_size > 0


def answer(folder: Path, reporter: Reporter, behaviour: str) -> None:
    """Answer what is not answered yet; `once` dies after the first answer, if it is the first start."""
    path = folder / "answers.jsonl"
    done = (
        {json.loads(line)["row_id"] for line in path.read_text().splitlines()}
        if path.exists()
        else set[str]()
    )
    for question in reporter.config()["questions"]:
        if question["row_id"] in done:
            continue
        with path.open("a") as file:
            file.write(json.dumps(given(question["row_id"], again=bool(done))) + "\n")
        if behaviour == "once" and not done:
            os.kill(os.getpid(), signal.SIGKILL)
    reporter.finish(Phase.SUCCEEDED)


def given(row_id: str, *, again: bool) -> dict[str, object]:
    message = {"role": "assistant", "content": "second start" if again else "first start"}
    return {
        "row_id": row_id,
        "message": message,
        "latency_ms": 1.5,
        "prompt_tokens": 3,
        "completion_tokens": 2,
    }


main()
