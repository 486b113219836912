"""`toolhone rank`: the selector's order for every query of a file, for whoever measures it."""

import json
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import anyio
import click

from toolhone.cli.options import note, run
from toolhone.evaluation.query_sets import Query, read_queries, read_tools
from toolhone.exceptions import InvalidRequestError
from toolhone.models import Json, JsonObject, ToolDefinition
from toolhone.selection.bundle import load_default
from toolhone.selection.question import MAX_TOOLS
from toolhone.selection.selector import Selector

Row = TypeVar("Row")

Advance = Callable[[], None]

FORM = '{"tools": PATH, "queries": PATH, "k": 10}'


@dataclass(frozen=True, slots=True)
class Request:
    """What stdin asks for."""

    tools: Path
    queries: Path
    k: int


@click.command(short_help="Rank a file of tools for a file of queries.")
def rank() -> None:
    """Rank tools for queries: what an agent's task would have found.

    Reads one JSON object from stdin, {"tools": PATH, "queries": PATH, "k": 10}, and
    writes a line {"id", "ranked": [names, best first]} a query, in the order of the
    queries. The tools are JSON lines {name, description, inputSchema, server?}, the
    queries {id, query}. The selector is the one that is served, with its default
    settings and without anything learned; your configuration and data are not read.
    """
    if sys.stdin.isatty():
        note(f"Reading {FORM} from the terminal; end it with Ctrl-D.")
    request = read_request(sys.stdin.buffer.read())
    tools = _read(request.tools, read_tools)
    queries = _read(request.queries, read_queries)
    if not tools:
        raise InvalidRequestError(f"{str(request.tools)!r} has no tools to rank.")
    if not queries:
        note(f"{str(request.queries)!r} has no queries.")
        return
    run(lambda: answer(tools, queries, request.k))


def read_request(text: bytes) -> Request:
    """The request on stdin; paths are taken from the current folder.

    Raises:
        InvalidRequestError: It is not such an object.
    """
    try:
        asked: Json = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(f"stdin is not JSON: {error}. Give {FORM}.") from error
    if not isinstance(asked, dict):
        raise InvalidRequestError(f"stdin holds no JSON object. Give {FORM}.")
    given = cast("JsonObject", asked)
    k: Json = given.get("k", 10)
    if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= MAX_TOOLS:
        raise InvalidRequestError(f"'k' is {k!r}; it must be a whole number from 1 to {MAX_TOOLS}.")
    if unknown := sorted(given.keys() - {"tools", "queries", "k"}):
        note(f"Not read: {', '.join(map(repr, unknown))}.")
    return Request(_path(given, "tools"), _path(given, "queries"), k)


def _path(given: JsonObject, key: str) -> Path:
    value: Json = given.get(key)
    if not isinstance(value, str) or not value:
        raise InvalidRequestError(f"{key!r} is {value!r}; it must be the path of a file. Give {FORM}.")
    return Path(value)


async def answer(tools: Sequence[ToolDefinition], queries: Sequence[Query], k: int) -> None:
    """Write a line for each query as soon as it is ranked."""
    out = sys.stdout.buffer
    gone: BrokenPipeError | None = None
    selector = default_selector()
    selector.update(tools)
    async with anyio.create_task_group() as group:
        await group.start(selector.run)
        with _progress(f"Indexing {len(tools):,} tools", None):
            await selector.wait_indexed()
        with _progress("Ranking", len(queries)) as advance:
            for query in queries:
                ranked = await _ranked(selector, query, k)
                line = json.dumps({"id": query.id, "ranked": ranked}, ensure_ascii=False)
                try:
                    out.write(line.encode("utf-8", "backslashreplace") + b"\n")
                    out.flush()
                except BrokenPipeError as error:
                    gone = error
                    break
                advance()
        group.cancel_scope.cancel()
    if gone is not None:  # not out of the task group, which would wrap it
        raise gone


def default_selector() -> Selector:
    """The selector as it is served without any settings, its vectors in memory only."""
    return Selector(load_encoder=load_default, open_vectors=None, usage=dict)


async def _ranked(selector: Selector, query: Query, k: int) -> list[str]:
    try:
        selection = await selector.select(query.text, max_tools=k, exhaustive=True)
    except InvalidRequestError as error:
        # One query without words must not end a run over thousands.
        note(f"Query {query.id!r} is answered with no tools: {error.message}")
        return []
    return [tool.definition.name for tool in selection.tools]


def _read(path: Path, read: Callable[[Iterable[bytes], str], list[Row]]) -> list[Row]:
    try:
        with path.open("rb") as lines:
            return read(lines, repr(str(path)))
    except (OSError, ValueError) as error:  # the latter for a path with a null character
        raise InvalidRequestError(f"{str(path)!r} cannot be read: {error}.") from error


@contextmanager
def _progress(what: str, total: int | None) -> Generator[Advance]:
    """A bar on stderr, if that is a terminal and the answers do not go there too."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    counted = () if total is None else (MofNCompleteColumn(),)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), *counted, TimeElapsedColumn())
    hidden = not console.is_terminal or sys.stdout.isatty()
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        bar = progress.add_task(what, total=total)
        yield lambda: progress.advance(bar)
