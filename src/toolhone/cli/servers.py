"""`toolhone servers`: the state of each downstream server."""

from dataclasses import asdict
from pathlib import Path

import click

from toolhone.cli.options import as_json, console, places, print_json, run, running, settings_of


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
            notices = app.notices()
        if json_output:
            print_json([asdict(state) for state in states])
            return
        from rich.table import Table

        table = Table("server", "transport", "state", "tools", "protocol", "error", box=None, pad_edge=False)
        for state in states:
            colour = {"ready": "green", "failed": "red", "invalid": "red"}.get(state.state, "")
            table.add_row(
                state.name,
                state.transport,
                f"[{colour}]{state.state}[/]" if colour else state.state,
                str(state.tools),
                state.protocol_version or "",
                state.error or "",
            )
        out = console()
        if states:
            out.print(table)
        else:
            out.print("No downstream servers are configured; see: toolhone serve --help")
        for notice in notices:
            out.print(f"note: {notice}", style="yellow")

    run(main)
