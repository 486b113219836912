"""What commands have in common: where things are, and how answers are printed."""

import json
import logging
import os
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import click

from toolhone.cli.permitting import refusals_recorded
from toolhone.cli.plain import harmless
from toolhone.models import Category, Json
from toolhone.settings import Settings, config_folder, load_settings

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from toolhone.app import App
    from toolhone.finetuning_parts import FinetuningParts
    from toolhone.operations import Finetuning

Command = TypeVar("Command", bound=Callable[..., Any])

_CONTROLS = re.compile("[\x7f-\x9f]")
"""Those that `json` leaves as they are."""

NARROWEST = 7
"""Cells that are left of a column which gives way, so that it still says something."""


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


data_option = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="TOOLHONE_DATA",
    show_envvar=True,
    help="The data folder.  [default: the user's]",
)

CATEGORIES = [category.value for category in Category]

category_argument = click.argument("category", type=click.Choice(CATEGORIES), metavar="CATEGORY")
category_option = click.option(
    "--category", type=click.Choice(CATEGORIES), metavar="CATEGORY", help=f"Only of: {', '.join(CATEGORIES)}."
)


def settings_of(**options: Json) -> Settings:
    return load_settings(os.environ, **options)


@asynccontextmanager
async def running(settings: Settings) -> AsyncGenerator["App"]:
    """An app for the time of one command."""
    from toolhone.app import open_app  # importing the SDK takes seconds; --help must not wait for it

    async with open_app(settings, os.environ) as app, refusals_recorded(app.audit, settings):
        yield app


@asynccontextmanager
async def finetuning_parts(settings: Settings, *, tools: bool = False) -> AsyncGenerator["FinetuningParts"]:
    """Learning from work for the time of one command, and what runs its jobs.

    Args:
        tools: Whether the tools are needed too, which starts the downstream servers.
    """
    from toolhone.assembly import audit_log  # --help must not wait for any of it
    from toolhone.finetuning_parts import build_finetuning

    if tools:
        async with running(settings) as app:
            await app.listed()
            yield await app.finetuning_parts()
        return
    audit = audit_log(settings)
    parts = build_finetuning(settings, os.environ, audit)
    try:
        async with refusals_recorded(audit, settings):
            yield parts
    finally:
        with anyio.CancelScope(shield=True):
            await parts.aclose()
            await audit.aclose()


@asynccontextmanager
async def finetuning(settings: Settings, *, tools: bool = False) -> AsyncGenerator["Finetuning"]:
    """The operations alone, for commands that run nothing."""
    async with finetuning_parts(settings, tools=tools) as parts:
        yield parts.system


class _WithoutTraceback(logging.Formatter):
    def formatException(self, ei: object) -> str:
        return ""


def quiet_foreign_loggers() -> None:
    """The SDK logs a traceback for each line on a server's stdout that is not MCP; we count them."""
    logging.getLogger("mcp.client.stdio").setLevel(logging.CRITICAL)


def run(main: Callable[[], Awaitable[Any]], *, tracebacks: bool = False) -> None:
    """Run a command's coroutine; only warnings reach the terminal, on stderr, a line each."""
    handler = logging.StreamHandler()
    formatter = logging.Formatter if tracebacks else _WithoutTraceback
    handler.setFormatter(formatter("%(levelname)s %(name)s: %(message)s"))
    quiet_foreign_loggers()
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    anyio.run(main)


def print_json(value: Json) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    # As JSON's own escapes: controls that a terminal obeys, and half a surrogate pair, which UTF-8 has not.
    text = _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    click.echo(text.encode("utf-8", "backslashreplace"))


def note(message: str) -> None:
    """Something to know besides the answer: on stderr, so that it is said with --json too."""
    click.echo(click.style(f"note: {harmless(message)}", fg="yellow"), err=True)


def note_if_nothing_is_configured(settings: Settings) -> None:
    """Say where tools would come from, if nothing says so yet."""
    if settings.config is None and settings.registry is None:
        folder = config_folder()
        note(
            f"Nothing is configured. Name servers in {folder / 'mcp.json'} or with --config, "
            f"put tool files into {folder / 'tool_registry'} or name their folder with --registry."
        )


def console() -> "Console":
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def coloured(text: str, colour: str) -> "Text":
    from rich.text import Text

    return Text(text, style=colour)


def table(
    headings: Sequence[str], rows: Sequence[Sequence["str | Text"]], *, shorten: Sequence[str]
) -> "Table":
    """One line a row, and every column on it: on a narrow terminal the `shorten` columns give way in turn."""
    from rich.table import Table
    from rich.text import Text

    lines = [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in rows]
    columns = [[Text(heading), *(line[index] for line in lines)] for index, heading in enumerate(headings)]
    widths = [max(cell.cell_len for cell in column) for column in columns]
    excess = sum(widths) + 2 * (len(widths) - 1) - console().width
    for heading in shorten:
        index = headings.index(heading)
        given = max(0, min(excess, widths[index] - NARROWEST))
        widths[index] -= given
        excess -= given
    made = Table(box=None, pad_edge=False)
    for heading, width in zip(headings, widths, strict=True):
        made.add_column(heading, width=width, no_wrap=True, overflow="ellipsis")
    for line in lines:
        made.add_row(*line)
    return made
