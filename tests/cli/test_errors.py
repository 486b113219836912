"""What is wrong outside of toolhone ends as one line on stderr and exit code 1, never as a traceback."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.models import Json

Run: TypeAlias = Callable[..., Json]
Servers: TypeAlias = Callable[..., Path]


def one_line(outcome: Json) -> str:
    assert (outcome.exit_code, outcome.stdout) == (1, ""), outcome
    assert outcome.stderr.startswith("error: ")
    assert outcome.stderr.count("\n") == 1
    return outcome.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not json", "is not JSON"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"[]", "names no servers"),
        (b'{"mcpServers": []}', "must be an object of servers by name"),
    ],
)
@pytest.mark.parametrize("command", [("tools",), ("serve",)])
def test_a_servers_file_that_is_none(
    run: Run, home: Path, content: bytes, said: str, command: tuple[str, ...]
) -> None:
    file = home / "mcp.json"
    file.write_bytes(content)

    assert said in one_line(run(*command, "--config", file))
    assert str(file) in one_line(run(*command, "--config", file))


def test_settings_that_are_wrong(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOOLHONE_MAX_CALLS", "none")
    assert "max_calls" in one_line(run("tools"))
    monkeypatch.delenv("TOOLHONE_MAX_CALLS")
    (home / "config" / "toolhone" / "settings.toml").write_text("max_cals = 3")
    assert "max_cals" in one_line(run("tools"))


def test_a_servers_file_of_the_settings_that_is_missing(run: Run, home: Path) -> None:
    (home / "config" / "toolhone" / "settings.toml").write_text("config = '/nowhere/mcp.json'")

    assert "/nowhere/mcp.json" in one_line(run("tools"))


def test_a_data_folder_that_cannot_be_one(run: Run, registry: Path, home: Path) -> None:
    (home / "file").write_text("")

    assert str(home / "file") in one_line(run("find", "anything", "--data", home / "file" / "data"))


def test_an_address_that_others_can_reach(run: Run) -> None:
    assert "--remote" in one_line(run("serve", "--http", "0.0.0.0:8000"))
    assert "HOST:PORT" in one_line(run("serve", "--http", "here"))


@pytest.mark.parametrize("option", ["--open-loopback", "--remote", "--quiet-start", "--tls-cert"])
def test_an_option_of_http_is_refused_where_stdio_would_be_served(run: Run, home: Path, option: str) -> None:
    key = home / "key.pem"
    key.touch()
    given = (option, key, "--tls-key", key) if option == "--tls-cert" else (option,)

    refused = run("serve", *given)

    assert refused.exit_code == 2
    assert f"{option} is for a toolhone that is served over HTTP" in refused.stderr


def test_an_unset_variable_harms_only_its_server(run: Run, servers: Servers) -> None:
    servers(plain=None, other={"command": "true", "args": ["${NOT_SET_ANYWHERE}"]})
    outcome = run("tools", "--json")

    assert outcome.exit_code == 0
    assert "plain__echo" in {tool["name"] for tool in outcome.json}
    assert "NOT_SET_ANYWHERE" in outcome.stderr


def test_control_characters_of_others_do_not_reach_the_terminal(run: Run) -> None:
    assert "\x1b" not in one_line(run("describe", "\x1b[31mred"))


@pytest.mark.parametrize("command", ["tools", "servers", "find"])
def test_the_current_folder_is_never_read_by_itself(run: Run, home: Path, command: str) -> None:
    started = home / "started"
    entry = f'{{"command": "touch", "args": ["{started}"]}}'
    (home / "here" / "mcp.json").write_text(f'{{"mcpServers": {{"trap": {entry}}}}}')
    (home / "here" / "tool_registry").mkdir()
    (home / "here" / "tool_registry" / "trap.json").write_text("{}")
    outcome = run(command, *(["anything"] if command == "find" else []))

    assert outcome.exit_code == 0
    assert "trap" not in outcome.stdout + outcome.stderr
    assert "Nothing is configured." in outcome.stderr
    assert not started.exists()


def test_the_users_folders_are_read_and_written(
    run: Run, registry: Path, servers: Servers, home: Path
) -> None:
    servers(plain=None)

    assert {"add", "plain__echo"} <= {tool["name"] for tool in run("tools", "--json").json}
    run("call", "add", "a=1", "b=2")
    assert (home / "data" / "toolhone" / "audit.db").is_file()


def test_an_interrupt_is_clean(home: Path, servers: Servers) -> None:
    started = home / "started"
    os.mkfifo(started)
    servers(hanging={"command": "sh", "args": ["-c", f"echo up > {started}; exec sleep 600"]})
    reading = os.open(started, os.O_RDONLY | os.O_NONBLOCK)
    # A shell has what it starts in the background ignore interrupts, and so would the child of such tests.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        [sys.executable, "-m", "toolhone", "servers"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            readable, _, _ = select.select([reading], [], [], 60)
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=60)
        finally:
            signal.signal(signal.SIGINT, before)
            os.close(reading)
            process.kill()

    assert readable, "the server was never started"
    assert (process.returncode, stdout, stderr.strip()) == (1, "", "Aborted!")


def test_a_reader_that_went_away_is_no_error(home: Path, registry: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "toolhone", "tools", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        process.wait(timeout=60)


def test_a_tool_that_does_not_return_does_not_keep_the_process(tmp_path: Path) -> None:
    tool = {
        "name": "hang",
        "description": "Waits for a pipe that nobody writes to.",
        "inputSchema": {"type": "object"},
        "handler": {"type": "python", "function": "hang:hang"},
    }
    (tmp_path / "hang.json").write_text(json.dumps(tool))
    (tmp_path / "hang.py").write_text(
        "import os\n\n\ndef hang() -> str:\n    return str(os.read(os.pipe()[0], 1))\n"
    )
    places = ["--registry", str(tmp_path), "--data", str(tmp_path / "data")]

    done = subprocess.run(
        [sys.executable, "-m", "toolhone", "call", "hang", *places],
        env={**os.environ, "TOOLHONE_CALL_TIMEOUT": "0.2"},
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert b"timeout" in done.stderr
