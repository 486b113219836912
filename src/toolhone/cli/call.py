"""`toolhone call`: run one tool, or a batch."""

import json
import sys
from pathlib import Path
from typing import TextIO

import click

from toolhone.answers import result_json
from toolhone.cli.options import as_json, console, places, print_json, run, running, settings_of
from toolhone.models import LOCAL_CALLER, Json, JsonObject


@click.command()
@click.argument("tool", required=False)
@click.argument("arguments", nargs=-1)
@click.option(
    "--batch",
    type=click.File(),
    help='A JSON list of {"id", "tool", "arguments"} to run at once; - for stdin.',
)
@click.option("--read-only", is_flag=True, help="Refuse tools that are not known to be read-only.")
@places
@as_json
def call(
    tool: str | None,
    arguments: tuple[str, ...],
    batch: TextIO | None,
    read_only: bool,
    config: Path | None,
    registry: Path | None,
    data: Path | None,
    json_output: bool,
) -> None:
    """Run TOOL with ARGUMENTS: one JSON object, or name=value pairs (the value JSON or plain text)."""
    if (tool is None) == (batch is None):
        raise click.UsageError("Give either a TOOL or --batch FILE.")
    calls: Json
    if batch is not None:
        try:
            calls = json.load(batch)
        except ValueError as exc:
            raise click.BadParameter(f"--batch is not JSON: {exc}") from exc
    else:
        calls = [{"tool": tool, "arguments": parse(arguments)}]

    async def main() -> bool:
        async with running(settings_of(config=config, registry=registry, data=data)) as app:
            gateway = await app.gateway()
            await app.listed()
            results = await gateway.call(calls, caller=LOCAL_CALLER, read_only=read_only)
        if json_output:
            print_json({"results": [result_json(result) for result in results]})
            return all(result.success for result in results)
        out = console()
        for result in results:
            if len(results) > 1 or not result.success:
                state = "ok" if result.success else "failed"
                out.print(f"[bold]{result.slot} {result.tool}[/bold]: {state}", markup=True)
            if result.success:
                value = result.result
                click.echo(
                    value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
                )
            elif result.error is not None:
                click.echo(f"error: {result.error.code}: {result.error.message}", err=True)
            for notice in result.notices:
                click.echo(f"note: {notice}", err=True)
        return all(result.success for result in results)

    outcome: list[bool] = []

    async def judged() -> None:
        outcome.append(await main())

    run(judged)
    sys.exit(0 if outcome == [True] else 1)


def parse(arguments: tuple[str, ...]) -> JsonObject:
    """`{"a": 1}`, or pairs such as `a=1 b=text`."""
    if len(arguments) == 1 and arguments[0].lstrip().startswith("{"):
        try:
            parsed: Json = json.loads(arguments[0])
        except ValueError as exc:
            raise click.BadParameter(f"the arguments are not JSON: {exc}") from exc
        return parsed
    pairs: JsonObject = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{argument!r} is neither a JSON object nor name=value.")
        try:
            pairs[name] = json.loads(value)
        except ValueError:
            pairs[name] = value
    return pairs
