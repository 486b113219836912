"""`toolhone find`: what an agent would get for a task."""

from pathlib import Path

import click
from rich.markup import escape

from toolhone.cli.options import as_json, console, places, print_json, run, running, settings_of, table
from toolhone.models import LOCAL_CALLER, Category


@click.command()
@click.argument("task")
@click.option("-n", "--max-tools", default=5, show_default=True, type=click.IntRange(1, 50))
@click.option("--token-budget", type=click.IntRange(50), help="Cap on the answer, in o200k tokens.")
@click.option("--category", type=click.Choice([category.value for category in Category]))
@click.option("--prefer-fast", is_flag=True, help="Among near-equals, the tools with lower latency.")
@click.option("--prefer-cheap", is_flag=True, help="Among near-equals, the tools with shorter results.")
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
    text: bool,
    config: Path | None,
    registry: Path | None,
    data: Path | None,
    json_output: bool,
) -> None:
    """Find the tools for TASK, described in words."""

    async def main() -> None:
        async with running(settings_of(config=config, registry=registry, data=data)) as app:
            gateway = await app.gateway()
            await app.listed()
            await gateway.indexed()
            found = await gateway.find(
                task,
                caller=LOCAL_CALLER,
                max_tools=max_tools,
                token_budget=token_budget,
                category=Category(category) if category else None,
                prefer_fast=prefer_fast,
                prefer_cheap=prefer_cheap,
            )
        if json_output:
            print_json(
                {
                    "tools": [tool.as_json() for tool in found.tools],
                    "left_out": [tool.definition.name for tool in found.left_out],
                    "considered": found.considered,
                    "method": found.method,
                    "notices": list(found.notices),
                    "tokens": {
                        "sent": found.tokens_sent,
                        "all_schemas": found.tokens_of_all,
                        "saved": found.tokens_saved,
                    },
                    "elapsed_ms": round(found.elapsed_ms, 2),
                }
            )
            return
        if text:
            click.echo(found.text)
            return
        rows: list[list[str]] = []
        for tool in found.tools:
            definition = tool.definition
            entrance = "call_read_tools" if definition.read_only else "call_tools"
            first = next(iter(definition.description.strip().splitlines()), "")
            rows.append([definition.name, f"{tool.score:.2f}", entrance, escape(first)])
        out = console()
        out.print(table(["tool", "score", "runs through", "what it does"], rows, shorten="what it does"))
        for notice in found.notices:
            out.print(f"note: {notice}", style="yellow")
        out.print(
            f"{found.considered} tools considered ({found.method}, {found.elapsed_ms:.0f} ms); "
            f"answer {found.tokens_sent:,} tokens, every schema {found.tokens_of_all:,}",
            style="dim",
        )

    run(main)
