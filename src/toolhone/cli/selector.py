"""`toolhone selector`: what was learned from use, and the encoder that finds tools."""

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolhone.cli.audit import is_there
from toolhone.cli.options import (
    as_json,
    coloured,
    console,
    data_option,
    note,
    places,
    print_json,
    run,
    running,
    settings_of,
    table,
)
from toolhone.cli.permitting import permitted
from toolhone.models import Json, JsonObject
from toolhone.roles import Permission
from toolhone.settings import Settings

if TYPE_CHECKING:
    from rich.text import Text

    from toolhone.selection.learning import Learning
    from toolhone.selection.learning_reports import Outcome, Status

ELSEWHERE = {
    "train": "encoder",
    "export": "encoder",
    "use": "encoder",
    "encoders": "encoder",
}
"""Command to the module of this package that has it, if it is not this one."""

COLOURS = {"active": "green", "expired": "red"}


class SelectorCommands(click.Group):
    """The commands of this module and, imported when they are asked for, those of others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.commands, *ELSEWHERE]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = ELSEWHERE.get(cmd_name)
        if module is None:
            return super().get_command(ctx, cmd_name)
        command = getattr(importlib.import_module(f"toolhone.cli.{module}"), cmd_name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=SelectorCommands, short_help="Learn from use, judge, promote, roll back; train encoders.")
def selector() -> None:
    """Find tools better: learn from recorded use, judge what was learned, choose what is served.

    What is learned is kept as a version and is only served if it finds more on later requests than it
    learned from, and if tools without use do not lose. A running server follows within half a minute.
    """


@selector.command(short_help="Show what is served and what was learned.")
@data_option
@as_json
def status(data: Path | None, json_output: bool) -> None:
    """Show what is served, what was learned and how each version was judged."""

    settings = permitted(settings_of(data=data), Permission.MONITOR)

    async def main() -> None:
        found = await _learning(settings).status() if is_there(settings.data) else None
        if json_output:
            print_json(found.as_json() if found else {"active": None, "versions": [], "promotions": []})
        elif found is None:
            click.echo(f"Nothing was recorded in {settings.data} yet.", err=True)
        else:
            _show(found)

    run(main)


@selector.command(short_help="Learn from recorded use.")
@click.option("--keep-current", is_flag=True, help="Learn and judge, but do not serve it if it passes.")
@places
@as_json
def learn(
    keep_current: bool, config: Path | None, registry: Path | None, data: Path | None, json_output: bool
) -> None:
    """Learn from the audit log now, and serve what was learned if it passes the gate.

    The later part of the log judges what was learned from the earlier part. Exit code 1 if nothing
    better came of it.
    """
    settings = permitted(settings_of(config=config, registry=registry, data=data), Permission.PROMOTE)
    better: list[bool] = []

    async def main() -> None:
        async with running(settings) as app:
            learning = await app.learning()
            await app.listed()
            outcome = await learning.learn(promote=not keep_current)
        better.append(outcome.verdict.promoted)
        if json_output:
            print_json(outcome.as_json())
            return
        _say(outcome)
        if outcome.promoted:
            click.echo(f"{outcome.version} is served from now on.")
        elif outcome.verdict.promoted:
            click.echo(f"Serve it with: toolhone selector promote {outcome.version}")
        else:
            click.echo("What is served stays.")

    run(main)
    sys.exit(0 if better == [True] else 1)


@selector.command(short_help="Judge a version on what was recorded since.")
@click.argument("version", required=False)
@places
@as_json
def evaluate(
    version: str | None, config: Path | None, registry: Path | None, data: Path | None, json_output: bool
) -> None:
    """Judge VERSION, by default the newest, on requests after all that it learned from.

    It is compared with what is served, or with the ranking without use if it is served itself. Exit code
    1 if it is not better.
    """
    settings = permitted(settings_of(config=config, registry=registry, data=data), Permission.MONITOR)
    better: list[bool] = []

    async def main() -> None:
        async with running(settings) as app:
            learning = await app.learning()
            await app.listed()
            outcome = await learning.evaluate(version)
        better.append(outcome.verdict.promoted)
        if json_output:
            print_json(outcome.as_json())
        else:
            _say(outcome)

    run(main)
    sys.exit(0 if better == [True] else 1)


@selector.command(short_help="Serve a version from now on.")
@click.argument("version")
@click.option("--anyway", is_flag=True, help="Also if it did not pass the gate.")
@data_option
@as_json
def promote(version: str, anyway: bool, data: Path | None, json_output: bool) -> None:
    """Serve VERSION from now on, if it passed the gate when it was learned."""

    settings = permitted(settings_of(data=data), Permission.PROMOTE)

    async def main() -> None:
        await _learning(settings).promote(version, anyway=anyway)
        if json_output:
            print_json({"active": version})
        else:
            click.echo(f"{version} is served from now on.")

    run(main)


@selector.command(short_help="Serve again what was served before.")
@data_option
@as_json
def rollback(data: Path | None, json_output: bool) -> None:
    """Serve again what was served before the present version was promoted."""

    settings = permitted(settings_of(data=data), Permission.PROMOTE)

    async def main() -> None:
        version = await _learning(settings).rollback()
        if json_output:
            print_json({"active": version})
        else:
            click.echo(f"{version or 'The ranking without use'} is served from now on.")

    run(main)


def _learning(settings: Settings) -> "Learning":
    from toolhone.assembly import audit_log, learning_from_use

    return learning_from_use(settings, audit_log(settings))


def _show(found: "Status") -> None:
    from toolhone.selection.learning_reports import status_of

    served = f"version {found.active}" if found.active else "the ranking without use"
    click.echo(f"served     {served}")
    when = (
        f"learning starts by itself after {found.learn_after}"
        if found.learn_after
        else "learning never starts by itself (learn_after is 0)"
    )
    click.echo(f"new calls  {found.new_calls}; {when}")
    if not found.versions:
        return
    rows: list[list[str | Text]] = []
    for version in found.versions:
        verdict: JsonObject = version.figures.get("verdict", {})
        state = status_of(version, found.active)
        rows.append(
            [
                version.version,
                coloured(state, COLOURS[state]) if state in COLOURS else state,
                version.created_at[:16].replace("T", " "),
                str(version.figures.get("learned_from", "")),
                str(verdict.get("requests", "")),
                _points(verdict.get("recall")),
                _points(verdict.get("ndcg")),
                _points(verdict.get("cold_ndcg")),
            ]
        )
    headings = ["version", "status", "learned (UTC)", "from", "judged", "recall@5", "nDCG@5", "new tools"]
    out = console()
    out.print()
    out.print(table(headings, rows, shorten=["learned (UTC)"]))
    out.print("points against what was served; new tools: nDCG@5 as if the tools had no use", style="dim")
    for version in found.versions:
        if version.expired is not None:
            note(f"{version.version} has expired: {version.expired}")


def _points(difference: Json) -> str:
    return "" if difference is None else f"{100 * difference['mean']:+.1f}"


def _say(outcome: "Outcome") -> None:
    figures = outcome.figures
    if outcome.version is not None:
        click.echo(
            f"{outcome.version}: learned from {figures['learned_from']} of {figures['requests']} requests "
            f"about {figures['tools']} tools"
        )
    click.echo(f"{outcome.verdict.decision.value}: {outcome.verdict.why}")
