"""`toolhone tools` and `toolhone describe`: what is in the catalog."""

import json
import sys
from pathlib import Path

import click

from toolhone.answers import definition_json
from toolhone.cli.options import (
    as_json,
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
from toolhone.cli.permitting import local_caller, permitted
from toolhone.cli.plain import first_line, harmless
from toolhone.exceptions import InvalidRequestError
from toolhone.models import LOCAL, JsonObject
from toolhone.roles import Permission

"""What stands for the tools that come from no server."""


@click.command(short_help="List the catalog.")
@click.option("--server", metavar="NAME", help=f"Only the tools of this server; {LOCAL!r} for tool files.")
@places
@as_json
def tools(
    server: str | None, config: Path | None, registry: Path | None, data: Path | None, json_output: bool
) -> None:
    """List the catalog: every tool behind toolhone."""
    settings = permitted(settings_of(config=config, registry=registry, data=data), Permission.FIND_TOOLS)

    async def main() -> None:
        async with running(settings) as app:
            gateway = await app.gateway()
            known = [LOCAL, *(state.name for state in app.server_states())]
            if server is not None and server not in known:
                raise InvalidRequestError(f"There is no server {server!r}. There are: {', '.join(known)}.")
            await app.listed()
            listed = [
                tool
                for tool in gateway.tools(local_caller(settings))
                if server is None or tool.server_name == server
            ]
            notices = app.notices()
        if json_output:
            print_json([definition_json(tool) for tool in listed])
        else:
            rows = [
                [
                    tool.name,
                    tool.server_name,
                    "yes" if tool.read_only else "",
                    first_line(tool.description),
                ]
                for tool in listed
            ]
            out = console()
            if rows:
                headings = ["tool", "source", "read-only", "what it does"]
                # A server's name begins the names of its tools, so this column says little new.
                out.print(table(headings, rows, shorten=["source", "what it does"]))
            out.print(f"{len(listed)} tools", style="dim")
        for notice in notices:
            note(notice)
        if not listed:
            note_if_nothing_is_configured(settings)

    run(main)


@click.command(short_help="Show the full definitions of tools.")
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
    """Show the full definitions of the tools NAMES. Exit code 1 if one of them is not there."""
    unknown: list[str] = []
    settings = permitted(settings_of(config=config, registry=registry, data=data), Permission.FIND_TOOLS)

    async def main() -> None:
        async with running(settings) as app:
            gateway = await app.gateway()
            await app.listed()
            definitions, missing = await gateway.describe(names, caller=local_caller(settings))
        unknown.extend(missing)
        if json_output:
            print_json(definitions)
        else:
            click.echo("\n\n".join(definition_text(definition) for definition in definitions))
        for message in missing:
            note(message)

    run(main)
    sys.exit(1 if unknown else 0)


def definition_text(definition: JsonObject) -> str:
    """A definition for people: nothing is left out, and the schemas stay JSON."""
    traits = [definition["server"], definition["category"]]
    for hint, value in definition.get("annotations", {}).items():
        if hint != "title":
            traits.append(hint if value is True else f"{hint}: {json.dumps(value)}")
    if definition["readOnly"]:
        traits.append("read-only")
    description = harmless(definition["description"].strip())
    schemas = [
        harmless(f"{word}: {json.dumps(definition[word], indent=2, ensure_ascii=False)}")
        for word in ("inputSchema", "outputSchema")
        if word in definition
    ]
    head = f"{definition['name']} ({', '.join(traits)})"
    return "\n".join([head, description or "(no description)", *schemas])
