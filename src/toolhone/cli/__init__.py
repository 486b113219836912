"""The `toolhone` command: one module a command, imported only when it is used."""

import importlib
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

import click

from toolhone import __version__
from toolhone.cli.plain import harmless
from toolhone.exceptions import ToolhoneError

COMMANDS = {
    "serve": "serve",
    "find": "find",
    "tools": "tools",
    "describe": "tools",
    "call": "call",
    "compress": "compress",
    "decompress": "compress",
    "rank": "rank",
    "servers": "servers",
    "audit": "audit",
    "snapshots": "snapshots",
    "datasets": "datasets",
    "jobs": "jobs",
    "models": "models",
    "selector": "selector",
    "tokens": "tokens",
    "registry": "registry",
    "config": "config",
    "install": "install",
    "data": "data",
    "backup": "backup",
    "restore": "backup",
    "check": "backup",
    "doctor": "doctor",
    "completion": "completion",
}
"""Command to module of this package. `serve` must not pay for the imports of the others."""


class Commands(click.Group):
    """Imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command = getattr(importlib.import_module(f"toolhone.cli.{module}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from toolhone.settings import config_folder, data_folder  # only help needs to know

        with formatter.section("Yours"):
            formatter.write_dl(
                [
                    ("Configuration", f"{config_folder()} (mcp.json, tool_registry, settings.toml)"),
                    ("Data", str(data_folder())),
                    ("Settings", "TOOLHONE_… variables beat settings.toml; options beat both"),
                ]
            )


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="toolhone")
def toolhone() -> None:
    """One MCP server between an agent and all of its tools."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. Errors of ours end as one line on stderr and exit code 1."""
    try:
        toolhone.main(args=arguments, prog_name="toolhone")
    except ToolhoneError as error:
        click.echo(harmless(f"error: {error.message}"), err=True)
        sys.exit(1)
    except ExceptionGroup as group:
        ours = group.subgroup(ToolhoneError)
        if ours is None or group.split(ToolhoneError)[1] is not None:
            raise
        for message in _messages(ours):
            click.echo(harmless(f"error: {message}"), err=True)
        sys.exit(1)


def script() -> None:
    """The console script: `main`, with an end that a tool which does not return cannot put off."""
    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    except Exception as error:
        # The process ends here, perhaps before the interpreter would show it.
        sys.excepthook(type(error), error, error.__traceback__)
        code = 1
    # What we started has ended. Another thread sits in a tool that hangs, or in a read of the terminal;
    # the interpreter would wait for it without end.
    if any(thread is not threading.main_thread() and not thread.daemon for thread in threading.enumerate()):
        with suppress(OSError):  # nobody may be reading any more
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)
    sys.exit(code)


def _messages(group: ExceptionGroup[ToolhoneError]) -> list[str]:
    found: list[str] = []
    for error in group.exceptions:
        found.extend(_messages(error) if isinstance(error, ExceptionGroup) else [error.message])
    return found
