"""`toolhone tokens`, and what the command line is refused if it was given a role."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.models import Json, JsonObject

Run: TypeAlias = Callable[..., Json]

FORM = r"thk_([a-z0-9]{10})_[A-Za-z0-9]{32}\n"


def issue(run: Run, *options: str, role: str = "agent") -> str:
    """A new token's id."""
    outcome = run("tokens", "issue", "--role", role, *options)
    form = re.fullmatch(FORM, outcome.stdout)
    assert outcome.exit_code == 0 and form, outcome
    assert outcome.stderr == ""
    return form[1]


def test_a_token_is_all_that_is_printed(run: Run) -> None:
    assert issue(run) != issue(run)


def test_nothing_but_the_token_is_printed_on_the_first_use_of_a_folder(
    run_process: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "not" / "there yet"
    first, second = (run_process("tokens", "issue", "--role", "agent", "--data", folder) for _ in range(2))
    for outcome in (first, second):
        assert re.fullmatch(FORM, outcome.stdout)
        assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert first.stdout != second.stdout


def test_the_list_says_what_each_token_is_and_never_shows_one(run: Run) -> None:
    plain = issue(run)
    narrow = issue(
        run,
        *("--name", "night run", "--scope", "find_tools", "--scope", "call_tools", "--tools", "git__*"),
        *("--expires", "12h", "--rate", "30"),
        role="operator",
    )
    second, first = run("tokens", "list", "--json").json
    assert (first["token_id"], first["role"], first["scopes"], first["expires_at"]) == (
        plain,
        "agent",
        None,
        None,
    )
    assert (second["token_id"], second["role"], second["name"]) == (narrow, "operator", "night run")
    assert (second["scopes"], second["tools"]) == (["call_tools", "find_tools"], ["git__*"])
    assert (second["requests_per_minute"], second["state"], second["used_on"]) == (30, "valid", None)
    assert second["expires_at"] > second["created_at"]

    listed = run("tokens", "list").stdout
    assert listed.splitlines()[0].split() == ["id", "role", "state", "used", "only", "for", "name"]
    assert re.search(rf"^{narrow} +operator +until", listed, re.MULTILINE)
    assert "thk_" not in listed


def test_a_revoked_token_says_so(run: Run) -> None:
    token_id = issue(run)
    assert run("tokens", "revoke", token_id).exit_code == 0
    assert run("tokens", "list", "--json").json[0]["state"] == "revoked"


def test_revoking_what_is_not_there_says_where_to_look(run: Run) -> None:
    outcome = run("tokens", "revoke", "nothing")
    assert outcome.exit_code == 1
    assert outcome.stderr == "error: There is no token 'nothing'; toolhone tokens list shows the ids.\n"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--role", "agent", "--expires", "soon"], "no length of time"),
        (["--role", "root"], "'root'"),
        ([], "--role"),
        (["--role", "agent", "--scope", "train"], "no permission 'train'"),
        (["--role", "agent", "--rate", "0"], "--rate"),
    ],
)
def test_a_wrong_option_makes_no_token(run: Run, home: Path, options: list[str], says: str) -> None:
    outcome = run("tokens", "issue", *options)
    assert outcome.exit_code != 0 and outcome.stdout == ""
    assert says in outcome.stderr
    assert not (home / "data" / "toolhone" / "access.db").exists()


def test_tokens_that_come_and_go_are_on_record_without_their_secret(run: Run) -> None:
    token_id = issue(run)
    run("tokens", "revoke", token_id)
    revoked, issued = run("audit", "list", "--kind", "access", "--json").json
    assert issued["details"] == {"what": "token_issued", "token_id": token_id, "name": "", "role": "agent"}
    assert (revoked["details"]["what"], revoked["user_id"]) == ("token_revoked", "local")
    assert token_id in run("audit", "list").stdout


REFUSED = [
    (["tokens", "issue", "--role", "viewer"], "administer"),
    (["tokens", "list"], "administer"),
    (["audit", "list"], "read_audit"),
    (["audit", "verify"], "read_audit"),
    (["audit", "erase", "some-id"], "erase"),
    (["servers", "--stored"], "operate"),
    (["servers", "approve", "x"], "trust"),
    (["servers", "reject", "x", "--yes"], "trust"),
    (["snapshots", "list"], "read_work"),
    (["snapshots", "erase", "--agent", "a"], "erase"),
    (["selector", "rollback"], "promote"),
    (["selector", "promote", "v1"], "promote"),
    (["snapshots", "prune"], "erase"),
    (["snapshots", "erase", "--agent", "a", "--yes"], "erase"),
    (["datasets", "prepare", "general"], "prepare"),
    (["jobs", "work"], "train"),
    (["models", "rollback", "general", "production"], "promote"),
]


@pytest.mark.parametrize(("command", "permission"), REFUSED)
def test_the_role_of_the_settings_bounds_the_command_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: list[str], permission: str
) -> None:
    issue(run)
    monkeypatch.setenv("TOOLHONE_ROLE", "agent")
    outcome = run(*command)
    assert outcome.exit_code == 1 and outcome.stdout == ""
    assert outcome.stderr.startswith(f"error: The role 'agent' has not the permission '{permission}'")
    monkeypatch.delenv("TOOLHONE_ROLE")

    row: JsonObject = run("audit", "list", "--kind", "refusal", "--json").json[0]
    assert (row["user_id"], row["error_code"]) == ("local", "permission_denied")
    assert row["details"]["permission"] == permission
    named = [word for word in command[:2] if not word.startswith("-")]
    assert row["details"]["command"] == f"toolhone {' '.join(named)}"


def test_an_agent_finds_and_calls_and_a_viewer_only_finds(
    run: Run, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOLHONE_ROLE", "viewer")
    assert run("find", "add two numbers").exit_code == 0
    refused = run("call", "add", "a=1", "b=2")
    assert refused.exit_code == 1 and "'call_tools'" in refused.stderr
    monkeypatch.setenv("TOOLHONE_ROLE", "agent")
    assert run("call", "add", "a=1", "b=2").exit_code == 0
