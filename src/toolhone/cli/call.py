"""`toolhone call`: run one tool, or a batch."""

import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO, TypeAlias

import click

from toolhone.answers import slot_json
from toolhone.cli.options import as_json, note, places, print_json, run, running, settings_of
from toolhone.cli.permitting import local_caller, permitted
from toolhone.cli.plain import harmless
from toolhone.json_values import is_object, parse_json
from toolhone.models import CallResult, Json, JsonObject
from toolhone.roles import Permission

Pairs: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values as they were written."""

WHOLE = 16_777_216
"""Bytes. The preview of a large result is for a model's window; a terminal or a pipe takes all of it."""


@click.command(short_help="Run one tool, or several at once.")
@click.argument("tool", required=False)
@click.argument("arguments", nargs=-1)
@click.option(
    "--batch",
    type=click.File(encoding="utf-8"),
    help='A JSON list of {"id", "tool", "arguments"} to run at once; - for stdin.',
)
@click.option("--read-only", is_flag=True, help="Refuse tools that are not known to be read-only.")
@click.option("--traceback", is_flag=True, help="Show where in its code a Python tool failed.")
@places
@as_json
def call(
    tool: str | None,
    arguments: tuple[str, ...],
    batch: TextIO | None,
    read_only: bool,
    traceback: bool,
    config: Path | None,
    registry: Path | None,
    data: Path | None,
    json_output: bool,
) -> None:
    """Run TOOL with ARGUMENTS: one JSON object, or name=value pairs.

    A value is JSON if it can be read as such and the tool does not want a text there.
    Exit code 1 if a call failed.
    """
    if (tool is None) == (batch is None):
        raise click.UsageError("Give either a TOOL or --batch FILE.")
    given = read_arguments(arguments)
    calls: Json = None
    if batch is not None:
        try:
            calls = parse_json(batch.read())
        except ValueError as exc:
            raise click.BadParameter(f"--batch is not JSON: {exc}") from exc
    settings = permitted(
        settings_of(config=config, registry=registry, data=data, result_limit=WHOLE), Permission.CALL_TOOLS
    )
    results: list[CallResult] = []

    async def main() -> None:
        async with running(settings) as app:
            gateway = await app.gateway()
            await app.listed()
            asked = calls
            if tool is not None:
                definition = gateway.tool(tool, local_caller(settings))
                schema = definition.input_schema if definition else {}
                filled = given if isinstance(given, dict) else typed(given, schema)
                asked = [{"tool": tool, "arguments": filled}]
            results.extend(await gateway.call(asked, caller=local_caller(settings), read_only=read_only))
        if json_output:
            print_json({"results": [slot_json(result) for result in results]})
        else:
            show(results)

    # The error that is printed says what a tool raised; only where it did is news.
    logging.getLogger("toolhone.registry.python_handler").setLevel(
        logging.DEBUG if traceback else logging.ERROR
    )
    run(main, tracebacks=traceback)
    sys.exit(0 if all(result.success for result in results) else 1)


def show(results: Sequence[CallResult]) -> None:
    """Results on stdout; everything about them on stderr.

    Text goes into a pipe or a file as it is; a terminal gets none that it would obey.
    """
    to_terminal = sys.stdout.isatty()
    for result in results:
        if len(results) > 1:
            state = "ok" if result.success else "failed"
            head = harmless(f"{result.slot}: {result.tool}: {state}")
            click.echo(click.style(head, bold=True), err=True)
        if result.success and isinstance(result.result, str):
            text = harmless(result.result) if to_terminal else result.result
            click.echo(text.encode("utf-8", "backslashreplace"))
        elif result.success:
            print_json(result.result)
        elif result.error is not None:
            click.echo(harmless(f"error: {result.error.code}: {result.error.message}"), err=True)
        for block in result.content:
            note(f"The result has a block of type {block.get('type')!r} too, which --json shows.")
        for notice in result.notices:
            note(notice)
        if result.handle is not None:
            note(f"The handle is {result.handle}; an agent's read_result reads it.")


def read_arguments(words: Sequence[str]) -> JsonObject | Pairs:
    """`{"a": 1}`, or pairs such as `a=1 b=text` with their values as they were written."""
    if len(words) == 1 and words[0].lstrip().startswith("{"):
        try:
            parsed: Json = parse_json(words[0])
        except ValueError as exc:
            raise click.BadParameter(f"the arguments are not JSON: {exc}") from exc
        return parsed
    pairs: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{word!r} is neither a JSON object nor name=value.")
        if name in pairs:
            raise click.BadParameter(f"{name!r} is given twice; write a list as {name}='[…]'.")
        pairs[name] = value
    return tuple(pairs.items())


def typed(pairs: Pairs, schema: JsonObject) -> JsonObject:
    """Values read as JSON where that is possible, but not where the tool's schema wants a string."""
    properties: Json = schema.get("properties")
    arguments: JsonObject = {}
    for name, text in pairs:
        wanted: Json = properties.get(name) if is_object(properties) else None
        arguments[name] = text
        if not (is_object(wanted) and wanted.get("type") == "string"):
            with suppress(ValueError):
                arguments[name] = parse_json(text)
    return arguments
