"""`toolhone servers`: every server with its state, and one that is wrong harms nobody."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.models import Json

Run: TypeAlias = Callable[..., Json]
Servers: TypeAlias = Callable[..., Path]


@pytest.fixture
def four(servers: Servers) -> None:
    servers(
        plain=None,
        **{
            "[/red]": {"command": "no-such-command"},
            "unset": {"command": "true", "env": {"KEY": "${NOT_SET_ANYWHERE}"}},
            "me": {"command": "toolhone", "args": ["serve"]},
        },
    )


@pytest.mark.usefixtures("four")
def test_each_server_has_a_line_and_each_problem_a_note(run: Run) -> None:
    outcome = run("servers")

    assert outcome.exit_code == 0
    heading, *lines = outcome.stdout.splitlines()
    assert heading.split() == ["server", "transport", "state", "tools", "protocol"]
    cells = {line.split()[0]: line.split()[1:] for line in lines}
    assert cells["plain"] == ["stdio", "ready", "10", "2025-11-25"]
    assert cells["[/red]"][:2] == ["stdio", "backoff"]
    assert cells["unset"][0] == "invalid"
    assert "no-such-command" in outcome.stderr
    assert "NOT_SET_ANYWHERE" in outcome.stderr
    assert "would start toolhone itself; it is skipped" in outcome.stderr
    assert outcome.stderr.count("NOT_SET_ANYWHERE' is not set") == 1


@pytest.mark.usefixtures("four")
def test_the_json_holds_what_the_table_shows(run: Run) -> None:
    outcome = run("servers", "--json")
    states = {state["name"]: state for state in outcome.json}

    assert (states["plain"]["state"], states["plain"]["tools"]) == ("ready", 10)
    assert states["plain"]["protocol_version"] == "2025-11-25"
    assert "no-such-command" in states["[/red]"]["error"]
    assert "NOT_SET_ANYWHERE" in states["unset"]["error"]
    assert "it is skipped" in outcome.stderr


def test_stored_starts_nothing(run: Run, servers: Servers, home: Path) -> None:
    started = home / "started"
    servers(touching={"command": "touch", "args": [str(started)]})
    (state,) = run("servers", "--stored", "--json").json

    assert (state["state"], state["tools"]) == ("idle", 0)
    assert not started.exists()


def test_without_servers_it_says_where_to_name_them(run: Run, home: Path) -> None:
    outcome = run("servers")

    assert (outcome.exit_code, outcome.stdout) == (0, "There are no downstream servers.\n")
    assert f"{home}/config/toolhone/mcp.json" in outcome.stderr
    assert run("servers", "--json").json == []
