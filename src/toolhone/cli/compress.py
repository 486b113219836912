"""`toolhone compress` and `decompress`: tool definitions in few tokens, and back."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import click

from toolhone import tokens
from toolhone.cli.options import note
from toolhone.compression.budget import Fitted, within
from toolhone.compression.levels import Level
from toolhone.compression.rendering import Rendered, render
from toolhone.compression.signatures import decompress as read_back
from toolhone.exceptions import InvalidRequestError
from toolhone.models import Json, JsonObject

SMALLEST_BUDGET = 1


@click.command(short_help="Print tool definitions in few tokens.")
@click.option(
    "--level",
    type=click.Choice([level.value for level in Level]),
    default=Level.FULL.value,
    show_default=True,
    help="How much is shown; full and json lose nothing.",
)
@click.option(
    "--budget",
    type=click.IntRange(min=SMALLEST_BUDGET),
    metavar="N",
    help="At most N o200k tokens: every tool is named, then detail is added up to the level.",
)
@click.option("--legend/--no-legend", default=True, show_default=True, help="Explain the marks.")
@click.option("--stats", is_flag=True, help="Say on stderr what was saved.")
@click.argument("files", nargs=-1, type=click.Path(exists=True, allow_dash=True, path_type=Path))
def compress(level: str, budget: int | None, legend: bool, stats: bool, files: tuple[Path, ...]) -> None:
    """Print the tool definitions of FILES (or of stdin) in few tokens.

    A file is a JSON list of MCP tools, or an object that has it under "tools", such as
    an answer to tools/list. What several tools share is stated once. `toolhone
    decompress` reads the text of the levels full and json back.
    """
    tools = [tool for file in files or (Path("-"),) for tool in _tools_of(file)]
    if not tools:
        note("There are no tools to compress.")
        return
    if budget is None:
        rendered: Rendered = render(tools, Level(level), legend=legend)
        text = rendered.text
    else:
        fitted = _within(tools, budget, Level(level))
        rendered, text = fitted.rendered, fitted.text
    # As bytes: half a surrogate pair, which JSON can carry and UTF-8 cannot, comes back as it was.
    sys.stdout.buffer.write(text.encode("utf-8", "surrogatepass") + b"\n")
    for name in rendered.fallbacks:
        note(f"{name!r} is printed as JSON, because its signature would not say all of it.")
    if stats:
        before = sum(tokens.count_json(tool) for tool in tools)
        after = tokens.count_tokens(text)
        click.echo(
            f"{len(tools)} tools: {before:,} tokens as JSON, {after:,} here (ratio {before / after:.2f})",
            err=True,
        )


@click.command(short_help="Print the definitions of a compressed text.")
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path), default="-"
)
def decompress(file: Path) -> None:
    """Print the tool definitions that `toolhone compress` wrote to FILE (or stdin), as JSON."""
    try:
        text = _read(file).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as exc:
        raise InvalidRequestError(f"{str(file)!r} is not UTF-8 text: {exc}.") from exc
    definitions = read_back(text.removesuffix("\n"))
    printed = json.dumps(definitions, indent=2, ensure_ascii=False)
    sys.stdout.buffer.write(printed.encode("utf-8", "backslashreplace") + b"\n")


def _within(tools: Sequence[JsonObject], budget: int, level: Level) -> Fitted:
    if level in (Level.JSON, Level.SEED):
        raise InvalidRequestError(
            f"--budget adds detail step by step, of which {level.value!r} is none. "
            "Use names, index, types, brief or full."
        )
    fitted = within(
        tools, budget, relevance=[1.0] * len(tools), count=tokens.count_tokens, most=[level] * len(tools)
    )
    if fitted is None:
        raise InvalidRequestError(
            f"Not even the names of {len(tools)} tools fit into {budget:,} tokens. Give a larger --budget."
        )
    return fitted


def _tools_of(file: Path) -> list[JsonObject]:
    try:
        value: Json = json.loads(_read(file))
    except (ValueError, RecursionError) as exc:
        raise InvalidRequestError(f"{str(file)!r} is not JSON: {exc}.") from exc
    if isinstance(value, dict):
        given = cast("JsonObject", value)
        # A JSON-RPC answer has them one level down.
        if "tools" not in given and isinstance(given.get("result"), dict):
            given = cast("JsonObject", given["result"])
        value = given.get("tools")
    if not isinstance(value, list):
        raise InvalidRequestError(
            f"{str(file)!r} has no list of tools. Give a JSON list, or an object with one under 'tools'."
        )
    tools = cast("list[Json]", value)
    for place, tool in enumerate(tools):
        if not isinstance(tool, dict) or not isinstance(cast("JsonObject", tool).get("name"), str):
            raise InvalidRequestError(f"The entry {place} of {str(file)!r} is not a tool: it has no name.")
    return cast("list[JsonObject]", tools)


def _read(file: Path) -> bytes:
    return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
