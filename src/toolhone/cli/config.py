"""`toolhone config`: what to paste into a host."""

import json
import shutil
import sys
from pathlib import Path

import click

from toolhone.cli.options import places, print_json
from toolhone.models import JsonObject

HOSTS = {
    "claude-desktop": (
        "mcpServers",
        "claude_desktop_config.json (Settings > Developer > Edit Config), then restart Claude Desktop",
    ),
    "claude-code": ("mcpServers", ".mcp.json in the project, or: claude mcp add-json toolhone '…'"),
    "cursor": ("mcpServers", ".cursor/mcp.json in the project, or ~/.cursor/mcp.json"),
    "vscode": ("servers", ".vscode/mcp.json in the workspace"),
}


@click.command()
@click.argument("host", type=click.Choice(list(HOSTS)))
@click.option("--http", metavar="URL", help="For a toolhone that is already served at this address.")
@click.option("--json", "json_output", is_flag=True, help="Print only the JSON.")
@places
def config(
    host: str,
    http: str | None,
    config: Path | None,
    registry: Path | None,
    data: Path | None,
    json_output: bool,
) -> None:
    """Print the configuration that makes HOST start toolhone, ready to paste."""
    key, where = HOSTS[host]
    entry: JsonObject
    if http is not None:
        entry = {"type": "http", "url": http}
    else:
        arguments = ["serve"]
        for option, path in (("--config", config), ("--registry", registry), ("--data", data)):
            if path is not None:
                arguments += [option, str(path.resolve())]
        # Hosts start servers with a nearly empty environment, so the command is an absolute path.
        entry = {"type": "stdio", "command": executable(), "args": arguments}
        if host == "claude-desktop":
            del entry["type"]
    snippet = {key: {"toolhone": entry}}
    if json_output:
        print_json(snippet)
        return
    click.echo(f"Paste into {where}:\n", err=True)
    click.echo(json.dumps(snippet, indent=2))


def executable() -> str:
    """The `toolhone` that is running now, else the one on PATH."""
    beside = Path(sys.executable).with_name("toolhone")
    if beside.exists():
        return str(beside)
    return shutil.which("toolhone") or "toolhone"
