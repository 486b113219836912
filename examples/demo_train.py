"""From recorded work to a promoted model, in minutes and offline: `make demo-train` runs it.

An agent's work is recorded: requests to scan a file, answered in JSON. A dataset is prepared from
it, a language model of a fraction of a million parameters is tuned on it by a real job, and the gate lets
both models answer requests held out of the training. The model is used only if it is surely better.

The base model is made here, in seconds, because no weights ship with toolhone; it knows two ways to answer
and takes the wrong one for this work. So what is shown is the mechanism, not what a useful model would gain.
"""

import argparse
import importlib
import json
import logging
import os
import sys
import time
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import anyio.to_thread
from rich.console import Console
from rich.table import Table

from toolhone.assembly import audit_log
from toolhone.exceptions import ToolhoneError
from toolhone.finetuning_parts import FinetuningParts, build_finetuning
from toolhone.models import LOCAL_CALLER, Category, JsonObject
from toolhone.records.datasets import DatasetRequest
from toolhone.records.jobs import FinetuningConfig, FinetuningProvider, Job, JobStatus
from toolhone.settings import load_settings

RECORDED = 400
"""Snapshots. A tenth is held out for the loss, another tenth for the gate."""

console = Console()


def tiny_model() -> Any:
    """The module beside this file."""
    sys.path.insert(0, str(Path(__file__).parent))
    return importlib.import_module("tiny_model")


def recorded_work() -> list[JsonObject]:
    """What an agent did: asked in words, answered in JSON. A few answers were bad, and say so."""
    language = tiny_model()
    requests: list[tuple[str, str]] = list(islice(language.requests(seed=42), RECORDED))
    work: list[JsonObject] = []
    for number, request in enumerate(requests):
        failed = number % 25 == 24
        work.append(
            {
                "agent_id": "scanner_v2",
                "agent_name": "Scanner",
                "category": "core_security",
                "task_type": "scan",
                "input_data": {"task": language.asked(*request)},
                "output_data": {"error": "timeout"} if failed else json.loads(language.in_json(*request)),
                "success": not failed,
                "performance_score": 0.1 if failed else 0.95,
                "execution_time_ms": 40.0 + number % 7,
                "tokens_used": 60,
            }
        )
    return work


async def main(base: Path | None) -> int:
    started = time.monotonic()
    with TemporaryDirectory(prefix="toolhone-demo-") as folder:
        if base is None:
            base = Path(folder) / "tiny-model"
            with console.status("Making a tiny language model to start from"):
                await anyio.to_thread.run_sync(tiny_model().build_model, base)
            console.print(f"A base model of its own, made in {time.monotonic() - started:.0f} s")

        settings = load_settings(os.environ, data=str(Path(folder) / "data"))
        audit = audit_log(settings)
        parts = build_finetuning(settings, os.environ, audit)
        try:
            job = await learn(parts, base)
        finally:
            with anyio.CancelScope(shield=True):
                await parts.aclose()
                await audit.aclose()
    console.print(f"{time.monotonic() - started:.0f} s in all")
    return 0 if job.status is JobStatus.SUCCEEDED else 1


async def learn(parts: FinetuningParts, base: Path) -> Job:
    """The whole way, through the operations that MCP, the CLI and the library use."""
    system, caller = parts.system, LOCAL_CALLER
    await system.collect(recorded_work(), caller=caller)
    manifest = await system.prepare_dataset(DatasetRequest(category=Category.CORE_SECURITY), caller=caller)
    console.print(
        f"Dataset {manifest.dataset_id}: {dict(manifest.counts)}, left out: {dict(manifest.dropped)}"
    )

    config = FinetuningConfig(
        category=Category.CORE_SECURITY,
        provider=FinetuningProvider.LOCAL,
        base_model=str(base),
        n_epochs=3,
        batch_size=16,
        learning_rate=5e-3,
    )
    plan = await system.estimate(config, caller=caller)
    console.print(
        f"Plan {plan.plan_id}: {plan.estimate.steps} steps, {plan.estimate.trained_tokens} tokens, "
        f"about {plan.estimate.seconds or 0:.0f} s, ${plan.estimate.cost_usd:.2f}"
    )
    job = await system.create_job(plan_id=plan.plan_id, caller=caller)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(parts.runner.run)
        with console.status("Training") as status:
            async for seen in system.watch(job.job_id, caller=caller):
                job = seen
                status.update(progress(job))
        tasks.cancel_scope.cancel()
    show(job)
    if job.status is JobStatus.SUCCEEDED and job.model_id is not None:
        await system.set_alias(Category.CORE_SECURITY, "production", job.model_id, caller=caller)
        console.print(f"{job.model_id} is now what core_security/production stands for.")
    return job


def progress(job: Job) -> str:
    """Where the job is, in one line."""
    losses = [
        f"{name} loss {value:.3f}"
        for name, value in (("training", job.training_loss), ("validation", job.validation_loss))
        if value is not None
    ]
    step = f"step {job.step} of {job.steps}" if job.step is not None else ""
    return ", ".join([job.status.value, *([step] if step else []), *losses])


def show(job: Job) -> None:
    """What came of it."""
    table = Table(title=f"Job {job.job_id}: {job.status.value}")
    for heading in ("held-out requests", "base model", "tuned model"):
        table.add_column(heading, justify="right")
    verdict = job.verdict or {}
    table.add_row(str(verdict.get("n", "")), score(job.base_score), score(job.validation_score))
    console.print(table)
    console.print(job.error or verdict.get("why", ""))


def score(value: float | None) -> str:
    """A mean score, or that there is none."""
    return "-" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    parser = argparse.ArgumentParser(description="From recorded work to a promoted model.")
    parser.add_argument("--base", type=Path, help="a model that tiny_model.py made before; else one is made")
    try:
        sys.exit(anyio.run(main, parser.parse_args().base))
    except ToolhoneError as error:
        console.print(f"{error.code}: {error.message}")
        sys.exit(1)
