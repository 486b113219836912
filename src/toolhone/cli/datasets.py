"""`toolhone datasets`: prepare, list, show, check and export datasets."""

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
    print_json,
    run,
    settings_of,
    table,
)
from toolhone.cli.permitting import local_caller
from toolhone.cli.plain import harmless
from toolhone.cli.progress import progress_bar
from toolhone.models import Category
from toolhone.records.datasets import DatasetRequest, Split, SplitBy

if TYPE_CHECKING:
    from rich.text import Text

    from toolhone.records.datasets import Manifest

FORMATS = ["openai-chat", "azure-chat", "openai-dpo", "bedrock-anthropic", "parquet"]
SHOWN = 20
"""Problems of a check; the rest is counted."""


@click.group(short_help="Rows to train and judge models with: prepare, check, export.")
def datasets() -> None:
    """Immutable datasets made of snapshots: filtered, without duplicates, split in three."""


@datasets.command(short_help="Make a dataset of a category's snapshots.")
@category_argument
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
    settings = settings_of(data=data)

    async def main() -> None:
        async with finetuning(settings) as system:
            with progress_bar() as progress:
                manifest = await system.prepare_dataset(
                    request, caller=local_caller(settings), progress=progress
                )
        if json_output:
            print_json(as_object(manifest))
            return
        counts = ", ".join(f"{number:,} {place}" for place, number in manifest.counts.items())
        click.echo(f"{manifest.dataset_id} (version {manifest.version}): {counts}")
        for warning in manifest.statistics["warnings"]:
            click.echo(click.style(f"note: {warning}", fg="yellow"), err=True)

    run(main)


@datasets.command("list", short_help="List datasets.")
@category_option
@data_option
@as_json
def list_datasets(category: str | None, data: Path | None, json_output: bool) -> None:
    """List datasets, the newest first; revoked ones are struck from use, their files deleted."""
    settings = settings_of(data=data)

    async def main() -> None:
        async with finetuning(settings) as system:
            only = None if category is None else Category(category)
            manifests = await system.datasets(only, caller=local_caller(settings))
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
                "/".join(f"{manifest.counts.get(split.value, 0):,}" for split in Split),
                coloured("revoked", "red") if manifest.revoked_at else "",
            ]
            for manifest in manifests
        ]
        # The id is what the other commands want, and it must be read in full.
        headings = ["dataset", "v", "/".join(split.value for split in Split), "state"]
        console().print(table(headings, rows, shorten=["state"]))

    run(main)


@datasets.command(short_help="Show the card of a dataset.")
@click.argument("dataset_id", metavar="ID")
@data_option
@as_json
def show(dataset_id: str, data: Path | None, json_output: bool) -> None:
    """Show what is in the dataset ID, what was left out and why. Its files are checked on the way."""
    settings = settings_of(data=data)

    async def main() -> None:
        async with finetuning(settings) as system:
            manifest = await system.dataset(dataset_id, caller=local_caller(settings))
            if json_output:
                print_json(as_object(manifest))
                return
            card = await system.dataset_card(dataset_id, caller=local_caller(settings))
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
    settings = settings_of(data=data)

    async def main() -> None:
        async with finetuning(settings) as system:
            problems = await system.check_dataset(dataset_id, format_name, caller=local_caller(settings))
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
    settings = settings_of(data=data)

    async def main() -> None:
        async with finetuning(settings) as system:
            files = await system.export_dataset(
                dataset_id, format_name, folder, caller=local_caller(settings)
            )
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
