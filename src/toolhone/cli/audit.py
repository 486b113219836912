"""`toolhone audit`: list, export, verify, erase and prune what was recorded."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolhone.audit_words import subject
from toolhone.cli.keeping import keeper
from toolhone.cli.options import as_json, coloured, console, data_option, print_json, run, settings_of, table
from toolhone.cli.permitting import local_caller, permitted
from toolhone.cli.plain import harmless
from toolhone.counted import counted
from toolhone.exceptions import InvalidRequestError
from toolhone.models import EventKind, Json
from toolhone.roles import Permission
from toolhone.settings import Settings
from toolhone.stores import AuditQuery

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from toolhone.audit import AuditLog

since_option = click.option("--since", metavar="TIME", help="Not before this time: ISO 8601, UTC.")
until_option = click.option("--until", metavar="TIME", help="Only before this time: ISO 8601, UTC.")


@click.group(short_help="List, export, verify and erase what was recorded.")
def audit() -> None:
    """The audit log: every call, refusal, repair, retry and selection, redacted."""


def is_there(folder: Path) -> bool:
    return (folder / "audit.db").exists()


def log_of(settings: Settings) -> "AuditLog":
    """The log of this data folder.

    Raises:
        InvalidRequestError: There is none. Opening it would make an empty one, and call that whole.
    """
    from toolhone.assembly import audit_log

    if not is_there(settings.data):
        raise InvalidRequestError(f"There is no audit log in {str(settings.data)!r}.")
    return audit_log(settings)


@audit.command("list")
@click.option(
    "--kind",
    "kinds",
    metavar="KIND",
    multiple=True,
    type=click.Choice([kind.value for kind in EventKind]),
    help=f"Only rows of this kind, may be given again: {', '.join(kind.value for kind in EventKind)}.",
)
@click.option("--tool", metavar="NAME", help="Only rows about this tool.")
@click.option("--server", metavar="NAME", help="Only rows about this server.")
@click.option("--failed", is_flag=True, help="Only what did not succeed.")
@click.option("--request", "request_id", metavar="ID", help="Only what one request caused.")
@since_option
@until_option
@click.option("-n", "--limit", default=50, show_default=True, type=click.IntRange(1), help="Rows at most.")
@data_option
@as_json
def list_rows(
    kinds: tuple[str, ...],
    tool: str | None,
    server: str | None,
    failed: bool,
    request_id: str | None,
    since: str | None,
    until: str | None,
    limit: int,
    data: Path | None,
    json_output: bool,
) -> None:
    """List the newest rows, newest first."""
    query = AuditQuery(
        kinds=kinds or None,
        tool=tool,
        server=server,
        success=False if failed else None,
        request_id=request_id,
        since=since,
        until=until,
        limit=limit,
    )
    settings = permitted(settings_of(data=data), Permission.READ_AUDIT)

    async def main() -> None:
        rows = await log_of(settings).query(query) if is_there(settings.data) else []
        if json_output:
            print_json(rows)
        elif rows:
            console().print(rows_table(rows))
        else:
            click.echo(f"No such row is in {settings.data}.", err=True)

    run(main)


def rows_table(rows: list[dict[str, Json]]) -> "Table":
    """Audit rows for people."""
    shown: list[list[str | Text]] = []
    for row in rows:
        success = row["success"]
        shown.append(
            [
                str(row["timestamp"])[5:19].replace("T", " "),
                str(row["kind"]),
                what_of(row),
                "" if success is None else ("yes" if success else coloured("no", "red")),
                "" if row["execution_time_ms"] is None else f"{row['execution_time_ms']:.0f}",
                "" if row["tokens_used"] is None else str(row["tokens_used"]),
                # The end of an id tells rows apart; its beginning is the time.
                str(row["request_id"] or "")[-8:],
            ]
        )
    headings = ["time (UTC)", "kind", "what", "ok", "ms", "tokens", "request"]
    return table(headings, shown, shorten=["what"])


def what_of(row: dict[str, Json]) -> str:
    """The one thing to know of a row in a list, with what went wrong."""
    what = subject(row)
    return harmless(f"{what} ({row['error_code']})" if row["error_code"] else what)


@audit.command(short_help="Write all rows to a file.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default="tool_calls_audit.jsonl")
@since_option
@until_option
@data_option
@as_json
def export(file: Path, since: str | None, until: str | None, data: Path | None, json_output: bool) -> None:
    """Write all rows to FILE as JSON lines, oldest first.  [default: tool_calls_audit.jsonl]"""
    settings = permitted(settings_of(data=data), Permission.READ_AUDIT)

    async def main() -> None:
        query = AuditQuery(since=since, until=until, limit=None, newest_first=False)
        count = await log_of(settings).export_to(file, query)
        if json_output:
            print_json({"rows": count, "file": str(file)})
        else:
            click.echo(f"{counted(count, 'row')} written to {file}")

    run(main)


@audit.command(short_help="Check that no row was changed or removed.")
@click.option("--remembered", metavar="HASH", help="The head of an earlier check; it must still be there.")
@data_option
@as_json
def verify(remembered: str | None, data: Path | None, json_output: bool) -> None:
    """Check the chain: finds a changed or missing row, and counts the erased.

    Exit code 1 if the chain is broken or there is no log. Who can write the file can make a new chain:
    keep the head elsewhere, and give it to a later check.
    """
    whole: list[bool] = []
    settings = permitted(settings_of(data=data), Permission.READ_AUDIT)

    async def main() -> None:
        outcome = await log_of(settings).verify(remembered=remembered)
        whole.append(outcome.whole)
        if json_output:
            print_json(
                {
                    "whole": outcome.whole,
                    "rows": outcome.rows,
                    "erased": outcome.erased,
                    "head": outcome.head,
                    "problems": list(outcome.problems),
                }
            )
            return
        for problem in outcome.problems:
            click.echo(f"problem: {harmless(problem)}")
        verdict = "whole" if outcome.whole else "BROKEN"
        click.echo(
            f"chain {verdict}: {counted(outcome.rows, 'row')}, {outcome.erased} erased, head {outcome.head}"
        )

    run(main)
    sys.exit(0 if whole == [True] else 1)


@audit.command(short_help="Remove what rows hold, keeping the chain.")
@click.argument("ids", nargs=-1, required=True)
@data_option
@as_json
def erase(ids: tuple[str, ...], data: Path | None, json_output: bool) -> None:
    """Remove the payloads of the rows with these audit IDS, also from exports; the chain still verifies.

    Exit code 1 if none of them had a payload.
    """
    count: list[int] = []
    settings = permitted(settings_of(data=data), Permission.ERASE)

    async def main() -> None:
        from toolhone.oversight import Oversight  # --help must not wait for it

        log_of(settings)  # or say that there is none
        async with keeper(settings) as (keeping, audit):
            oversight = Oversight(audit, keeping.forgetting)
            erased = await oversight.erase(ids, caller=local_caller(settings))
        count.append(erased)
        if json_output:
            print_json({"erased": erased})
        else:
            click.echo(f"{erased} of {len(ids)} erased")

    run(main)
    sys.exit(0 if sum(count) else 1)


@audit.command(short_help="Remove what rows hold that are too old.")
@data_option
@as_json
def prune(data: Path | None, json_output: bool) -> None:
    """Remove the payloads of rows that are older than the setting audit_days; the chain still verifies."""
    settings = settings_of(data=data)

    async def main() -> None:
        async with keeper(settings) as (keeping, _):
            erased = (
                await keeping.prune_audit(caller=local_caller(settings)) if is_there(settings.data) else 0
            )
        if json_output:
            print_json({"erased": erased})
        else:
            click.echo(f"{erased} rows emptied" if erased else "Nothing is too old.")

    run(main)
