"""What the pages about hosts and production tell to type or paste is what the program takes and makes."""

import json
import re
import shlex
from pathlib import Path

import click
import pytest

from toolhone.cli import toolhone
from toolhone.hosts.known import HOSTS, NAME, served, started
from toolhone.models import Json
from toolhone.registry.config import load_servers

DOCS = Path(__file__).parents[1] / "docs"
HOSTS_PAGE = (DOCS / "hosts.md").read_text(encoding="utf-8")
PRODUCTION = (DOCS / "production.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands() -> list[str]:
    scripts = "\n".join([*blocks(HOSTS_PAGE, "sh"), *blocks(PRODUCTION, "sh")]).replace("\\\n", " ")
    return [line.partition("  #")[0].strip() for line in scripts.splitlines()]


OURS = [line for line in commands() if line.startswith("toolhone ")]


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
def test_the_entry_to_paste_is_the_one_that_the_command_makes(host: Json) -> None:
    section = HOSTS_PAGE.split(f"## {host.title}\n")[1].split("\n## ")[0]
    (block,) = blocks(section, "json")

    entry = started(host, "/home/you/.local/bin/toolhone", ["serve", "--role", "agent"])
    assert json.loads(block) == {host.key: {NAME: entry}}
    assert f"toolhone install --client {host.name} --role agent" in section


def test_the_entry_of_a_served_toolhone_is_the_one_that_the_command_makes() -> None:
    (block,) = blocks(HOSTS_PAGE.split("## A toolhone that is served")[1], "json")
    entry = served(HOSTS["claude-code"], "http://127.0.0.1:8000/mcp", token_variable="TOOLS_TOKEN", npx="npx")

    assert json.loads(block) == {"mcpServers": {NAME: entry}}


@pytest.mark.parametrize("line", OURS)
def test_every_command_of_the_pages_is_one(line: str) -> None:
    words = shlex.split(line)[1:]
    command: click.Command = toolhone
    while isinstance(command, click.Group):
        name, *words = words
        found = command.get_command(click.Context(command), name)
        assert found is not None, name
        command = found

    with command.make_context(command.name, words):
        pass  # every option and its value is known


def test_there_are_commands_to_check() -> None:
    assert len(OURS) >= 10


@pytest.mark.parametrize("block", blocks(PRODUCTION, "json"))
def test_every_server_of_the_pages_can_be_configured(block: str, tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text(block)

    servers = load_servers(file, {"DOCS_TOKEN": "x"})

    assert servers.notices == () and len(servers.entries) == 1


def test_every_file_that_is_installed_is_there() -> None:
    root = DOCS.parent
    named = re.findall(r"(?:packaging|requirements)/[\w./-]+\w", PRODUCTION)

    assert named
    assert [name for name in named if not (root / name).exists()] == []
