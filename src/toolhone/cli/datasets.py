"""`toolhone datasets`: prepare, list, show, check and export datasets."""

import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import click

from toolhone.cli.audit import data_option
from toolhone.cli.options import as_json, coloured, console, print_json, run, settings_of, table
from toolhone.cli.plain import harmless
from toolhone.models import LOCAL_CALLER, Category
from toolhone.records.datasets import DatasetRequest, Split, SplitBy

if TYPE_CHECKING:
    from rich.text import Text

    from toolhone.datasets.preparation import Preparation
    from toolhone.records.datasets import Manifest
    from toolhone.records.stores import DatasetStore

CATEGORIES = [category.value for category in Category]
FORMATS = ["openai-chat", "azure-chat", "openai-dpo", "bedrock-anthropic", "parquet"]
SHOWN = 20
"""Problems of a check; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a command works with."""

    store: "DatasetStore"
    preparation: "Preparation"


@asynccontextmanager
async def opened(data: Path | None) -> AsyncGenerator[Opened]:
    """The datasets of a data folder, for the time of one command."""
    # --help must not wait for it
    from toolhone.assembly import audit_log, dataset_preparation, open_datasets, open_snapshots

    settings = settings_of(data=data)
    audit = audit_log(settings)
    snapshots, store = open_snapshots(settings), open_datasets(settings)
    try:
        yield Opened(store, dataset_preparation(audit, lambda: snapshots, lambda: store))
    finally:
        with anyio.CancelScope(shield=True):
            await audit.aclose()
            snapshots.close()
            store.close()


@click.group(short_help="Rows to train and judge models with: prepare, check, export.")
def datasets() -> None:
    """Immutable datasets made of snapshots: filtered, without duplicates, split in three."""


@datasets.command(short_help="Make a dataset of a category's snapshots.")
@click.argument("category", type=click.Choice(CATEGORIES), metavar="CATEGORY")
@click.option("--min-samples", default=100, show_default=True, type=click.IntRange(1), help="Rows at least.")
@click.option(
    "--max-samples",
    default=10_000,
    show_default=True,
    type=click.IntRange(1, 1_000_000),
    help="Rows at most.",
)
@click.option(
    "--quality-threshold",
    default=0.7,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Only answers that scored as much are learned.",
)
@click.option(
    "--days",
    "time_range_days",
    default=30,
    show_default=True,
    type=click.IntRange(1, 3_650),
    help="Only snapshots of the last days.",
)
@click.option(
    "--split-by",
    default=SplitBy.GROUP.value,
    show_default=True,
    type=click.Choice([by.value for by in SplitBy]),
    help="What decides what is held out: the hash of a group of like rows, or time.",
)
@click.option("--no-balance", is_flag=True, help="Do not cap task types that have far more rows.")
@data_option
@as_json
def prepare(
    category: str,
    min_samples: int,
    max_samples: int,
    quality_threshold: float,
    time_range_days: int,
    split_by: str,
    no_balance: bool,
    data: Path | None,
    json_output: bool,
) -> None:
    """Make an immutable dataset of the snapshots of CATEGORY. The same rows again are the same dataset.

    Categories: core_security, ai_intelligence, ecommerce, marketing_brand, wordpress_cms,
    customer_service, specialized, general.
    """
    request = DatasetRequest(
        category=Category(category),
        min_samples=min_samples,
        max_samples=max_samples,
        quality_threshold=quality_threshold,
        time_range_days=time_range_days,
        split_by=SplitBy(split_by),
        balance=not no_balance,
    )

    async def main() -> None:
        async with opened(data) as work:
            with progress_bar() as progress:
                manifest = await work.preparation.prepare(request, caller=LOCAL_CALLER, progress=progress)
        if json_output:
            print_json(as_object(manifest))
            return
        counts = ", ".join(f"{number:,} {place}" for place, number in manifest.counts.items())
        click.echo(f"{manifest.dataset_id} (version {manifest.version}): {counts}")
        for warning in manifest.statistics["warnings"]:
            click.echo(click.style(f"note: {warning}", fg="yellow"), err=True)

    run(main)


@datasets.command("list", short_help="List datasets.")
@click.option(
    "--category", metavar="CATEGORY", type=click.Choice(CATEGORIES), help="Only those of this category."
)
@data_option
@as_json
def list_datasets(category: str | None, data: Path | None, json_output: bool) -> None:
    """List datasets, the newest first; revoked ones are struck from use, their files deleted."""

    async def main() -> None:
        async with opened(data) as work:
            only = None if category is None else Category(category)
            manifests = await anyio.to_thread.run_sync(lambda: work.store.manifests(only))
        if json_output:
            print_json([as_object(manifest) for manifest in manifests])
            return
        if not manifests:
            click.echo(
                "There are no datasets yet. Make one with `toolhone datasets prepare CATEGORY`.", err=True
            )
            return
        rows: list[list[str | Text]] = [
            [
                manifest.dataset_id,
                str(manifest.version),
                *(f"{manifest.counts.get(split.value, 0):,}" for split in Split),
                f"{manifest.counts.get('failures', 0):,}",
                f"{manifest.counts.get('pairs', 0):,}",
                manifest.created_at[:10],
                coloured("revoked", "red") if manifest.revoked_at else "",
            ]
            for manifest in manifests
        ]
        headings = [
            "dataset",
            "version",
            *(split.value for split in Split),
            "failures",
            "pairs",
            "made",
            "state",
        ]
        console().print(table(headings, rows, shorten=["dataset"]))

    run(main)


@datasets.command(short_help="Show the card of a dataset.")
@click.argument("dataset_id", metavar="ID")
@data_option
@as_json
def show(dataset_id: str, data: Path | None, json_output: bool) -> None:
    """Show what is in the dataset ID, what was left out and why. Its files are checked on the way."""

    async def main() -> None:
        async with opened(data) as work:
            manifest = await anyio.to_thread.run_sync(lambda: work.store.manifest(dataset_id))
            if json_output:
                print_json(as_object(manifest))
                return
            folder = await anyio.to_thread.run_sync(lambda: work.store.folder(dataset_id))
            card = await anyio.Path(folder / "README.md").read_text(encoding="utf-8")
        click.echo(harmless(card))

    run(main)


@datasets.command(short_help="Find what a provider would refuse.")
@click.argument("dataset_id", metavar="ID")
@click.option(
    "--format",
    "format_name",
    default="openai-chat",
    show_default=True,
    type=click.Choice(FORMATS[:-1]),
    help="By whose rules.",
)
@data_option
@as_json
def check(dataset_id: str, format_name: str, data: Path | None, json_output: bool) -> None:
    """Check the dataset ID by a provider's rules. Nothing is sent; exit code 1 if it would be refused."""
    refused: list[bool] = []

    async def main() -> None:
        async with opened(data) as work:
            problems = await work.preparation.check(dataset_id, format_name)
        refused.append(any(problem.fatal for problem in problems))
        if json_output:
            print_json(
                [
                    {
                        "file": problem.file,
                        "line": problem.line,
                        "message": problem.message,
                        "fatal": problem.fatal,
                    }
                    for problem in problems
                ]
            )
            return
        for problem in sorted(problems, key=lambda problem: not problem.fatal)[:SHOWN]:
            click.echo(f"{'refused' if problem.fatal else 'note'}: {harmless(str(problem))}")
        if len(problems) > SHOWN:
            click.echo(f"… and {len(problems) - SHOWN:,} more; --json lists all")
        if not problems:
            click.echo(f"Nothing that {format_name} is known to refuse.")

    run(main)
    if any(refused):
        sys.exit(1)


@datasets.command(short_help="Write a dataset in another format.")
@click.argument("dataset_id", metavar="ID")
@click.option(
    "--format",
    "format_name",
    required=True,
    type=click.Choice(FORMATS),
    help="For whom.",
)
@click.option(
    "--to",
    "destination",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where to; nothing there is overwritten.  [default: ID-FORMAT]",
)
@data_option
@as_json
def export(
    dataset_id: str, format_name: str, destination: Path | None, data: Path | None, json_output: bool
) -> None:
    """Write the dataset ID in a provider's or a library's format. export.json says what was left out."""
    folder = destination or Path(f"{dataset_id}-{format_name}")

    async def main() -> None:
        async with opened(data) as work:
            files = await work.preparation.export(dataset_id, format_name, folder)
        if json_output:
            print_json({"files": [str(file) for file in files]})
        else:
            for file in files:
                click.echo(str(file))

    run(main)


def as_object(manifest: "Manifest") -> dict[str, object]:
    """All that is known of a dataset."""
    from toolhone.work_answers import manifest_json

    return manifest_json(manifest)


@contextmanager
def progress_bar() -> Generator[Callable[[str, int, int], None] | None]:
    """A bar on stderr for people; nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield report
