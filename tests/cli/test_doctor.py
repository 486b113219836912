"""`toolhone doctor`: what is wrong is found and how to mend it is said; what is right is not called wrong."""

import json
import os
import socket
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.models import Json

Run: TypeAlias = Callable[..., Json]
PLAIN = Path(__file__).parents[1] / "registry" / "servers" / "plain.py"
SECRET = "ghp_R7f2Kq9ZxW4mB1nV8tY3cH6jL5dP0sGaUeQi"


@pytest.fixture
def user(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(home))
    for name in ("CLAUDE_CONFIG_DIR", *(name for name in os.environ if name.lower().endswith("_proxy"))):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return home


@pytest.fixture
def examine(run: Run, user: Path) -> Callable[..., dict[tuple[str, str], list[Json]]]:
    """Findings by topic and health."""

    def examine(*options: str | Path, code: int | None = None) -> dict[tuple[str, str], list[Json]]:
        done = run("doctor", "--json", "--http", "127.0.0.1:0", *options)
        answer = done.json
        assert done.exit_code == (1 if answer["problems"] else 0)
        assert code is None or done.exit_code == code
        assert SECRET not in done.stdout + done.stderr
        found: dict[tuple[str, str], list[Json]] = {}
        for finding in answer["findings"]:
            assert finding["health"] == "ok" or finding["mend"]
            found.setdefault((finding["topic"], finding["health"]), []).append(finding)
        return found

    return examine


Examine: TypeAlias = Callable[..., dict[tuple[str, str], list[Json]]]


def test_a_sound_installation_has_no_problems_and_no_warnings(
    run: Run, examine: Examine, registry: Path, servers: Callable[..., Path], user: Path
) -> None:
    servers(plain={"command": sys.executable, "args": ["-I", "-S", str(PLAIN), "--tools", "3"]})
    run("install", "--client", "cursor")
    assert run("find", "add two numbers").exit_code == 0

    found = examine("--deep", code=0)

    assert {topic for topic, health in found if health != "ok"} == set(), found
    topics = {topic for topic, _ in found}
    assert topics == {
        *("python", "sqlite", "libraries", "extras", "command", "settings", "servers", "tool files"),
        *("data", "data files", "encoder", "hosts", "port", "tokens", "proxies", "servers started"),
    }
    assert found["servers started", "ok"][0]["what"].startswith("plain: ")


def test_people_read_lines_and_how_to_mend(run: Run, user: Path, servers: Callable[..., Path]) -> None:
    servers(gone={"command": "no-such-program-anywhere"})

    shown = run("doctor", "--http", "127.0.0.1:0")

    assert shown.exit_code == 1
    assert (
        "problem  servers          gone: its command 'no-such-program-anywhere' is not on PATH."
        in shown.stdout
    )
    assert "mend: Install it, or write its whole path into the entry." in shown.stdout
    assert shown.stdout.splitlines()[-1].startswith("1 problem, ")


def test_each_wrong_server_is_named_with_what_is_wrong(
    examine: Examine, servers: Callable[..., Path]
) -> None:
    servers(
        unset={"command": sys.executable, "env": {"A": "${NOT_SET_ANYWHERE}", "B": SECRET}},
        both={"command": "x", "url": "http://x"},
        off={"command": "no-such-program-anywhere", "disabled": True},
        itself={"command": "uvx", "args": ["toolhone", "serve"]},
    )
    found = examine(code=1)

    whats = [finding["what"] for finding in found["servers", "problem"]]
    assert len(whats) == 2
    assert any("NOT_SET_ANYWHERE" in what for what in whats) and any("'both'" in what for what in whats)
    assert "itself" in found["servers", "warning"][0]["what"]
    assert "off: disabled" in found["servers", "ok"][0]["what"]


def test_a_server_that_ends_at_once_is_found_only_by_starting_it(
    examine: Examine, servers: Callable[..., Path]
) -> None:
    servers(broken={"command": sys.executable, "args": ["-c", "raise SystemExit(3)"]})

    assert ("servers", "problem") not in examine()
    (finding,) = examine("--deep", code=1)["servers started", "problem"]
    assert finding["what"].startswith("broken does not start")


def test_the_whole_data_folder_is_read_only_when_asked(run: Run, examine: Examine, user: Path) -> None:
    assert run("find", "add two numbers").exit_code == 0
    data = user / "data/toolhone"
    (data / "encoders" / "changed").mkdir(parents=True)
    (data / "encoders" / "changed" / "encoder.json").write_text("{}")
    (data / "encoders" / "changed" / "encoder.json").chmod(0o600)
    (data / "mine.txt").write_text("not yours")

    assert ("data files", "problem") not in examine()
    found = examine("--deep")["data files", "problem"]

    # As `toolhone check` says it, each once.
    checked = run("check", "--json").json["faults"]
    assert [(one["what"], one["mend"]) for one in found] == [(one["what"], one["mend"]) for one in checked]
    assert len(checked) == 2


def test_a_folder_that_is_held_is_not_read_through(run: Run, examine: Examine, user: Path) -> None:
    assert run("find", "add two numbers").exit_code == 0
    file = user / "data/toolhone/audit.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as hung:
        hung.execute("BEGIN IMMEDIATE")
        [finding] = examine("--deep")["data files", "problem"]

    assert finding["what"] == f"{file} is held by another process and cannot be written."


def test_settings_that_are_not_valid_end_the_examination(
    examine: Examine, user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOLHONE_MAX_CALLS", "many")

    found = examine(code=1)

    assert list(found) == [("settings", "problem")]
    assert "max_calls" in found["settings", "problem"][0]["what"]


def test_a_misspelled_variable_is_told_with_the_right_one(
    examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOLHONE_MAX_CALL", "3")

    (finding,) = examine()["settings", "warning"]
    assert "TOOLHONE_MAX_CALLS" in finding["mend"]


def test_a_tool_file_that_is_wrong_is_a_problem(examine: Examine, registry: Path) -> None:
    (registry / "wrong.json").write_text('{"name": "wrong"}')

    assert "wrong.json" in examine(code=1)["tool files", "problem"][0]["what"]


def test_a_newer_layout_and_a_damaged_file_are_problems(examine: Examine, run: Run, user: Path) -> None:
    assert run("find", "anything").exit_code == 0
    data = user / "data" / "toolhone"
    with closing(sqlite3.connect(data / "audit.db")) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
            "VALUES ('toolhone.audit', 'from_the_future', 'x')"
        )
        connection.commit()
    (data / "snapshots.db").write_bytes(b"not a database at all" * 100)
    (data / "snapshots.db").chmod(0o600)

    whats = [finding["what"] for finding in examine(code=1)["data files", "problem"]]

    assert len(whats) == 2
    assert "'from_the_future'" in whats[0] and "newer toolhone" in whats[0]
    assert "snapshots.db" in whats[1]


def test_a_file_that_a_process_holds_is_a_problem(examine: Examine, run: Run, user: Path) -> None:
    assert run("find", "anything").exit_code == 0
    with closing(sqlite3.connect(user / "data/toolhone/audit.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")

        (finding,) = examine(code=1)["data files", "problem"]

    assert "held by another process" in finding["what"]


def test_what_others_can_read_is_a_warning(examine: Examine, run: Run, user: Path) -> None:
    assert run("find", "anything").exit_code == 0
    data = user / "data" / "toolhone"
    data.chmod(0o755)
    (data / "audit.db").chmod(0o644)

    found = examine()

    assert found["data", "warning"][0]["mend"] == f"chmod 700 {data}"
    assert found["data files", "warning"][0]["mend"] == f"chmod 600 {data / 'audit.db'}"


def test_what_check_calls_whole_is_no_warning(examine: Examine, run: Run, user: Path) -> None:
    assert run("find", "anything").exit_code == 0
    (user / "data/toolhone/audit.db").chmod(0o644)  # in a folder that nobody else can enter

    assert run("check").exit_code == 0
    assert set(examine(code=0)) & {("data", "warning"), ("data files", "warning")} == set()


def test_a_damaged_file_is_told_alike_by_doctor_and_check(examine: Examine, run: Run, user: Path) -> None:
    assert run("find", "anything").exit_code == 0
    (user / "data/toolhone/snapshots.db").write_bytes(b"not a database at all" * 100)
    (user / "data/toolhone/snapshots.db").chmod(0o600)

    (finding,) = examine(code=1)["data files", "problem"]

    assert {"what": finding["what"], "mend": finding["mend"]} in run("check", "--json").json["faults"]


def test_a_large_file_is_not_read_through_but_its_layout_is_looked_at(
    examine: Examine, run: Run, user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("find", "anything").exit_code == 0
    monkeypatch.setattr("toolhone.diagnosis.data_folder.QUICKLY_CHECKED", 0)
    with closing(sqlite3.connect(user / "data/toolhone/audit.db")) as connection, connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
            "VALUES ('toolhone.audit', 'from_the_future', 'x')"
        )

    found = examine(code=1)

    assert {finding["mend"] for finding in found["data files", "warning"]} == {"toolhone doctor --deep"}
    (finding,) = found["data files", "problem"]
    assert "'from_the_future'" in finding["what"]


def test_the_examination_leaves_the_data_folder_as_it_was(examine: Examine, user: Path) -> None:
    examine()

    assert not (user / "data").exists()


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_data_folder_that_is_no_folder_is_a_problem(
    examine: Examine, user: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (user / "file").write_text("")
    settings = user / "settings.toml"
    settings.write_text(f'data = "{user / place}"')
    monkeypatch.setenv("TOOLHONE_SETTINGS", str(settings))

    (finding,) = examine(code=1)["data", "problem"]
    assert "--data" in finding["mend"]


def test_an_encoder_with_a_changed_file_is_a_problem(examine: Examine, user: Path, run: Run) -> None:
    folder = user / "data" / "toolhone" / "encoders"
    folder.mkdir(parents=True, mode=0o700)
    choice = {"name": "mine", "sha256": "0" * 64, "reason": "chosen", "at": "2026-01-01T00:00:00+00:00"}
    (folder / "active.json").write_text(json.dumps({"history": [choice]}))

    (finding,) = examine(code=1)["encoder", "problem"]
    assert "toolhone selector use default" in finding["mend"]


def test_hosts_that_start_what_is_gone_or_other_servers_too_are_told(
    examine: Examine, run: Run, user: Path
) -> None:
    run("install", "--client", "claude-code")
    run("install", "--client", "cursor", "--project", ".")
    cursor = user / "here" / ".cursor" / "mcp.json"
    document = json.loads(cursor.read_text())
    document["mcpServers"]["toolhone"]["command"] = "/gone/bin/toolhone"
    cursor.write_text(json.dumps(document))
    code = user / ".claude.json"
    document = json.loads(code.read_text())
    document["mcpServers"]["git"] = {"command": "uvx", "env": {"TOKEN": SECRET}}
    code.write_text(json.dumps(document))
    (user / "here" / ".mcp.json").write_text("{")

    found = examine(code=1)

    gone, broken = sorted(finding["what"] for finding in found["hosts", "problem"])[::-1]
    assert "/gone/bin/toolhone" in gone and ".mcp.json" in broken
    (beside,) = found["hosts", "warning"]
    assert beside["mend"] == "toolhone install --client claude-code --adopt"


def test_a_taken_port_is_a_warning(run: Run, user: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        findings = run("doctor", "--json", "--http", f"127.0.0.1:{number}").json["findings"]

    (finding,) = [finding for finding in findings if finding["topic"] == "port"]
    assert finding["health"] == "warning"


def test_a_token_that_expires_soon_is_a_warning(examine: Examine, run: Run) -> None:
    issued = run("tokens", "issue", "--role", "agent", "--expires", "2d")
    assert issued.exit_code == 0, issued.stderr

    found = examine()

    assert "expires at" in found["tokens", "warning"][0]["what"]
    assert found["tokens", "ok"][0]["what"] == "1 that open something"


def test_a_proxy_that_stands_before_this_machine_is_a_warning(
    examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{SECRET}@proxy:1")
    assert ("proxies", "warning") in examine()

    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    assert ("proxies", "ok") in examine()


def test_tokens_that_all_open_nothing_any_more_are_a_warning(examine: Examine, run: Run) -> None:
    (none,) = examine()["tokens", "ok"]
    assert "at its first start" in none["what"]
    text = run("tokens", "issue", "--role", "admin").stdout.strip()
    run("tokens", "revoke", text)

    (finding,) = examine()["tokens", "warning"]

    assert finding["mend"] == "toolhone tokens issue --role admin"


def test_a_folder_that_is_not_there_is_not_called_whole(run: Run, tmp_path: Path) -> None:
    outcome = run("check", "--data", str(tmp_path / "nowhere"))
    assert outcome.exit_code == 1
    assert "nowhere' is no folder" in outcome.stderr
