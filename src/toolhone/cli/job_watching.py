"""Following one job in a terminal: status, progress, cost, and its loss curves as they grow."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import anyio
import click

from toolhone.cli.curves import draw
from toolhone.cli.options import console, note
from toolhone.cli.plain import harmless
from toolhone.models import Caller
from toolhone.records.course import DRAWN, losses
from toolhone.records.jobs import Job, JobEvent, JobStatus
from toolhone.work_answers import job_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from toolhone.finetuning_parts import FinetuningParts

CURVES = (("training", "training_loss", "cyan"), ("validation", "validation_loss", "magenta"))

HEIGHT = 8
WIDEST = 72
BAR = 30


async def follow_job(parts: "FinetuningParts", job_id: str, *, caller: Caller, json_output: bool) -> Job:
    """Show a job until it is over, and run it if no other process runs the jobs of this folder.

    A job that waits for approval is not waited for.
    """
    job = await parts.system.job(job_id, caller=caller)
    if job.status is JobStatus.AWAITING_APPROVAL:
        note(f"It costs money. Let it begin with: toolhone jobs approve {job_id}")
        if json_output:
            _print_line(job)
        return job
    if not job.status.final and not await anyio.to_thread.run_sync(parts.runner.taken):
        note("No process runs the jobs of this folder, so this one does. If it ends, they wait.")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(parts.runner.run)
        job = await (_print_changes if json_output else _show_changes)(parts, job_id, caller)
        tasks.cancel_scope.cancel()
    return job


async def _print_changes(parts: "FinetuningParts", job_id: str, caller: Caller) -> Job:
    last: Job | None = None
    async for job in parts.system.watch(job_id, caller=caller):
        _print_line(job)
        last = job
    assert last is not None
    return last


def _print_line(job: Job) -> None:
    click.echo(json.dumps(job_json(job)))


async def _show_changes(parts: "FinetuningParts", job_id: str, caller: Caller) -> Job:
    from rich.live import Live

    events: list[JobEvent] = []
    last: Job | None = None
    screen = console()
    with Live(console=screen, refresh_per_second=4, redirect_stdout=False, redirect_stderr=False) as live:
        async for job in parts.system.watch(job_id, caller=caller):
            after = events[-1].seq if events else 0
            events += await parts.system.events(job_id, after=after, caller=caller)
            live.update(picture(job, events, width=min(WIDEST, screen.width)), refresh=True)
            last = job
    assert last is not None
    return last


def picture(job: Job, events: Sequence[JobEvent], *, width: int) -> "RenderableType":
    """A job as it is shown while it is watched."""
    from rich.console import Group
    from rich.text import Text

    filled = round(BAR * job.progress)
    head = Text.assemble(
        (job.job_id, "bold"),
        f"\n{job.status.value:<18} [{'█' * filled}{'·' * (BAR - filled)}] {job.progress:4.0%}",
        f"  ${job.cost_usd:,.2f}",
    )
    facts = [
        f"epoch {job.epoch:.2f} of {job.config.n_epochs}" if job.epoch is not None else "",
        f"step {job.step:,}" + (f" of {job.steps:,}" if job.steps else "") if job.step is not None else "",
    ]
    shown: list[RenderableType] = [head]
    if any(facts):
        shown.append(Text(", ".join(fact for fact in facts if fact)))
    shown += _curves(job, events, width)
    said = next((event.message for event in reversed(events) if event.kind not in DRAWN), "")
    if said:
        shown.append(Text(harmless(said).splitlines()[0][: width - 1], style="dim"))
    return Group(*shown)


def _curves(job: Job, events: Sequence[JobEvent], width: int) -> "list[RenderableType]":
    from rich.text import Text

    points = [losses(events, name, attempt=job.attempt) for _, name, _ in CURVES]
    label = 9
    drawn = draw(points, width=max(10, width - label), height=HEIGHT)
    if drawn is None:
        return []
    colours = [colour for _, _, colour in CURVES]
    text = Text()
    for number, (line, owners) in enumerate(zip(drawn.lines, drawn.owners, strict=True)):
        value = {0: f"{drawn.high:8.4f}", HEIGHT - 1: f"{drawn.low:8.4f}"}.get(number, "")
        text.append(f"{value:>{label - 1}} ")
        for cell, owner in zip(line, owners, strict=True):
            text.append(cell, style=None if owner is None else colours[owner])
        text.append("\n")
    for (title, _, colour), curve in zip(CURVES, points, strict=True):
        if curve:
            text.append(f"{title} loss {curve[-1][1]:.4f}  ", style=colour)
    return [text]
