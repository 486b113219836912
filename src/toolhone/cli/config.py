"""`toolhone config`: what to paste into a host."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from toolhone.cli.options import as_json, note, places, print_json
from toolhone.hosts.known import HOSTS, NAME, Host, served, started
from toolhone.hosts.launcher import launcher
from toolhone.models import JsonObject
from toolhone.roles import Role

PLACES = {
    "claude-desktop": "claude_desktop_config.json (Settings > Developer > Edit Config), "
    "then restart Claude Desktop",
    "claude-code": ".mcp.json in the project, or: claude mcp add-json toolhone '…'",
    "cursor": ".cursor/mcp.json in the project, or ~/.cursor/mcp.json",
    "vscode": ".vscode/mcp.json in the workspace",
}

Command = TypeVar("Command", bound=Callable[..., Any])


def entry_options(command: Command) -> Command:
    """--http, --token-variable, --role: what the entry of a host says."""
    for option in (
        click.option(
            "--role",
            type=click.Choice([role.value for role in Role]),
            help="What its agent may do; `agent` is listed the tools for work only, in half the tokens.",
        ),
        click.option(
            "--token-variable",
            metavar="NAME",
            help="With --http: the variable that has the token. The entry names it; the token is in no file.",
        ),
        click.option(
            "--http",
            metavar="URL",
            help="For a toolhone that is already served at this address, such as http://127.0.0.1:8000/mcp.",
        ),
    ):
        command = option(command)
    return command


@click.command(short_help="Print what to paste into a host's configuration.")
@click.argument("host", type=click.Choice(list(HOSTS)))
@entry_options
@places
@as_json
def config(
    host: str,
    http: str | None,
    token_variable: str | None,
    role: str | None,
    config: Path | None,
    registry: Path | None,
    data: Path | None,
    json_output: bool,
) -> None:
    """Print the configuration that makes HOST start toolhone, ready to paste.

    Its JSON is all that goes to stdout; with --json nothing else is said at all.
    """
    known = HOSTS[host]
    entry = entry_for(known, http, token_variable, role, config, registry, data)
    if not json_output:
        click.echo(f"Paste into {PLACES[host]}:\n", err=True)
        if http is not None:
            note_about_bridge(known)
    print_json({known.key: {NAME: entry}})


def entry_for(
    host: Host,
    http: str | None,
    token_variable: str | None,
    role: str | None,
    config: Path | None,
    registry: Path | None,
    data: Path | None,
) -> JsonObject:
    """The entry that the options ask for."""
    if http is not None:
        return served(host, http, token_variable=token_variable, npx=shutil.which("npx") or "npx")
    if token_variable is not None:
        raise click.UsageError("--token-variable goes with --http: over stdio nobody asks for a token.")
    command, before = launcher()
    arguments = [*before, "serve"]
    for option, path in (("--config", config), ("--registry", registry), ("--data", data)):
        if path is not None:
            arguments += [option, str(path.resolve())]
    if role is not None:
        arguments += ["--role", role]
    return started(host, command, arguments)


def note_about_bridge(host: Host) -> None:
    """Say what an address takes in Claude Desktop."""
    if not host.says_kind:
        note("Claude Desktop reaches local addresses only through a bridge; this one needs Node.")
