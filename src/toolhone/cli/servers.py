"""`toolhone servers`: the state of each downstream server, and which of its tools are held back."""

from dataclasses import asdict
from pathlib import Path

import click

from toolhone.cli.approvals import approve, diff, pending, reject
from toolhone.cli.logins import login, logout
from toolhone.cli.options import (
    as_json,
    coloured,
    console,
    note,
    note_if_nothing_is_configured,
    places,
    print_json,
    run,
    running,
    settings_of,
    table,
)
from toolhone.cli.permitting import permitted
from toolhone.registry.server_state import ServerStatus
from toolhone.roles import Permission

COMMANDS = (login, logout, pending, diff, approve, reject)

COLOURS = {
    ServerStatus.READY: "green",
    ServerStatus.FAILED: "red",
    ServerStatus.INVALID: "red",
    ServerStatus.BACKOFF: "yellow",
    ServerStatus.NEEDS_LOGIN: "yellow",
}


@click.group(
    invoke_without_command=True, short_help="Show each downstream server; log in; approve changed tools."
)
@click.option("--stored", is_flag=True, help="Show what is known without starting any server.")
@places
@as_json
@click.pass_context
def servers(
    context: click.Context,
    stored: bool,
    config: Path | None,
    registry: Path | None,
    data: Path | None,
    json_output: bool,
) -> None:
    """Start every downstream server, list its tools, and show its state with the error if there is one.

    A server that needs a login is one that login is for. The other commands are about tools whose definition
    changed since it was approved: they are held back until an admin approves them.
    """
    if context.invoked_subcommand is not None:
        # Also where it stands before the command.
        context.default_map = {context.invoked_subcommand: {"config": config, "data": data}}
        return
    settings = permitted(settings_of(config=config, registry=registry, data=data), Permission.OPERATE)

    async def main() -> None:
        async with running(settings) as app:
            await app.gateway()
            if not stored:
                await app.refresh()
            states = app.server_states()
            notices = app.notices()
        if json_output:
            print_json([asdict(state) for state in states])
        elif states:
            rows = [
                [
                    state.name,
                    state.transport,
                    coloured(state.state.value, COLOURS.get(state.state, "")),
                    str(state.tools),
                    state.protocol_version or "",
                ]
                for state in states
            ]
            headings = ["server", "transport", "state", "tools", "protocol"]
            console().print(table(headings, rows, shorten=["server"]))
        else:
            click.echo("There are no downstream servers.")
        told: set[str] = set()
        for state in states:
            for problem in (*([state.error] if state.error else []), *state.problems):
                told.add(problem)
                note(problem if state.name in problem else f"{state.name}: {problem}")
        for notice in notices:
            if notice not in told:
                note(notice)
        if not states:
            note_if_nothing_is_configured(settings)

    run(main)


for command in COMMANDS:
    servers.add_command(command)
