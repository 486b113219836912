"""`toolhone servers pending|diff|approve|reject`: definitions of tools that are held back."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import click

from toolhone.access import require
from toolhone.cli.options import as_json, console, data_option, print_json, run, settings_of, table
from toolhone.cli.permitting import local_caller, refusals_recorded
from toolhone.cli.plain import harmless
from toolhone.models import Caller, JsonObject
from toolhone.roles import Permission
from toolhone.settings import Settings

if TYPE_CHECKING:
    from toolhone.approvals.service import Approvals

MARKS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
hash_option = click.option(
    "--hash", "digest", metavar="HASH", help="Decide about this definition, and no other; does not ask."
)


@click.command(short_help="List tools that are held back.")
@click.option("--rejected", is_flag=True, help="Those that were rejected, not those that wait.")
@data_option
@as_json
def pending(rejected: bool, data: Path | None, json_output: bool) -> None:
    """List the tools that are held back because nobody approved their definition.

    No server is started: what was listed last is shown.
    """

    async def main() -> None:
        async with deciding(settings_of(data=data)) as (approvals, caller):
            found = await approvals.pending(rejected=rejected, caller=caller)
        if json_output:
            print_json(found)
        elif not found:
            click.echo("No tool is held back." if not rejected else "No definition was rejected.", err=True)
        else:
            rows = [
                [one["tool"], one["server"], one["why"], one["seen_at"][:16], one["hash"]] for one in found
            ]
            console().print(
                table(["tool", "server", "why", "since", "hash"], rows, shorten=["hash", "server"])
            )

    run(main)


@click.command(short_help="Show how a tool's definition changed.")
@click.argument("tool")
@data_option
@as_json
def diff(tool: str, data: Path | None, json_output: bool) -> None:
    """Show how the definition of TOOL that is held back differs from the one that was approved."""

    async def main() -> None:
        async with deciding(settings_of(data=data)) as (approvals, caller):
            told = await approvals.diff(tool, caller=caller)
        if json_output:
            print_json(told)
        else:
            show(told)

    run(main)


@click.command(short_help="Let a tool be used with its new definition.")
@click.argument("tools", nargs=-1, required=True, metavar="TOOL...")
@yes_option
@hash_option
@data_option
def approve(tools: tuple[str, ...], yes: bool, digest: str | None, data: Path | None) -> None:
    """Show what changed in the definition of each TOOL, ask, and let it be used. Running toolhones follow."""
    decide(tools, digest, yes=yes, data=data, verdict="approve")


@click.command(short_help="Never use a definition of a tool.")
@click.argument("tools", nargs=-1, required=True, metavar="TOOL...")
@yes_option
@hash_option
@data_option
def reject(tools: tuple[str, ...], yes: bool, digest: str | None, data: Path | None) -> None:
    """Show what changed in the definition of each TOOL, ask, and never let it be used with that.

    With --hash, a definition that was approved is rejected as well.
    """
    decide(tools, digest, yes=yes, data=data, verdict="reject")


def decide(tools: tuple[str, ...], digest: str | None, *, yes: bool, data: Path | None, verdict: str) -> None:
    """Show, ask, decide; one tool after the other."""
    if digest is not None and len(tools) != 1:
        raise click.UsageError("--hash is of one definition: name one TOOL.")

    async def main() -> None:
        async with deciding(settings_of(data=data)) as (approvals, caller):
            # Before anything is shown or asked: who may not decide is told so first.
            require(caller, Permission.TRUST)
            act = approvals.approve if verdict == "approve" else approvals.reject
            for tool in tools:
                chosen = digest
                if chosen is None:
                    told = await approvals.diff(tool, caller=caller)
                    show(told)
                    if not yes and not click.confirm(f"{verdict.capitalize()} this definition?", err=True):
                        click.echo(f"{tool} stays held back.", err=True)
                        continue
                    # What was shown, not what may have come since.
                    chosen = told["hash"]
                done = await act(tool, chosen, caller=caller)
                click.echo(f"{tool} is {done['status']}.", err=True)

    run(main)


def show(told: JsonObject) -> None:
    """A difference, for people."""
    approved: JsonObject | None = told["approved"]
    before = (
        "No definition of it was approved before."
        if approved is None
        else f"Approved {approved['approved_at'][:16]} by {approved['approved_by']}."
    )
    click.secho(f"{told['tool']} of server {harmless(told['server'])}, {told['status']}", bold=True)
    click.echo(f"Seen {told['seen_at'][:16]}. {harmless(before)}")
    for change in told["changes"]:
        mark, colour = MARKS[change["change"]]
        click.secho(f"{mark} {harmless(change['field'])}", fg=colour)
        if change.get("words"):
            click.echo("    " + harmless("".join(map(_word, change["words"]))).replace("\n", "\n    "))
            continue
        for sign, text in (("-", change["before"]), ("+", change["after"])):
            if text is not None:
                click.echo(f"    {sign} " + harmless(text).replace("\n", "\n      "))
    if told["more_changes"]:
        click.echo(f"… and {told['more_changes']} changes more; --json has both definitions.")
    for character in told["unseen"]:
        click.secho(f"A reader does not see: {character}", fg="red")


def _word(word: JsonObject) -> str:
    text: str = word["text"]
    # In brackets: colours are lost in a pipe, and a reader may not tell them apart.
    return {"added": f"{{+{text}+}}", "removed": f"[-{text}-]"}.get(word["kind"], text)


@asynccontextmanager
async def deciding(settings: Settings) -> "AsyncGenerator[tuple[Approvals, Caller]]":
    """The approvals of a data folder for the time of one command, and who asks."""
    from toolhone.assembly import approvals, audit_log  # --help must not wait for it

    audit = audit_log(settings)
    service = approvals(settings, audit)
    try:
        async with refusals_recorded(audit, settings):
            yield service, local_caller(settings)
    finally:
        with anyio.CancelScope(shield=True):
            await service.aclose()
            await audit.aclose()
