"""`toolhone tools` and `toolhone describe`: what is in the catalog."""

from pathlib import Path

import click
from rich.markup import escape

from toolhone.answers import definition_json
from toolhone.cli.options import as_json, console, places, print_json, run, running, settings_of, table


@click.command()
@click.option("--server", help="Only the tools of this server; 'local' for tool files.")
@places
@as_json
def tools(
    server: str | None, config: Path | None, registry: Path | None, data: Path | None, json_output: bool
) -> None:
    """List the catalog: every tool behind toolhone."""

    async def main() -> None:
        async with running(settings_of(config=config, registry=registry, data=data)) as app:
            gateway = await app.gateway()
            await app.listed()
            listed = [
                tool
                for tool in gateway.catalog.tools()
                if server is None or (tool.server or "local") == server
            ]
            notices = app.notices()
        if json_output:
            print_json([definition_json(tool) for tool in listed])
            return
        rows: list[list[str]] = []
        for tool in listed:
            first = next(iter(tool.description.strip().splitlines()), "")
            rows.append([tool.name, tool.server or "local", "yes" if tool.read_only else "", escape(first)])
        out = console()
        out.print(table(["tool", "source", "read-only", "what it does"], rows, shorten="what it does"))
        out.print(f"{len(listed)} tools", style="dim")
        for notice in notices:
            out.print(f"note: {notice}", style="yellow")

    run(main)


@click.command()
@click.argument("names", nargs=-1, required=True)
@places
@as_json
def describe(
    names: tuple[str, ...],
    config: Path | None,
    registry: Path | None,
    data: Path | None,
    json_output: bool,
) -> None:
    """Print the full definitions of the tools NAMES, as JSON."""

    async def main() -> None:
        async with running(settings_of(config=config, registry=registry, data=data)) as app:
            gateway = await app.gateway()
            await app.listed()
            definitions, missing = gateway.describe(names)
        for message in missing:
            click.echo(f"note: {message}", err=True)
        print_json(definitions)

    run(main)
