"""Trains the encoder on recorded use: a firm whose tools have house names that no model can know.

What people ask for is found and called through toolhone, which logs it. The log becomes a dataset, a job
trains the encoder on it, and the gate compares it with the one in use, on requests and on tools that were
not in the training. Needs toolhone[train]; takes a minute or two. The firm is invented and its requests are
put together from few phrases, so they are easy to learn: the figures say that learning works, not what it
brings elsewhere.
"""

import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import anyio
from rich.console import Console
from rich.table import Table

from toolhone.app import App, open_app
from toolhone.exceptions import ToolhoneError
from toolhone.models import LOCAL_CALLER, Caller, Category, JsonObject
from toolhone.records.jobs import FinetuningConfig, FinetuningProvider, Job, JobStatus
from toolhone.settings import load_settings

# What the firm's systems are for, in the words of those who need them.
SYSTEMS = {
    "heron": ("pay slip", "wage statement", "salary", "overtime pay"),
    "kestrel": ("password", "login", "account that is locked", "sign-in code"),
    "osprey": ("holiday", "days off", "vacation", "parental leave"),
    "merlin": ("printer paper", "pens and folders", "coffee for the kitchen", "toner"),
    "plover": ("broken window", "dripping tap", "cold radiator", "stuck lift"),
    "curlew": ("meeting room", "quiet room", "conference room", "workshop room"),
    "dunlin": ("train ticket", "hotel bill", "taxi receipt", "flight costs"),
    "egret": ("refund for a customer", "complaint about a torn jacket", "returned lamp", "double charge"),
}
# And what can be done in them.
VERBS = {
    "lodge": ("I need a {}", "please arrange a {} for me", "get our team a {}"),
    "scrub": ("I do not want the {} any more", "cancel the {} I asked for", "drop what I filed about the {}"),
    "peek": ("how far is it with the {}", "is there news about my {}", "what became of the {}"),
    "nudge": ("nobody has reacted about the {}", "remind the boss of the {}", "hurry them up with the {}"),
    "shift": ("the {} must be a week later", "postpone the {} to Monday", "find another date for the {}"),
    "tally": ("what did we spend on each {}", "sum up every {} of this year", "a table of every {} in May"),
}
REQUESTS = 330
EPOCHS = 2
LEARNING_RATE = 3e-4
"""More than the recipe's, because a firm's whole vocabulary is to be learned in a minute."""

NEW_TASK, MEANT = "did anybody look at the dripping tap by now?", "plover_peek"
"""Nobody put it like this before."""

console = Console()


def write_registry(folder: Path) -> None:
    """A file for each tool, and one function behind them all."""
    folder.mkdir()
    (folder / "systems.py").write_text('def run(request: str) -> str:\n    return f"done: {request}"\n')
    schema = {"type": "object", "properties": {"request": {"type": "string"}}, "required": ["request"]}
    handler = {"type": "python", "function": "systems:run"}
    for system in SYSTEMS:
        for verb in VERBS:
            text = f"{verb.capitalize()} an entry in {system.capitalize()}."
            name = f"{system}_{verb}"
            tool = {"name": name, "description": text, "inputSchema": schema, "handler": handler}
            (folder / f"{name}.json").write_text(json.dumps(tool))


def requests() -> list[tuple[str, str]]:
    """What people asked, each wording once, and the tool that they meant."""
    wishes = [
        (wording.format(thing), f"{system}_{verb}")
        for system, things in SYSTEMS.items()
        for verb, wordings in VERBS.items()
        for thing in things
        for wording in wordings
    ]
    return random.Random(5).sample(wishes, REQUESTS)


async def record_use(app: App) -> None:
    """For each request an agent asks for tools, in a session of its own, and calls the one that was meant."""
    gateway = await app.gateway()
    await gateway.indexed()
    for number, (task, tool) in enumerate(requests()):
        caller = Caller(principal=f"agent-{number % 20}", session=f"session-{number}")
        await gateway.find(task, caller=caller)
        (result,) = await gateway.call([{"tool": tool, "arguments": {"request": task}}], caller=caller)
        assert result.success, result.error


async def main() -> int:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="toolhone-demo-") as folder:
        write_registry(Path(folder) / "registry")
        settings = load_settings(
            os.environ,
            registry=str(Path(folder) / "registry"),
            data=str(Path(folder) / "data"),
            learn_after=0,  # a ranking that is learned meanwhile would be another story
        )
        async with open_app(settings, os.environ) as app:
            with console.status("Recording how the tools are used"):
                await record_use(app)
            tools = len(SYSTEMS) * len(VERBS)
            console.print(f"{REQUESTS} requests recorded, each served by one of {tools} tools")
            try:
                learned = await learn(app)
            except ToolhoneError as error:
                console.print(f"{error.code}: {error.message}")
                return 1
        if learned:
            async with open_app(settings, os.environ) as app:
                await find_again(app)
    console.print(f"{time.monotonic() - started:.0f} s in all")
    return 0 if learned else 1


async def learn(app: App) -> bool:
    """Train by a job, and let what passed the gate find tools from the next start on; whether it passed."""
    system, caller = await app.finetuning(), LOCAL_CALLER
    config = FinetuningConfig(
        category=Category.GENERAL,
        provider=FinetuningProvider.SELECTOR,
        base_model="stock",
        n_epochs=EPOCHS,
        learning_rate=LEARNING_RATE,
    )
    job = await system.create_job(config=config, caller=caller)
    counts = (await system.dataset(job.dataset_id, caller=caller)).statistics
    console.print(
        f"Dataset {job.dataset_id}: {counts['training_tasks']} tasks to train on; to judge by, "
        f"{counts['later_requests']} later requests and {counts['unseen_requests']} for "
        f"{counts['unseen_tools']} tools that the training never sees used"
    )
    with console.status("Training") as status:
        # The app runs the jobs of its data folder.
        async for seen in system.watch(job.job_id, caller=caller):
            job = seen
            status.update(progress(job))
    show(job)
    if job.status is not JobStatus.SUCCEEDED or job.model_id is None:
        return False
    await system.set_alias(Category.GENERAL, "selector", job.model_id, caller=caller)
    console.print(f"{job.model_id} is now what general/selector stands for.")
    return True


async def find_again(app: App) -> None:
    """What is found for a request that nobody put so before."""
    gateway = await app.gateway()
    await gateway.indexed()
    found = await gateway.find(NEW_TASK, caller=LOCAL_CALLER)
    names = [tool.definition.name for tool in found.tools]
    console.print(f"{NEW_TASK!r} means {MEANT} and finds {', '.join(names[:3])}")


def progress(job: Job) -> str:
    """Where the job is, in one line."""
    step = f", step {job.step} of {job.steps}" if job.step is not None else ""
    loss = f", loss {job.training_loss:.2f}" if job.training_loss is not None else ""
    return f"{job.status.value}{step}{loss}"


def show(job: Job) -> None:
    """What came of it."""
    console.print(f"Job {job.job_id}: {job.status.value}")
    table = Table(title="recall@5 on held-out requests")
    for heading in ("", "requests", "before", "after", "difference (95 %)"):
        table.add_column(heading, justify="right" if heading else "left")
    verdict = job.verdict or {}
    if "unseen_tools" in verdict:
        table.add_row("later, in new words", *figures(verdict))
        table.add_row("for tools it never saw used", *figures(verdict["unseen_tools"]))
        console.print(table)
    console.print(job.error or verdict.get("why", ""))


def figures(of: JsonObject) -> tuple[str, str, str, str]:
    """A row of the table."""
    gain = of["difference"]
    return (
        str(of["n"]),
        f"{of['base_score']:.1%}",
        f"{of['tuned_score']:.1%}",
        f"{100 * gain['low']:+.1f} to {100 * gain['high']:+.1f}",
    )


if __name__ == "__main__":
    try:
        sys.exit(anyio.run(main))
    except KeyboardInterrupt:
        sys.exit(130)
