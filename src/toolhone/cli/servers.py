"""`toolhone servers`: the state of each downstream server."""

from dataclasses import asdict
from pathlib import Path

import click

from toolhone.cli.options import as_json, console, places, print_json, run, running, settings_of, table
from toolhone.registry.server_state import ServerStatus

COLOURS = {
    ServerStatus.READY: "green",
    ServerStatus.FAILED: "red",
    ServerStatus.INVALID: "red",
    ServerStatus.BACKOFF: "yellow",
}


@click.command()
@click.option("--stored", is_flag=True, help="Show what is known without starting any server.")
@places
@as_json
def servers(
    stored: bool, config: Path | None, registry: Path | None, data: Path | None, json_output: bool
) -> None:
    """Start every downstream server, list its tools, and show its state with the error if there is one."""

    async def main() -> None:
        async with running(settings_of(config=config, registry=registry, data=data)) as app:
            await app.gateway()
            if not stored:
                await app.refresh()
            states = app.server_states()
            notices = list(app.notices())
        if json_output:
            print_json([asdict(state) for state in states])
            return
        rows: list[list[str]] = []
        for state in states:
            colour = COLOURS.get(state.state)
            shown = f"[{colour}]{state.state}[/]" if colour else state.state.value
            protocol = state.protocol_version or ""
            rows.append([state.name, state.transport, shown, str(state.tools), protocol])
        out = console()
        if states:
            headings = ["server", "transport", "state", "tools", "protocol"]
            out.print(table(headings, rows, shorten="server"))
            for state in states:
                told = (*([state.error] if state.error else []), *state.problems)
                notices = [notice for notice in notices if notice not in told]
                for problem in told:
                    out.print(f"{state.name}: {problem}", style="yellow", markup=False)
        else:
            out.print("No downstream servers are configured; see: toolhone serve --help")
        for notice in notices:
            out.print(f"note: {notice}", style="yellow")

    run(main)
