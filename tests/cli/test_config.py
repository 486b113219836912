"""`toolhone config`: what is printed for a host makes that host start toolhone."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import anyio
import pytest
from mcp import Client, StdioServerParameters

from toolhone.models import Json

Run: TypeAlias = Callable[..., Json]

KEYS = {
    "claude-desktop": "mcpServers",
    "claude-code": "mcpServers",
    "cursor": "mcpServers",
    "vscode": "servers",
}
EVERY_HOST = pytest.mark.parametrize("host", KEYS)


@EVERY_HOST
def test_each_host_gets_its_own_form(run: Run, host: str, registry: Path) -> None:
    outcome = run("config", host, "--registry", registry)

    (key,) = outcome.json
    assert key == KEYS[host]
    entry = outcome.json[key]["toolhone"]
    assert Path(entry["command"]).is_absolute()
    assert Path(entry["command"]).is_file()
    assert entry["args"] == ["serve", "--registry", str(registry)]
    assert entry.get("type") == (None if host == "claude-desktop" else "stdio")
    assert outcome.stderr.startswith("Paste into ")


def test_an_agent_is_given_no_more_rights_than_asked_for(run: Run) -> None:
    entry = run("config", "claude-desktop", "--role", "agent").json["mcpServers"]["toolhone"]
    assert entry["args"] == ["serve", "--role", "agent"]


@EVERY_HOST
def test_json_is_the_same_and_says_nothing_besides(run: Run, host: str) -> None:
    outcome = run("config", host, "--json")

    assert outcome.json == run("config", host).json
    assert outcome.stderr == ""


def test_paths_are_absolute_and_variables_count(
    run: Run, registry: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "here" / "mine.json").write_text('{"mcpServers": {}}')
    monkeypatch.setenv("TOOLHONE_REGISTRY", str(registry))
    entry = run("config", "cursor", "--config", "mine.json", "--data", "data").json["mcpServers"]["toolhone"]

    assert entry["args"] == [
        *("serve", "--config", str(home / "here" / "mine.json")),
        *("--registry", str(registry), "--data", str(home / "here" / "data")),
    ]


@pytest.mark.parametrize(
    ("host", "entry"),
    [
        ("claude-code", {"type": "http", "url": "http://127.0.0.1:8000/mcp"}),
        ("vscode", {"type": "http", "url": "http://127.0.0.1:8000/mcp"}),
        ("cursor", {"url": "http://127.0.0.1:8000/mcp"}),
    ],
)
def test_a_served_toolhone_is_an_address(run: Run, host: str, entry: Json) -> None:
    printed = run("config", host, "--http", "http://127.0.0.1:8000/mcp").json

    assert printed == {KEYS[host]: {"toolhone": entry}}


def test_claude_desktop_reaches_an_address_through_a_bridge(run: Run) -> None:
    outcome = run("config", "claude-desktop", "--http", "http://127.0.0.1:8000/mcp")
    entry = outcome.json["mcpServers"]["toolhone"]

    assert entry["args"] == ["-y", "mcp-remote", "http://127.0.0.1:8000/mcp"]
    assert "needs Node" in outcome.stderr


def test_an_unknown_host_is_a_usage_error(run: Run) -> None:
    outcome = run("config", "emacs")

    assert outcome.exit_code == 2
    assert "claude-desktop" in outcome.stderr


def test_the_printed_command_serves(run: Run, registry: Path, home: Path) -> None:
    printed = run("config", "claude-desktop", "--registry", registry, "--data", home / "data").json
    entry = printed["mcpServers"]["toolhone"]

    async def main() -> list[str]:
        # As hosts do: nearly no environment, and a folder of their own.
        host = StdioServerParameters(command=entry["command"], args=entry["args"], cwd="/", env={})
        with anyio.fail_after(60):
            async with Client(host) as client:
                return [tool.name for tool in (await client.list_tools()).tools]

    assert "find_tools" in anyio.run(main)
