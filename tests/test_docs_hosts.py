"""What the page about hosts tells to paste is what the program makes, and what production copies is there."""

import json
import re
from pathlib import Path

import pytest

from toolhone.hosts.known import HOSTS, NAME, served, started
from toolhone.models import Json

DOCS = Path(__file__).parents[1] / "docs"
HOSTS_PAGE = (DOCS / "hosts.md").read_text(encoding="utf-8")
PRODUCTION = (DOCS / "production.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


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


def test_every_file_that_is_installed_is_there() -> None:
    root = DOCS.parent
    named = re.findall(r"(?:packaging|requirements)/[\w./-]+\w", PRODUCTION)

    assert named
    assert [name for name in named if not (root / name).exists()] == []
