"""Which hosts there are, where each keeps its servers, and how it writes toolhone's entry. Pure."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolhone.exceptions import InvalidRequestError
from toolhone.models import JsonObject

NAME = "toolhone"
"""The name of our entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One host. `user_file` is its file for all projects, `project_file` the one inside a project."""

    name: str
    title: str
    key: str
    """The member of its file that holds the servers by name."""
    user_file: Mapping[str, str]
    """By platform, as in `sys.platform`; relative to the folder that `_base` gives for it."""
    project_file: str | None
    says_kind: bool = True
    """Whether an entry says its transport under `type`."""
    header: str | None = None
    """How a header names a variable of the environment; `None` if the host fills in none."""
    afterwards: str
    """What makes it see a change of its file."""


HOSTS = {
    host.name: host
    for host in (
        Host(
            name="claude-desktop",
            title="Claude Desktop",
            key="mcpServers",
            user_file=dict.fromkeys(("linux", "darwin", "win32"), "Claude/claude_desktop_config.json"),
            project_file=None,
            says_kind=False,
            afterwards="Restart Claude Desktop.",
        ),
        Host(
            name="claude-code",
            title="Claude Code",
            key="mcpServers",
            user_file=dict.fromkeys(("linux", "darwin", "win32"), "~/.claude.json"),
            project_file=".mcp.json",
            header="${%s}",
            afterwards="Start Claude Code again; /mcp in it shows the server.",
        ),
        Host(
            name="cursor",
            title="Cursor",
            key="mcpServers",
            user_file=dict.fromkeys(("linux", "darwin", "win32"), "~/.cursor/mcp.json"),
            project_file=".cursor/mcp.json",
            header="${env:%s}",
            afterwards="Cursor shows it under Settings > MCP; switch it on there.",
        ),
        Host(
            name="vscode",
            title="VS Code",
            key="servers",
            user_file=dict.fromkeys(("linux", "darwin", "win32"), "Code/User/mcp.json"),
            project_file=".vscode/mcp.json",
            header="${env:%s}",
            afterwards="In VS Code: MCP: List Servers > toolhone > Start.",
        ),
    )
}


def user_file(host: Host, environ: Mapping[str, str], home: Path, *, platform: str = sys.platform) -> Path:
    """Where the host keeps the servers of a user.

    Raises:
        InvalidRequestError: It is not known where the host does so on this platform.
    """
    relative = host.user_file.get(platform)
    if relative is None:
        raise InvalidRequestError(
            f"It is not known where {host.title} keeps its file on {platform!r}. Name it with --file."
        )
    if host.name == "claude-code" and (folder := environ.get("CLAUDE_CONFIG_DIR")):
        return Path(folder) / ".claude.json"
    if relative.startswith("~/"):
        return home / relative.removeprefix("~/")
    return _applications(environ, home, platform) / relative


def _applications(environ: Mapping[str, str], home: Path, platform: str) -> Path:
    """The folder in which programs with windows keep their settings."""
    if platform == "darwin":
        return home / "Library" / "Application Support"
    if platform == "win32":
        return Path(environ.get("APPDATA") or home / "AppData" / "Roaming")
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config")


def project_file(host: Host, folder: Path) -> Path:
    """Where the host looks for the servers of a project.

    Raises:
        InvalidRequestError: It knows no projects.
    """
    if host.project_file is None:
        raise InvalidRequestError(f"{host.title} has one file for everything; leave out --project.")
    return folder / host.project_file


def started(host: Host, command: str, arguments: list[str]) -> JsonObject:
    """An entry that makes the host start a command. They do so with a nearly empty environment, so its
    path is absolute.
    """
    entry: JsonObject = {"command": command, "args": arguments}
    return {"type": "stdio", **entry} if host.says_kind else entry


def served(host: Host, url: str, *, token_variable: str | None, npx: str) -> JsonObject:
    """An entry for a toolhone that is served at an address.

    Args:
        token_variable: The variable of the environment that has the token; the entry names it and no more.
        npx: Starts the bridge for Claude Desktop, whose file is for commands alone.

    Raises:
        InvalidRequestError: The host cannot take a token from a variable.
    """
    if host.name == "claude-desktop":
        if token_variable is not None:
            raise InvalidRequestError(
                "Claude Desktop fills no variables into its file, so the token would have to stand in it. "
                "Let it start toolhone over stdio: leave out --http and --token-variable."
            )
        return started(host, npx, ["-y", "mcp-remote", url])
    entry: JsonObject = {"url": url} if host.name == "cursor" else {"type": "http", "url": url}
    if token_variable is not None:
        assert host.header is not None
        entry["headers"] = {"Authorization": f"Bearer {host.header % token_variable}"}
    return entry
