"""`toolhone backup`, `restore` and `check`: the data folder as a whole, copied, brought back, examined."""

import sys
from pathlib import Path

import anyio.to_thread
import click

from toolhone.cli.keeping import keeper
from toolhone.cli.options import as_json, data_option, note, print_json, run, settings_of
from toolhone.cli.permitting import local_caller, permitted
from toolhone.cli.plain import harmless
from toolhone.cli.progress import progress_bar
from toolhone.counted import counted
from toolhone.roles import Permission

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(short_help="Copy the whole data folder into a file, while servers run.")
@click.argument("file", type=FILE)
@click.option("--with-results", is_flag=True, help="Also whole results of calls, which are not redacted.")
@click.option("--replace", is_flag=True, help="Replace FILE if it is there, once the new one is whole.")
@data_option
@as_json
def backup(file: Path, with_results: bool, replace: bool, data: Path | None, json_output: bool) -> None:
    """Copy the whole data folder into FILE, a tar: whole or not at all, readable by you alone.

    Servers and jobs may go on; each database is copied as it was at one moment. What is said there of people
    is in it too, and outlives an erasure: keep backups no longer than you need them.
    """
    settings = settings_of(data=data)

    async def main() -> None:
        async with keeper(settings) as (keeping, _):
            with progress_bar("copying", shown=not json_output) as progress:
                made = await keeping.backup(
                    file,
                    with_results=with_results,
                    replace=replace,
                    progress=progress,
                    caller=local_caller(settings),
                )
        if json_output:
            print_json(made.as_json())
            return
        files = counted(len(made.manifest.files), "file")
        click.echo(f"{files}, {counted(made.size, 'byte')} written to {file}")
        click.echo(f"sha256 {made.sha256}")

    run(main)


@click.command(short_help="Make a data folder from a backup.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@data_option
@as_json
def restore(file: Path, data: Path | None, json_output: bool) -> None:
    """Make the data folder from FILE: whole or not at all, after every file was checked.

    The folder must be new or empty: stop what uses the old one, and move it away first.
    """
    settings = settings_of(data=data)
    caller_may = local_caller(settings)

    async def main() -> None:
        from toolhone.access import require  # --help must not wait for it
        from toolhone.keeping.restore import restore_backup

        # Not recorded if refused: there is no audit yet, and none may be made.
        require(caller_may, Permission.ADMINISTER)
        with progress_bar("restoring", shown=not json_output) as progress:
            outcome = await anyio.to_thread.run_sync(
                lambda: restore_backup(file, settings.data, progress=progress)
            )
        if json_output:
            print_json(outcome.as_json())
            return
        files = counted(len(outcome.manifest.files), "file")
        moment = outcome.manifest.header.created_at[:19].replace("T", " ")
        click.echo(f"{files} of {moment} UTC restored to {outcome.folder}")
        if outcome.moved_models:
            click.echo(f"{counted(outcome.moved_models, 'model')} found where they are now")
        click.echo("Examine it with: toolhone check")

    run(main)


@click.command(short_help="Examine whether the data folder is whole.")
@data_option
@as_json
def check(data: Path | None, json_output: bool) -> None:
    """Examine databases, the chain of the audit, datasets, models, and who may read the data folder.

    Nothing is changed, and servers may run. Exit code 1 if anything is not whole.
    """
    settings = permitted(settings_of(data=data), Permission.OPERATE)
    whole: list[bool] = []

    async def main() -> None:
        async with keeper(settings) as (keeping, _):
            with progress_bar("examining", shown=not json_output) as progress:
                found = await keeping.examine(
                    progress=lambda what: progress(what, 0, 0), caller=local_caller(settings)
                )
        whole.append(found.whole)
        if json_output:
            print_json(found.as_json())
            return
        for fault in found.faults:
            click.echo(f"{click.style('fault', fg='red')}  {harmless(fault.what)}")
            click.echo(f"       mend: {harmless(fault.mend)}")
        verdict = "whole" if found.whole else counted(len(found.faults), "fault")
        click.echo(f"{verdict}: {found.contents} in {settings.data}")
        if found.audit_head:
            note(f"the head of the audit's chain is {found.audit_head}; kept elsewhere, it proves the end")

    run(main)
    sys.exit(0 if whole == [True] else 1)
