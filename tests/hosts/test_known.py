"""Where each host keeps its servers, on each platform."""

from pathlib import Path

import pytest

from toolhone.exceptions import InvalidRequestError
from toolhone.hosts.known import HOSTS, project_file, user_file

HOME = Path("/home/me")


@pytest.mark.parametrize(
    ("host", "platform", "file"),
    [
        ("claude-desktop", "darwin", "Library/Application Support/Claude/claude_desktop_config.json"),
        ("claude-desktop", "win32", "AppData/Roaming/Claude/claude_desktop_config.json"),
        ("claude-desktop", "linux", ".config/Claude/claude_desktop_config.json"),
        ("claude-code", "darwin", ".claude.json"),
        ("cursor", "win32", ".cursor/mcp.json"),
        ("vscode", "darwin", "Library/Application Support/Code/User/mcp.json"),
        ("vscode", "linux", ".config/Code/User/mcp.json"),
    ],
)
def test_a_users_file_is_where_the_host_keeps_it(host: str, platform: str, file: str) -> None:
    assert user_file(HOSTS[host], {}, HOME, platform=platform) == HOME / file


def test_the_environment_moves_it() -> None:
    moved = user_file(HOSTS["vscode"], {"XDG_CONFIG_HOME": "/etc/me"}, HOME, platform="linux")
    roaming = user_file(HOSTS["vscode"], {"APPDATA": "/roaming"}, HOME, platform="win32")
    claude = user_file(HOSTS["claude-code"], {"CLAUDE_CONFIG_DIR": "/c"}, HOME, platform="linux")

    assert (moved, roaming, claude) == (
        Path("/etc/me/Code/User/mcp.json"),
        Path("/roaming/Code/User/mcp.json"),
        Path("/c/.claude.json"),
    )


def test_a_platform_that_is_not_known_is_said() -> None:
    with pytest.raises(InvalidRequestError, match="--file"):
        user_file(HOSTS["cursor"], {}, HOME, platform="plan9")


def test_claude_desktop_knows_no_projects() -> None:
    with pytest.raises(InvalidRequestError, match="--project"):
        project_file(HOSTS["claude-desktop"], HOME)
