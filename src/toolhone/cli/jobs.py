"""`toolhone jobs`: what a fine-tuning will take, starting it, following it, stopping it."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolhone.cli.options import (
    as_json,
    category_argument,
    category_option,
    coloured,
    console,
    data_option,
    finetuning,
    finetuning_parts,
    note,
    print_json,
    run,
    settings_of,
    table,
)
from toolhone.cli.permitting import local_caller, permitted
from toolhone.cli.plain import harmless
from toolhone.cli.training_options import config_of, training_options
from toolhone.exceptions import InvalidRequestError
from toolhone.jobs.worker import LOG, ensure_worker
from toolhone.models import Caller, Category, Json
from toolhone.records.jobs import FinetuningConfig, FinetuningProvider, Job, JobStatus
from toolhone.roles import Permission
from toolhone.work_answers import event_json, job_json, job_text, plan_json, plan_text

if TYPE_CHECKING:
    from rich.text import Text

    from toolhone.finetuning_parts import FinetuningParts

STATUSES = [status.value for status in JobStatus]
COLOURS = {
    JobStatus.SUCCEEDED: "green",
    JobStatus.GATE_FAILED: "red",
    JobStatus.FAILED: "red",
    JobStatus.COST_STOPPED: "red",
    JobStatus.NEEDS_ATTENTION: "red",
    JobStatus.AWAITING_APPROVAL: "yellow",
}


@click.group(short_help="Fine-tuning: estimate, start, watch, approve, cancel.")
def jobs() -> None:
    """Fine-tuning jobs.

    A job runs a plan and nothing else. Free work starts at once; work that costs money waits until it is
    approved. A toolhone that serves the data folder runs its jobs; without one, `watch` and `work` do.
    """


@jobs.command(short_help="Say what a fine-tuning will take.")
@training_options
@data_option
@as_json
def estimate(data: Path | None, json_output: bool, dataset_id: str | None, **options: Json) -> None:
    """Say what a fine-tuning will take, and keep that as a plan. Nothing is sent or spent."""
    config = config_of(options)
    settings = settings_of(data=data)

    async def main() -> None:
        async with finetuning(settings, tools=_learns_use(config, dataset_id)) as system:
            plan = await system.estimate(config, dataset_id=dataset_id, caller=local_caller(settings))
        if json_output:
            print_json(plan_json(plan))
        else:
            click.echo(harmless(plan_text(plan)))
            click.echo(f"Start it with: toolhone jobs create --plan {plan.plan_id}")

    run(main)


@jobs.command(short_help="Start a fine-tuning.")
@click.option("--plan", "plan_id", metavar="ID", help="The plan to run; else one is made of the options.")
@click.option("--wait", is_flag=True, help="Watch it until it is over.")
@training_options
@data_option
@as_json
def create(
    plan_id: str | None,
    wait: bool,
    data: Path | None,
    json_output: bool,
    dataset_id: str | None,
    **options: Json,
) -> None:
    """Create the job of a plan, or of a plan made of the options.

    A plan has one job: to create it again shows that one. With --wait, exit code 1 if it does not succeed.
    """
    given = [name for name, value in options.items() if value not in (None, ())]
    if plan_id is not None and (given or dataset_id is not None):
        raise InvalidRequestError("A plan says everything already; give either --plan or other options.")
    config = None if plan_id is not None else config_of(options)
    ended: list[Job] = []
    settings = settings_of(data=data)

    async def main() -> None:
        tools = config is not None and _learns_use(config, dataset_id)
        async with finetuning_parts(settings, tools=tools) as parts:
            job = await parts.system.create_job(
                plan_id=plan_id, config=config, dataset_id=dataset_id, caller=local_caller(settings)
            )
            if wait:
                ended.append(await _watched(parts, job.job_id, local_caller(settings), json_output))
            else:
                await _say(job, data, json_output)

    run(main)
    if wait:
        sys.exit(0 if ended and ended[0].status is JobStatus.SUCCEEDED else 1)


@jobs.command("list", short_help="List the jobs.")
@category_option
@click.option("--status", type=click.Choice(STATUSES), metavar="STATUS", help=f"{', '.join(STATUSES)}.")
@click.option("-n", "--limit", default=50, show_default=True, type=click.IntRange(1), help="Rows at most.")
@data_option
@as_json
def list_jobs(
    category: str | None, status: str | None, limit: int, data: Path | None, json_output: bool
) -> None:
    """List the jobs, the newest first."""
    settings = settings_of(data=data)

    async def main() -> None:
        async with finetuning(settings) as system:
            found = await system.jobs(
                category=Category(category) if category else None,
                status=[JobStatus(status)] if status else None,
                limit=limit,
                caller=local_caller(settings),
            )
        if json_output:
            print_json([job_json(job) for job in found])
        elif not found:
            click.echo("No such job.", err=True)
        else:
            _list(found)

    run(main)


@jobs.command(short_help="Show a job.")
@click.argument("job_id", metavar="JOB")
@data_option
@as_json
def show(job_id: str, data: Path | None, json_output: bool) -> None:
    """Show how JOB goes, or how it ended and why."""
    settings = settings_of(data=data)

    async def main() -> None:
        async with finetuning(settings) as system:
            _show(await system.job(job_id, caller=local_caller(settings)), json_output)

    run(main)


@jobs.command(short_help="Show what happened to a job.")
@click.argument("job_id", metavar="JOB")
@click.option("--after", default=0, type=int, metavar="SEQ", help="Only what happened after this event.")
@data_option
@as_json
def events(job_id: str, after: int, data: Path | None, json_output: bool) -> None:
    """Show what happened to JOB, oldest first."""
    settings = settings_of(data=data)

    async def main() -> None:
        async with finetuning(settings) as system:
            found = await system.events(job_id, after=after, caller=local_caller(settings))
        if json_output:
            print_json([event_json(event) for event in found])
            return
        rows: list[list[str | Text]] = [
            [str(event.seq), event.at[5:19].replace("T", " "), event.kind, _first_line(event.message)]
            for event in found
        ]
        console().print(table(["seq", "time (UTC)", "kind", "what"], rows, shorten=["what"]))

    run(main)


@jobs.command(short_help="Let a job begin that costs money.")
@click.argument("job_id", metavar="JOB")
@data_option
@as_json
def approve(job_id: str, data: Path | None, json_output: bool) -> None:
    """Let JOB begin, which costs money: up to the bound of its plan."""
    settings = settings_of(data=data)

    async def main() -> None:
        async with finetuning(settings) as system:
            await _say(await system.approve_job(job_id, caller=local_caller(settings)), data, json_output)

    run(main)


@jobs.command(short_help="Stop a job and its spending.")
@click.argument("job_id", metavar="JOB")
@data_option
@as_json
def cancel(job_id: str, data: Path | None, json_output: bool) -> None:
    """Stop JOB. What has begun is stopped at its provider by the process that runs the jobs."""
    settings = settings_of(data=data)

    async def main() -> None:
        async with finetuning(settings) as system:
            await _say(await system.cancel_job(job_id, caller=local_caller(settings)), data, json_output)

    run(main)


@jobs.command(short_help="Run a job again that did not succeed.")
@click.argument("job_id", metavar="JOB")
@data_option
@as_json
def retry(job_id: str, data: Path | None, json_output: bool) -> None:
    """Run JOB again, which did not succeed. What needs attention goes on; else it is a new attempt."""
    settings = settings_of(data=data)

    async def main() -> None:
        async with finetuning(settings) as system:
            await _say(await system.retry_job(job_id, caller=local_caller(settings)), data, json_output)

    run(main)


@jobs.command(short_help="Follow a job with its loss curve.")
@click.argument("job_id", metavar="JOB")
@data_option
@as_json
def watch(job_id: str, data: Path | None, json_output: bool) -> None:
    """Follow JOB until it is over; with --json, one line for each change.

    If no process runs the jobs of this folder, this one does meanwhile. Exit code 1 if it does not succeed.
    """
    ended: list[Job] = []
    settings = settings_of(data=data)

    async def main() -> None:
        async with finetuning_parts(settings) as parts:
            ended.append(await _watched(parts, job_id, local_caller(settings), json_output))

    run(main)
    sys.exit(0 if ended and ended[0].status is JobStatus.SUCCEEDED else 1)


@jobs.command(short_help="Run the jobs of the data folder until none is left.")
@data_option
def work(data: Path | None) -> None:
    """Run the jobs of the data folder until none is left that can run."""
    settings = permitted(settings_of(data=data), Permission.TRAIN)

    async def main() -> None:
        async with finetuning_parts(settings) as parts:
            await parts.runner.run(until_idle=True)

    run(main)


@jobs.command(short_help="Show or set what a category may spend.")
@category_argument
@click.argument("usd", type=float, required=False)
@click.option("--unlimited", is_flag=True, help="Take the limit away.")
@data_option
@as_json
def budget(category: str, usd: float | None, unlimited: bool, data: Path | None, json_output: bool) -> None:
    """Show what all trainings of CATEGORY may cost together, or set it to USD."""
    if unlimited and usd is not None:
        raise InvalidRequestError("Give either USD or --unlimited.")
    chosen = Category(category)
    settings = settings_of(data=data)

    async def main() -> None:
        async with finetuning(settings) as system:
            if unlimited or usd is not None:
                await system.set_budget(chosen, usd, caller=local_caller(settings))
            limit, reserved, spent = await system.budget(chosen, caller=local_caller(settings))
        if json_output:
            print_json(
                {"category": category, "limit_usd": limit, "reserved_usd": reserved, "spent_usd": spent}
            )
            return
        bound = "no limit" if limit is None else f"${limit:,.2f}"
        click.echo(f"{category}: {bound}; ${spent:,.2f} spent, ${reserved:,.2f} reserved")

    run(main)


def _learns_use(config: FinetuningConfig, dataset_id: str | None) -> bool:
    """Whether the dataset is made of recorded use, for which the tools must be there."""
    return config.provider is FinetuningProvider.SELECTOR and dataset_id is None


async def _watched(parts: "FinetuningParts", job_id: str, caller: Caller, json_output: bool) -> Job:
    from toolhone.cli.job_watching import follow_job  # rich, only where it is used

    job = await follow_job(parts, job_id, caller=caller, json_output=json_output)
    if not json_output:
        click.echo(harmless(job_text(job)))
    return job


def _show(job: Job, json_output: bool) -> None:
    if json_output:
        print_json(job_json(job))
    else:
        click.echo(harmless(job_text(job)))


async def _say(job: Job, data: Path | None, json_output: bool) -> None:
    """Tell how the job is, and see to it that somebody runs it."""
    _show(job, json_output)
    if job.status.final or job.status is JobStatus.AWAITING_APPROVAL:
        return
    folder = settings_of(data=data).data
    if await ensure_worker(folder, os.environ):
        note(f"A process was started that runs it; its log is {folder / LOG}.")
    if not json_output:
        click.echo(f"Follow it with: toolhone jobs watch {job.job_id}")


def _list(found: list[Job]) -> None:
    rows: list[list[str | Text]] = []
    for job in found:
        colour = COLOURS.get(job.status)
        rows.append(
            [
                job.job_id,
                coloured(job.status.value, colour) if colour else job.status.value,
                f"{job.progress:.0%}",
                "" if job.validation_score is None else f"{job.validation_score:.3f}",
                f"${job.cost_usd:,.2f}",
                job.provider.value,
            ]
        )
    headings = ["job", "status", "done", "score", "cost", "provider"]
    console().print(table(headings, rows, shorten=["job"]))


def _first_line(text: str) -> str:
    return harmless(text).replace("\n", " ")
