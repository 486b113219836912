"""`toolhone config`: what to paste into a host."""

import shutil
import sys
from pathlib import Path

import click

from toolhone.cli.options import as_json, note, places, print_json
from toolhone.models import JsonObject
from toolhone.roles import Role

HOSTS = {
    "claude-desktop": (
        "mcpServers",
        "claude_desktop_config.json (Settings > Developer > Edit Config), then restart Claude Desktop",
    ),
    "claude-code": ("mcpServers", ".mcp.json in the project, or: claude mcp add-json toolhone '…'"),
    "cursor": ("mcpServers", ".cursor/mcp.json in the project, or ~/.cursor/mcp.json"),
    "vscode": ("servers", ".vscode/mcp.json in the workspace"),
}


@click.command(short_help="Print what to paste into a host's configuration.")
@click.argument("host", type=click.Choice(list(HOSTS)))
@click.option(
    "--http",
    metavar="URL",
    help="For a toolhone that is already served at this address, such as http://127.0.0.1:8000/mcp.",
)
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    help="What its agent may do; `agent` is listed the tools for work only, in half the tokens.",
)
@places
@as_json
def config(
    host: str,
    http: str | None,
    role: str | None,
    config: Path | None,
    registry: Path | None,
    data: Path | None,
    json_output: bool,
) -> None:
    """Print the configuration that makes HOST start toolhone, ready to paste.

    Its JSON is all that goes to stdout; with --json nothing else is said at all.
    """
    key, where = HOSTS[host]
    if http is None:
        arguments = ["serve"]
        for option, path in (("--config", config), ("--registry", registry), ("--data", data)):
            if path is not None:
                arguments += [option, str(path.resolve())]
        if role is not None:
            arguments += ["--role", role]
        entry = started(host, executable(), arguments)
    elif host == "claude-desktop":
        # Its file is for commands alone: it drops an entry that has an address.
        entry = started(host, shutil.which("npx") or "npx", ["-y", "mcp-remote", http])
    elif host == "cursor":
        entry = {"url": http}
    else:
        entry = {"type": "http", "url": http}
    if not json_output:
        click.echo(f"Paste into {where}:\n", err=True)
        if http is not None and host == "claude-desktop":
            note("Claude Desktop reaches local addresses only through a bridge; this one needs Node.")
    print_json({key: {"toolhone": entry}})


def started(host: str, command: str, arguments: list[str]) -> JsonObject:
    """An entry that makes a host start a command. They do so with a nearly empty environment, so its
    path is absolute.
    """
    entry: JsonObject = {"command": command, "args": arguments}
    return entry if host == "claude-desktop" else {"type": "stdio", **entry}


def executable() -> str:
    """The `toolhone` that is running now, else the one on PATH."""
    beside = Path(sys.executable).with_name("toolhone")
    if beside.exists():
        return str(beside)
    return shutil.which("toolhone") or "toolhone"
