"""What commands have in common: where things are, and how answers are printed."""

import json
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import click

from toolhone.models import Json
from toolhone.settings import Settings, load_settings

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from toolhone.app import App

Command = TypeVar("Command", bound=Callable[..., Any])


def places(command: Command) -> Command:
    """--config, --registry, --data: where servers, tool files and recorded data are."""
    for option in (
        click.option(
            "--data",
            type=click.Path(file_okay=False, path_type=Path),
            envvar="TOOLHONE_DATA",
            show_envvar=True,
            help="Folder of the audit log, caches and stored results.  [default: the user's data folder]",
        ),
        click.option(
            "--registry",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            envvar="TOOLHONE_REGISTRY",
            show_envvar=True,
            help="Folder of tool files.  [default: tool_registry in the user's configuration folder]",
        ),
        click.option(
            "--config",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            envvar="TOOLHONE_CONFIG",
            show_envvar=True,
            help="Downstream servers in the hosts' format.  [default: the user's mcp.json]",
        ),
    ):
        command = option(command)
    return command


def as_json(command: Command) -> Command:
    """--json: the same answer for machines."""
    return click.option("--json", "json_output", is_flag=True, help="Print JSON instead of text.")(command)


def settings_of(**options: Json) -> Settings:
    return load_settings(os.environ, **options)


@asynccontextmanager
async def running(settings: Settings) -> AsyncGenerator["App"]:
    """An app for the time of one command."""
    from toolhone.app import open_app  # importing the SDK takes seconds; --help must not wait for it

    async with open_app(settings, os.environ) as app:
        yield app


def run(main: Callable[[], Awaitable[Any]]) -> None:
    """Run a command's coroutine; only warnings reach the terminal, on stderr."""
    quiet_foreign_loggers()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    anyio.run(main)


def quiet_foreign_loggers() -> None:
    """The SDK logs a traceback for each line on a server's stdout that is not MCP; we count them."""
    logging.getLogger("mcp.client.stdio").setLevel(logging.CRITICAL)


def console(*, stderr: bool = False) -> "Console":
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=False)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, shorten: str) -> "Table":
    """One line a row: of all columns only `shorten` gives way on a narrow terminal."""
    from rich.table import Table
    from rich.text import Text

    widths = [
        max((len(Text.from_markup(text)) for text in (heading, *column)), default=0)
        for heading, column in zip(
            headings, zip(*rows, strict=True) if rows else [()] * len(headings), strict=True
        )
    ]
    gives_way = headings.index(shorten)
    room = console().width - sum(widths) + widths[gives_way] - 2 * (len(headings) - 1)
    made = Table(*headings, box=None, pad_edge=False)
    for row in rows:
        cells = [Text.from_markup(text) for text in row]
        cells[gives_way].truncate(max(room, 12), overflow="ellipsis")
        made.add_row(*cells)
    return made


def print_json(value: Json) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
