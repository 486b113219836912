"""`toolhone selector`: learn from recorded use, judge, promote and go back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.models import LOCAL_CALLER, AuditEvent, EventKind, Json, JsonObject
from toolhone.storage.audit import SqliteAuditStore

Run: TypeAlias = Callable[..., Json]

START = datetime.now(UTC) - timedelta(days=2)
REQUESTS = 60


@pytest.fixture
def recorded(run: Run, registry: Path, home: Path) -> Path:
    """The data folder after sixty requests in which "draw" was called for sums and "add" for pictures."""
    folder = home / "data" / "toolhone"
    events: list[AuditEvent] = []
    for number in range(REQUESTS):
        tool, task = ("draw", "sum up the figures") if number % 2 else ("add", "make me a sketch")
        payload: JsonObject = {
            "task": f"{task} of day {number}",
            "selected": [["list_rows", 0.6], ["add", 0.5], ["draw", 0.4], ["repeat", 0.3]],
            "shown": 4,
        }
        done: JsonObject = {"arguments": {}, "result": 3}
        for kind, name, minutes, details in (
            (EventKind.SELECTION, None, 0, payload),
            (EventKind.CALL, tool, 1, done),
        ):
            moment = START + timedelta(minutes=10 * number + minutes)
            events.append(
                AuditEvent(
                    event_id=f"{number}-{minutes}",
                    timestamp=moment.isoformat(timespec="microseconds"),
                    kind=kind,
                    caller=LOCAL_CALLER,
                    tool=name,
                    success=True,
                    payload=details,
                )
            )
    store = SqliteAuditStore(folder)
    store.append(events)
    store.close()
    return folder


def found(run: Run, task: str) -> list[tuple[str, float]]:
    tools: list[JsonObject] = run("find", task, "--json").json["tools"]
    return [(tool["name"], tool["score"]) for tool in tools]


@pytest.mark.usefixtures("recorded")
def test_what_was_learned_can_be_served_and_taken_back(run: Run) -> None:
    before = found(run, "make me a sketch")

    learned = run("selector", "learn", "--json")
    assert learned.exit_code == 1
    version = learned.json["version"]
    assert learned.json["verdict"]["decision"] == "inconclusive"
    assert learned.json["figures"]["requests"] == REQUESTS
    assert found(run, "make me a sketch") == before

    refused = run("selector", "promote", version)
    assert refused.exit_code == 1
    assert "did not pass the gate: Too little to judge by" in refused.stderr
    assert "--anyway" in refused.stderr

    promoted = run("selector", "promote", version, "--anyway")
    assert promoted.stdout == f"{version} is served from now on.\n"
    assert found(run, "make me a sketch")[0][0] == "add"

    status = run("selector", "status", "--json").json
    assert (status["active"], status["versions"][0]["status"]) == (version, "active")
    table = run("selector", "status").stdout.splitlines()
    assert table[0] == f"served     version {version}"
    assert table[1] == "new calls  0; learning starts by itself after 200"
    assert table[4].split()[:2] == [version, "active"]
    assert max(map(len, table)) <= 80

    assert run("selector", "rollback").stdout == "The ranking without use is served from now on.\n"
    assert found(run, "make me a sketch") == before


@pytest.mark.usefixtures("recorded")
def test_learning_says_what_came_of_it(run: Run) -> None:
    outcome = run("selector", "learn", "--keep-current")

    assert outcome.exit_code == 1
    first, second, third = outcome.stdout.splitlines()
    assert first.endswith(": learned from 48 of 60 requests about 3 tools")
    assert second == "inconclusive: Too little to judge by: 12 later requests, 50 are needed."
    assert third == "What is served stays."

    judged = run("selector", "evaluate", "--json")
    assert judged.exit_code == 1
    assert judged.json["version"] == first[:8]


def test_nothing_recorded_is_said_and_leaves_nothing_behind(run: Run, home: Path) -> None:
    outcome = run("selector", "status")

    assert (outcome.exit_code, outcome.stdout) == (0, "")
    assert outcome.stderr == f"Nothing was recorded in {home}/data/toolhone yet.\n"
    assert run("selector", "status", "--json").json["versions"] == []
    assert not (home / "data" / "toolhone").exists()


@pytest.mark.usefixtures("recorded")
def test_a_log_nobody_learned_from_is_shown(run: Run) -> None:
    outcome = run("selector", "status")

    assert outcome.stdout.splitlines() == [
        "served     the ranking without use",
        f"new calls  {REQUESTS}; learning starts by itself after 200",
    ]


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["promote", "12345678"], "There is no learned version '12345678'. See `toolhone selector status`"),
        (["rollback"], "No learned version is served, so there is nothing to roll back."),
    ],
)
def test_what_cannot_be_done_is_one_line(run: Run, arguments: list[str], message: str) -> None:
    outcome = run("selector", *arguments)

    assert outcome.exit_code == 1
    assert outcome.stderr.startswith(f"error: {message}")
    assert outcome.stderr.count("\n") == 1
