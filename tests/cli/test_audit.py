"""`toolhone audit`: list, filter, export, verify and erase what other commands did."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.models import Json, JsonObject

Run: TypeAlias = Callable[..., Json]

SEED_KEYS = {
    *("audit_id", "request_id", "tool_name", "provider", "user_id", "parameters", "success", "error"),
    *("execution_time_ms", "tokens_used", "violation", "violation_reason", "timestamp"),
}


@pytest.fixture
def log(run: Run, registry: Path, home: Path) -> Path:
    """The data folder after a selection, two calls of which one failed, and a refusal."""
    run("find", "add two numbers")
    run("call", "add", "a=1", "b=2")
    run("call", "fail", "reason=none")
    run("call", "nobody")
    return home / "data" / "toolhone"


def rows(run: Run, *options: str) -> list[JsonObject]:
    return run("audit", "list", "--json", *options).json


@pytest.mark.usefixtures("log")
def test_the_newest_row_is_first_and_the_table_shows_each(run: Run) -> None:
    listed = rows(run)
    lines = run("audit", "list").stdout.splitlines()

    assert [row["kind"] for row in listed] == ["refusal", "call", "call", "selection"]
    assert lines[0].split() == ["time", "(UTC)", "kind", "what", "ok", "ms", "tokens", "request"]
    for line, row in zip(lines[1:], listed, strict=True):
        assert line.startswith(row["timestamp"][5:19].replace("T", " "))
        assert f" {row['kind']} " in line
        assert (" yes " if row["success"] else " no ") in line
        assert line.endswith(row["request_id"][-8:])
    assert "“add two numbers”" in lines[4]
    assert max(map(len, lines)) <= 80


@pytest.mark.usefixtures("log")
def test_filters_narrow_the_list(run: Run) -> None:
    everything = rows(run)
    second = everything[2]["timestamp"]

    assert [row["tool_name"] for row in rows(run, "--kind", "call")] == ["fail", "add"]
    assert len(rows(run, "--kind", "call", "--kind", "refusal")) == 3
    assert [row["kind"] for row in rows(run, "--tool", "add")] == ["call"]
    assert [row["tool_name"] for row in rows(run, "--failed")] == ["nobody", "fail"]
    assert rows(run, "--request", everything[0]["request_id"]) == everything[:1]
    assert rows(run, "--since", second) == everything[:3]
    assert rows(run, "--until", second) == everything[3:]
    assert rows(run, "-n", "1") == everything[:1]
    assert rows(run, "--server", "nowhere") == []


def test_nothing_recorded_is_said(run: Run, home: Path) -> None:
    outcome = run("audit", "list")

    assert (outcome.exit_code, outcome.stdout) == (0, "")
    assert outcome.stderr == f"No such row is in {home}/data/toolhone.\n"
    assert rows(run) == []
    assert not (home / "data" / "toolhone").exists()


@pytest.mark.usefixtures("log")
def test_a_time_that_is_none_is_one_line(run: Run) -> None:
    outcome = run("audit", "list", "--since", "yesterday")

    assert outcome.exit_code == 1
    assert outcome.stderr.startswith("error: 'since' is not a time: 'yesterday'.")
    assert outcome.stderr.count("\n") == 1


@pytest.mark.usefixtures("log")
def test_export_writes_the_form_of_the_seed_oldest_first(run: Run, home: Path) -> None:
    outcome = run("audit", "export")

    assert outcome.stdout == "4 rows written to tool_calls_audit.jsonl\n"
    file = home / "here" / "tool_calls_audit.jsonl"
    written = [json.loads(line) for line in file.read_text().splitlines()]
    assert written == rows(run)[::-1]
    assert all(row.keys() >= SEED_KEYS for row in written)
    assert written[1]["parameters"] == {"a": 1, "b": 2}
    assert (written[3]["violation"], written[3]["tool_name"]) == (True, "nobody")
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.usefixtures("log")
def test_export_to_a_file_and_a_span_of_time(run: Run, home: Path) -> None:
    second = rows(run)[2]["timestamp"]
    outcome = run("audit", "export", home / "some.jsonl", "--since", second, "--json")

    assert outcome.json == {"rows": 3, "file": str(home / "some.jsonl")}
    assert run("audit", "export", home / "no" / "folder.jsonl").exit_code == 1


@pytest.mark.usefixtures("log")
def test_a_whole_chain_verifies(run: Run) -> None:
    outcome = run("audit", "verify", "--json")
    shown = run("audit", "verify")

    assert (outcome.exit_code, shown.exit_code) == (0, 0)
    assert outcome.json == {
        "whole": True,
        "rows": 4,
        "erased": 0,
        "head": rows(run)[0]["row_hash"],
        "problems": [],
    }
    assert shown.stdout == f"chain whole: 4 rows, 0 erased, head {outcome.json['head']}\n"
    assert run("audit", "verify", "--remembered", rows(run)[2]["row_hash"]).exit_code == 0
    assert run("audit", "verify", "--remembered", "sha256:" + "0" * 63 + "1").exit_code == 1


def test_a_changed_row_is_found(run: Run, log: Path) -> None:
    with closing(sqlite3.connect(log / "audit.db")) as database, database:
        triggers = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (trigger,) in triggers:
            database.execute(f"DROP TRIGGER {trigger}")
        database.execute("UPDATE audit SET success = 1 WHERE seq = 3")
    outcome = run("audit", "verify")
    told = run("audit", "verify", "--json")

    assert (outcome.exit_code, told.exit_code) == (1, 1)
    assert "problem: " in outcome.stdout
    assert "chain BROKEN: 4 rows" in outcome.stdout
    assert told.json["whole"] is False
    assert "3" in told.json["problems"][0]


def test_what_is_erased_is_gone_and_the_chain_still_verifies(run: Run, log: Path) -> None:
    call = rows(run, "--tool", "add")[0]
    outcome = run("audit", "erase", call["audit_id"])

    assert (outcome.exit_code, outcome.stdout) == (0, "1 of 1 erased\n")
    (erased,) = rows(run, "--tool", "add")
    assert (erased["erased"], erased["parameters"], erased["result"]) == (True, None, None)
    assert rows(run, "--kind", "erasure")[0]["details"]["event_ids"] == [call["audit_id"]]
    assert run("audit", "verify", "--json").json["erased"] == 1
    assert run("audit", "list").exit_code == 0
    again = run("audit", "erase", call["audit_id"], "--json")
    assert (again.exit_code, again.json) == (1, {"erased": 0})


@pytest.mark.parametrize("command", [("verify",), ("export",), ("erase", "an-id")])
def test_a_log_that_is_not_there_is_not_whole(run: Run, home: Path, command: tuple[str, ...]) -> None:
    outcome = run("audit", *command)

    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert outcome.stderr == f"error: There is no audit log in '{home}/data/toolhone'.\n"
    assert not (home / "data" / "toolhone").exists()


def test_a_damaged_log_is_one_line(run: Run, home: Path) -> None:
    (home / "damaged").mkdir()
    (home / "damaged" / "audit.db").write_bytes(b"not a database" * 1000)
    outcome = run("audit", "list", "--data", home / "damaged")

    assert outcome.exit_code == 1
    assert outcome.stderr.startswith("error: ")
    assert outcome.stderr.count("\n") == 1
