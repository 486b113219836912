"""`toolhone audit`: list, export, verify and erase what was recorded."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from toolhone.cli.options import as_json, console, print_json, run, settings_of, table
from toolhone.models import EventKind, Json
from toolhone.stores import AuditQuery

if TYPE_CHECKING:
    from rich.table import Table

    from toolhone.audit import AuditLog

data_option = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="TOOLHONE_DATA",
    show_envvar=True,
    help="The data folder.  [default: the user's]",
)


@click.group()
def audit() -> None:
    """The audit log: every call, refusal, repair, retry and selection, redacted."""


def log_of(data: Path | None) -> "AuditLog":
    from toolhone.app import audit_log

    return audit_log(settings_of(data=data))


@audit.command("list")
@click.option("--kind", "kinds", multiple=True, type=click.Choice([kind.value for kind in EventKind]))
@click.option("--tool")
@click.option("--server")
@click.option("--failed", is_flag=True, help="Only what did not succeed.")
@click.option("--request", "request_id", help="Only what one request caused.")
@click.option("--since", metavar="TIME", help="ISO 8601, UTC.")
@click.option("--until", metavar="TIME", help="ISO 8601, UTC.")
@click.option("-n", "--limit", default=50, show_default=True, type=click.IntRange(1))
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

    async def main() -> None:
        rows = await log_of(data).query(query)
        if json_output:
            print_json(rows)
            return
        console().print(rows_table(rows))

    run(main)


def rows_table(rows: list[dict[str, Json]]) -> "Table":
    """Audit rows for people."""
    shown: list[list[str]] = []
    for row in rows:
        success = row["success"]
        shown.append(
            [
                str(row["timestamp"])[5:19].replace("T", " "),
                str(row["kind"]),
                what_of(row),
                "" if success is None else ("yes" if success else "[red]no[/]"),
                "" if row["execution_time_ms"] is None else f"{row['execution_time_ms']:.0f}",
                "" if row["tokens_used"] is None else str(row["tokens_used"]),
                # The end of an id tells rows apart; its beginning is the time.
                str(row["request_id"] or "")[-8:],
            ]
        )
    return table(["time (UTC)", "kind", "what", "ok", "ms", "tokens", "request"], shown, shorten="what")


def what_of(row: dict[str, Json]) -> str:
    """The one thing to know of a row in a list."""
    details: dict[str, Json] = row["details"]
    what = str(row["tool_name"] or "")
    if row["kind"] == EventKind.SELECTION:
        what = f"“{details.get('task', '')}”"
    elif row["kind"] == EventKind.SERVER:
        what = f"{row['server']}: {details.get('what', '')}"
    elif row["kind"] == EventKind.RESULT_READ:
        what = f"{details.get('handle', '')} {details.get('path') or ''}"
    if row["error_code"]:
        what = f"{what} ({row['error_code']})"
    return escape(what)


@audit.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default="tool_calls_audit.jsonl")
@click.option("--since", metavar="TIME", help="ISO 8601, UTC.")
@click.option("--until", metavar="TIME", help="ISO 8601, UTC.")
@data_option
def export(file: Path, since: str | None, until: str | None, data: Path | None) -> None:
    """Write all rows to FILE as JSON lines, oldest first."""

    async def main() -> None:
        query = AuditQuery(since=since, until=until, limit=None, newest_first=False)
        count = await log_of(data).export_to(file, query)
        click.echo(f"{count} rows written to {file}", err=True)

    run(main)


@audit.command()
@data_option
@as_json
def verify(data: Path | None, json_output: bool) -> None:
    """Check the chain: finds a changed or missing row, and counts the erased."""
    whole: list[bool] = []

    async def main() -> None:
        outcome = await log_of(data).verify()
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
            click.echo(f"problem: {problem}")
        verdict = "whole" if outcome.whole else "BROKEN"
        click.echo(f"chain {verdict}: {outcome.rows} rows, {outcome.erased} erased, head {outcome.head}")

    run(main)
    sys.exit(0 if whole == [True] else 1)


@audit.command()
@click.argument("ids", nargs=-1, required=True)
@data_option
def erase(ids: tuple[str, ...], data: Path | None) -> None:
    """Remove the payloads of the rows with these audit IDS; the chain still verifies."""

    async def main() -> None:
        from toolhone.models import LOCAL_CALLER

        erased = await log_of(data).erase(ids, caller=LOCAL_CALLER)
        click.echo(json.dumps({"erased": erased}))

    run(main)
