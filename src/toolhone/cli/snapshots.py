"""`toolhone snapshots`: hand in, import, list, export, count, erase and prune what agents did."""

import json
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from toolhone.cli.audit import since_option, until_option
from toolhone.cli.options import (
    as_json,
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
from toolhone.cli.progress import bar_on_stderr
from toolhone.counted import counted
from toolhone.exceptions import InvalidRequestError
from toolhone.json_values import is_object, parse_json
from toolhone.models import Category, Json, JsonObject
from toolhone.roles import Permission

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from toolhone.records.snapshots import CategoryCount, Snapshot, SnapshotQuery
    from toolhone.snapshots.importing import Imported


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which snapshots are asked for, as the options name it."""

    category: str | None
    agent_id: str | None
    task_type: str | None
    failed: bool
    since: str | None
    until: str | None

    def query(self) -> "SnapshotQuery":
        from toolhone.records.snapshots import SnapshotQuery  # pydantic, for which --help must not wait

        return SnapshotQuery(
            category=Category(self.category) if self.category else None,
            agent_id=self.agent_id,
            task_type=self.task_type,
            success=False if self.failed else None,
            since=self.since,
            until=self.until,
        )


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """--category, --agent, --task, --failed, --since, --until: the command is given `filters`."""

    @wraps(command)
    def run_filtered(**given: Any) -> None:
        filters = Filters(**{field.name: given.pop(field.name) for field in fields(Filters)})
        command(filters=filters, **given)

    for option in (
        until_option,
        since_option,
        click.option("--failed", is_flag=True, help="Only what did not succeed."),
        click.option("--task", "task_type", metavar="TYPE", help="Only of this task type."),
        click.option("--agent", "agent_id", metavar="ID", help="Only of this agent."),
        category_option,
    ):
        run_filtered = option(run_filtered)
    return run_filtered


@click.group(short_help="What agents did: hand in, list, export, count, erase.")
def snapshots() -> None:
    """Pieces of agents' work, redacted before they are kept, from which datasets are made."""


@snapshots.command(short_help="Hand in one snapshot.")
@click.argument("snapshot", required=False)
@data_option
@as_json
def add(snapshot: str | None, data: Path | None, json_output: bool) -> None:
    """Keep one SNAPSHOT, a JSON object; without it, it is read from stdin.

    Needed are agent_id, agent_name, category, task_type, input_data, output_data, success,
    performance_score and execution_time_ms.
    """
    value = _parsed(sys.stdin.read() if snapshot is None else snapshot)
    settings = settings_of(data=data)

    async def main() -> None:
        async with finetuning(settings) as system:
            (snapshot_id,) = await system.collect([value], caller=local_caller(settings))
        if json_output:
            print_json({"snapshot_id": snapshot_id})
        else:
            click.echo(snapshot_id)

    run(main)


@snapshots.command("import", short_help="Hand in a file of snapshots.")
@click.argument("file", type=click.File("rb"))
@data_option
@as_json
def import_file(file: BinaryIO, data: Path | None, json_output: bool) -> None:
    """Keep each line of FILE, JSON lines, as a snapshot; "-" is stdin.

    A bad line is named on stderr and does not keep the others from being kept. Exit code 1 if there were
    any.
    """
    outcomes: list[Imported] = []
    settings = settings_of(data=data)

    async def main() -> None:
        from toolhone.snapshots.importing import collect_lines  # --help must not wait for it

        async with finetuning(settings) as system:
            with _progress(file, shown=not json_output) as progress:
                outcomes.append(
                    await collect_lines(
                        file, system.collect, caller=local_caller(settings), progress=progress
                    )
                )

    run(main)
    (outcome,) = outcomes
    if json_output:
        print_json(
            {
                "lines": outcome.lines,
                "kept": outcome.kept,
                "refused": outcome.refused,
                "problems": [asdict(problem) for problem in outcome.problems],
            }
        )
    else:
        for problem in outcome.problems:
            note(f"line {problem.line}: {problem.why}")
        if more := outcome.refused - len(outcome.problems):
            note(f"and {more} more lines")
        click.echo(f"{outcome.kept} kept, {outcome.refused} refused, of {outcome.lines} lines")
    sys.exit(1 if outcome.refused else 0)


@snapshots.command("list", short_help="List the newest snapshots.")
@filtered
@click.option("-n", "--limit", default=50, show_default=True, type=click.IntRange(1), help="At most.")
@data_option
@as_json
def list_snapshots(filters: Filters, limit: int, data: Path | None, json_output: bool) -> None:
    """List the newest snapshots, newest first; with --json whole, as they are kept.

    `toolhone snapshots export` writes all of them as JSON lines.
    """

    async def main() -> None:
        settings = settings_of(data=data)
        query = replace(filters.query(), limit=limit, newest_first=True)
        async with finetuning(settings) as system:
            found = await system.snapshots(query, caller=local_caller(settings))
        if json_output:
            print_json([asdict(snapshot) for snapshot in found])
        elif found:
            console().print(_snapshots_table(found))
        else:
            click.echo(f"No such snapshot is in {settings.data}.", err=True)

    run(main)


@snapshots.command(short_help="Write snapshots to a file or to stdout.")
@click.argument(
    "file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path), default="snapshots.jsonl"
)
@filtered
@data_option
@as_json
def export(file: Path, filters: Filters, data: Path | None, json_output: bool) -> None:
    """Write snapshots to FILE as JSON lines, oldest first; "-" is stdout.  [default: snapshots.jsonl]

    A line holds what is kept: redacted, with a keyed hash in place of a user. The file is yours to look
    after: erasures do not reach it. To have exports that are kept up to date and follow erasures, set
    export_folder (`toolhone data export`).
    """
    to_stdout = str(file) == "-"
    if to_stdout and json_output:
        raise click.UsageError("With - the lines themselves are the output: leave --json out.")

    async def main() -> None:
        settings = settings_of(data=data)
        async with finetuning_parts(settings) as parts:
            out = sys.stdout.buffer if to_stdout else file
            count = await parts.pages.export(filters.query(), out, caller=local_caller(settings))
        if json_output:
            print_json({"snapshots": count, "file": str(file)})
        else:
            click.echo(
                f"{counted(count, 'snapshot')} written to {'stdout' if to_stdout else file}", err=to_stdout
            )

    run(main)


@snapshots.command(short_help="Count snapshots by category.")
@data_option
@as_json
def stats(data: Path | None, json_output: bool) -> None:
    """Count the snapshots of each category, and say how old and how good they are."""

    async def main() -> None:
        settings = settings_of(data=data)
        async with finetuning(settings) as system:
            found = await system.counts(caller=local_caller(settings))
        if json_output:
            print_json([asdict(count) for count in found])
        elif found:
            console().print(_counts_table(found))
        else:
            click.echo(f"No snapshot is in {settings.data}.", err=True)

    run(main)


@snapshots.command(short_help="Erase all of an agent or a user.")
@click.option("--agent", "agent_id", metavar="ID", help="The agent.")
@click.option("--user", "user_id", metavar="ID", help="The user, by the id that was handed in.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_option
@as_json
def erase(agent_id: str | None, user_id: str | None, yes: bool, data: Path | None, json_output: bool) -> None:
    """Erase all that is kept of an agent or a user. It cannot be undone.

    Snapshots, stored results, exports and the payloads of the audit go. Datasets that hold one of the
    snapshots are revoked, with a new version in place of each where enough is left; models trained
    on them are marked. Backups keep what they hold. If it is interrupted, do it again.
    """
    if (agent_id is None) == (user_id is None):
        raise click.UsageError("Name either an --agent or a --user.")
    whose = f"the agent {agent_id!r}" if user_id is None else f"the user {user_id!r}"
    settings = permitted(settings_of(data=data), Permission.ERASE)
    if not yes:
        click.confirm(f"Erase all that is kept of {harmless(whose)}?", abort=True, err=True)

    async def main() -> None:
        async with finetuning(settings) as system:
            outcome = await system.erase(agent_id=agent_id, user_id=user_id, caller=local_caller(settings))
        if json_output:
            print_json({**asdict(outcome), "datasets": dict(outcome.datasets)})
            return
        click.echo(
            f"{counted(outcome.snapshots, 'snapshot')}, {counted(outcome.results, 'stored result')} and the "
            f"payloads of {counted(outcome.events, 'audit row')} erased"
        )
        if outcome.exports:
            click.echo(f"{outcome.exports} lines of exports taken out or emptied")
        for dataset_id, successor in outcome.datasets.items():
            click.echo(f"{dataset_id} revoked, {f'now {successor}' if successor else 'without a successor'}")
        if outcome.models:
            click.echo(f"marked as tainted: {', '.join(outcome.models)}")
        for problem in outcome.problems:
            note(problem)

    run(main)


@snapshots.command(short_help="Delete what is older than its category is kept.")
@data_option
@as_json
def prune(data: Path | None, json_output: bool) -> None:
    """Delete the snapshots that are older than the days of their category (setting snapshot_days)."""
    settings = permitted(settings_of(data=data), Permission.ERASE)

    async def main() -> None:
        async with finetuning_parts(settings) as parts:
            deleted = await parts.retention.prune(caller=local_caller(settings))
        if json_output:
            print_json({"deleted": {category.value: number for category, number in deleted.items()}})
            return
        for category, number in deleted.items():
            click.echo(f"{category.value}: {number} deleted")
        if not deleted:
            click.echo("Nothing is too old.")

    run(main)


def _parsed(text: str) -> JsonObject:
    try:
        value: Json = parse_json(text)
    except ValueError as exc:
        raise InvalidRequestError(f"The snapshot is not JSON: {exc}.") from exc
    if not is_object(value):
        raise InvalidRequestError(f"A snapshot is a JSON object, not {json.dumps(value)[:80]}.")
    return value


@contextmanager
def _progress(file: BinaryIO, *, shown: bool) -> "Generator[Callable[[Imported], None]]":
    """A bar over the bytes of the file, on stderr, if that is a terminal."""
    with bar_on_stderr(shown=shown) as bar:
        task = bar.add_task("importing", total=_size(file))

        def update(so_far: "Imported") -> None:
            bar.update(task, completed=so_far.read, description=f"{so_far.kept:,} kept")

        yield update


def _size(file: BinaryIO) -> int | None:
    """The bytes of a file; `None` if it is a pipe."""
    try:
        size = Path(file.name).stat().st_size
    except (OSError, TypeError, AttributeError):
        return None
    return size or None


def _snapshots_table(found: "list[Snapshot]") -> "Table":
    rows: list[list[str | Text]] = [
        [
            snapshot.recorded_at[5:19].replace("T", " "),
            snapshot.category.value,
            _plain(snapshot.task_type),
            _plain(snapshot.agent_id),
            "yes" if snapshot.success else coloured("no", "red"),
            f"{snapshot.performance_score:.2f}",
            f"{snapshot.execution_time_ms:.0f}",
            str(snapshot.tokens_used),
            # The end of an id tells rows apart; its beginning is the time.
            snapshot.snapshot_id[-8:],
        ]
        for snapshot in found
    ]
    headings = ["time (UTC)", "category", "task", "agent", "ok", "score", "ms", "tokens", "id"]
    return table(headings, rows, shorten=["agent", "task", "category"])


def _counts_table(found: "list[CategoryCount]") -> "Table":
    rows: list[list[str | Text]] = [
        [
            count.category.value,
            f"{count.snapshots:,}",
            f"{count.successes / count.snapshots:.0%}",
            f"{count.mean_score:.2f}",
            count.oldest[:16].replace("T", " "),
            count.newest[:16].replace("T", " "),
        ]
        for count in found
    ]
    headings = ["category", "snapshots", "worked", "mean score", "oldest (UTC)", "newest (UTC)"]
    return table(headings, rows, shorten=["oldest (UTC)"])


def _plain(text: str) -> str:
    return harmless(text).replace("\n", " ")
