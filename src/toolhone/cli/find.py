"""`toolhone find`: what an agent would get for a task."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

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
from toolhone.cli.plain import first_line
from toolhone.counted import counted
from toolhone.models import Category
from toolhone.roles import Permission

if TYPE_CHECKING:
    from toolhone.finding import Found


@click.command(short_help="Find the tools for a task.")
@click.argument("task")
@click.option(
    "-n",
    "--max-tools",
    default=5,
    show_default=True,
    type=click.IntRange(1, 50),
    help="How many tools at most.",
)
@click.option("--token-budget", type=click.IntRange(50), help="Cap on the answer, in o200k tokens.")
@click.option(
    "--category",
    metavar="NAME",
    type=click.Choice([category.value for category in Category]),
    help=f"Only tools of this category: {', '.join(category.value for category in Category)}.",
)
@click.option("--prefer-fast", is_flag=True, help="Among near-equals, the tools with lower latency.")
@click.option("--prefer-cheap", is_flag=True, help="Among near-equals, the tools with shorter results.")
@click.option(
    "--pin",
    "pins",
    metavar="TOOL",
    multiple=True,
    help="Show this tool whatever the task is. Can be given several times.",
)
@click.option("--text", is_flag=True, help="Print the text that an agent reads.")
@places
@as_json
def find(
    task: str,
    max_tools: int,
    token_budget: int | None,
    category: str | None,
    prefer_fast: bool,
    prefer_cheap: bool,
    pins: tuple[str, ...],
    text: bool,
    config: Path | None,
    registry: Path | None,
    data: Path | None,
    json_output: bool,
) -> None:
    """Find the tools for TASK, described in words: what an agent would get from find_tools."""
    settings = permitted(settings_of(config=config, registry=registry, data=data), Permission.FIND_TOOLS)

    async def main() -> None:
        async with running(settings) as app:
            gateway = await app.gateway()
            await app.listed()
            await gateway.indexed()
            found = await gateway.find(
                task,
                caller=local_caller(settings),
                max_tools=max_tools,
                token_budget=token_budget,
                category=Category(category) if category else None,
                prefer_fast=prefer_fast,
                prefer_cheap=prefer_cheap,
                pins=pins,
            )
        if json_output:
            print_json({"roster": [], "left_out": [], "notices": [], **found.as_json()})
        elif text:
            click.echo(found.text)
        else:
            out = console()
            if found.tools:
                rows = [
                    [
                        tool.definition.name,
                        tool.percent,
                        "yes" if tool.definition.read_only else "",
                        first_line(tool.definition.description),
                    ]
                    for tool in found.tools
                ]
                headings = ["tool", "fits", "read-only", "what it does"]
                out.print(table(headings, rows, shorten=["what it does"]))
            out.print(
                f"{counted(found.considered, 'tool')} considered, {found.method}, {found.elapsed_ms:.0f} ms; "
                f"answer {found.tokens_sent:,} tokens, every schema {found.tokens_of_all:,}",
                style="dim",
            )
            for said in _notes(found):
                note(said)
        if not found.considered:
            note_if_nothing_is_configured(settings)

    run(main)


def _notes(found: "Found") -> Iterator[str]:
    """What the table does not say."""
    if found.tools and found.nothing_fits:
        yield f"Nothing fits; these are the nearest ({found.fits:.0%} that one of them does)."
    for tool in found.tools:
        if tool.caution:
            yield f"{tool.definition.name}: {tool.caution}."
    if found.roster:
        yield f"Next: {', '.join(found.roster)}."
    for tool in found.left_out:
        yield f"Left out: {tool.name} ({tool.reason})."
    yield from found.notices
