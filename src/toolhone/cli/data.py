"""`toolhone data`: what is stored here, of whom, for how long, where it goes; and exports of it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolhone.cli.keeping import keeper
from toolhone.cli.options import as_json, console, data_option, note, places, print_json, run, settings_of
from toolhone.cli.permitting import local_caller
from toolhone.cli.plain import harmless
from toolhone.counted import counted

if TYPE_CHECKING:
    from rich.table import Table

    from toolhone.keeping.inventory import Destination, Holding


@click.group(short_help="What is stored here, for how long, and where it goes.")
def data() -> None:
    """The data folder: what it holds, and exports of snapshots and the audit."""


@data.command(short_help="Say what each file holds, of whom, for how long.")
@click.option("--all", "everything", is_flag=True, help="Also what there is nothing of here.")
@places
@as_json
def show(
    everything: bool, config: Path | None, registry: Path | None, data: Path | None, json_output: bool
) -> None:
    """Say what each file of the data folder holds, of whom, how long, and where things go from here."""
    settings = settings_of(config=config, registry=registry, data=data)

    async def main() -> None:
        from toolhone.server.destinations import destinations  # --help must not wait for it

        async with keeper(settings) as (keeping, _):
            found = await keeping.inventory(
                destinations=destinations(settings, os.environ), caller=local_caller(settings)
            )
        if json_output:
            print_json(found.as_json())
            return
        click.echo(f"{found.folder}\n")
        if held := [row for row in found.holdings if row.files or everything]:
            console().print(_holdings(held))
        else:
            click.echo("Nothing is stored here yet. It begins with the first search or call.")
        if going := [one for one in found.destinations if one.where or everything]:
            click.echo("\nFrom here things go" if everything else "\nFrom here things go, as configured,")
            console().print(_destinations(going))
        else:
            click.echo("\nNothing goes anywhere from here, as configured.")
        if not everything:
            click.echo("\nWhat there is nothing of, and what is not configured: toolhone data show --all")
        for name in found.unknown:
            note(f"{name} is not a file of toolhone")

    run(main)


@data.command(short_help="Bring the exports up to date now.")
@data_option
@as_json
def export(data: Path | None, json_output: bool) -> None:
    """Write what came since the last time to the folder of exports, as running servers do each minute.

    The setting export_folder names it: TOOLHONE_EXPORT_FOLDER, or settings.toml. Without one,
    `toolhone snapshots export` and `toolhone audit export` write a file once.
    """
    settings = settings_of(data=data)

    async def main() -> None:
        async with keeper(settings) as (keeping, _):
            written = await keeping.export(caller=local_caller(settings))
        if json_output:
            print_json(written.as_json())
        else:
            where = settings.export_folder
            snapshots, rows = counted(written.snapshots, "snapshot"), counted(written.rows, "audit row")
            click.echo(f"{snapshots} and {rows} written to {where}")

    run(main)


def _holdings(found: "list[Holding]") -> "Table":
    from rich.table import Table

    made = Table(box=None, pad_edge=False)
    for heading in ("file", "size", "holds", "of whom", "kept", "goes"):
        made.add_column(heading, overflow="fold", justify="right" if heading == "size" else "left")
    for row in found:
        made.add_row(
            ", ".join(row.names),
            _size(row.size) if row.files else "-",
            row.holds,
            row.whose,
            row.kept,
            row.erased,
        )
    return made


def _destinations(found: "list[Destination]") -> "Table":
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False)
    for heading in ("to", "what", "where"):
        made.add_column(heading, overflow="fold")
    for row in found:
        made.add_row(
            Text(harmless(row.name)), row.what, Text(harmless(row.where or "nothing, as configured"))
        )
    return made


def _size(size: int) -> str:
    for unit in ("B", "KB", "MB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size = round(size / 1024)
    return f"{size} GB"
