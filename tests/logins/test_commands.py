"""`toolhone servers login` and `logout` as a user gives them, with all that they leave behind."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import httpx2
import pytest
from click.testing import CliRunner

from toolhone.cli import main
from toolhone.keeping.backup import write_backup

if TYPE_CHECKING:
    from logins.conftest import User
    from logins.login_server import LoginServer


class Outcome(NamedTuple):
    exit_code: object
    stdout: str
    stderr: str


Run: TypeAlias = Callable[..., Outcome]


@pytest.fixture
def environ(tmp_path: Path, protected: "LoginServer", monkeypatch: pytest.MonkeyPatch) -> None:
    """A user whose servers file names the server, and one that is a program."""
    folder = tmp_path / "config" / "toolhone"
    folder.mkdir(parents=True)
    servers = {"docs": {"url": protected.mcp}, "local": {"command": "true", "disabled": True}}
    (folder / "mcp.json").write_text(json.dumps({"mcpServers": servers}))
    for name in [name for name in os.environ if name.startswith("TOOLHONE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("TOOLHONE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def run(environ: None) -> Generator[Run]:
    """Runs a command in this process."""
    loggers = [logging.getLogger(name) for name in ("mcp.client.stdio", "toolhone.registry.python_handler")]
    levels = [logger.level for logger in loggers]

    def run(*arguments: str) -> Outcome:
        with CliRunner().isolation() as (stdout, stderr, _):
            code: object = 0
            try:
                main([*arguments])
            except SystemExit as stop:
                code = stop.code
            return Outcome(code, stdout.getvalue().decode(), stderr.getvalue().decode())

    yield run
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def log_in() -> str:
    """Logs in as a user does who opens the printed address; returns all that was printed."""
    command = [sys.executable, "-m", "toolhone", "servers", "login", "docs", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        address = process.stdout.readline().strip()
        assert address, process.stderr.read()
        assert httpx2.get(address, follow_redirects=True, timeout=30).status_code == 200
        said = process.stdout.read() + process.stderr.read()
        assert process.wait(30) == 0, said
        return said


def test_from_needs_login_to_a_call_and_back(
    run: Run, protected: "LoginServer", user: "User", tmp_path: Path
) -> None:
    asked = run("servers")
    assert "needs_login" in asked.stdout
    assert "toolhone servers login docs" in asked.stderr

    said = [log_in()]
    assert "Logged in to docs for read." in said[0]
    called = run("call", "docs__add", '{"a": 1, "b": 2}')
    assert called.exit_code == 0, called.stderr
    assert "3" in called.stdout

    assert "logged in at docs since" in run("doctor").stdout

    backup = tmp_path / "backup.tar"
    manifest = write_backup(user.folder, backup).manifest
    assert "grants.db" in manifest.header.left_out
    # Nowhere but in the one file that is for it: not in the audit, its log, other databases, or a backup.
    said += [called.stdout, called.stderr]
    others = [path for path in user.folder.rglob("*") if path.is_file() and "grants.db" not in path.name]
    assert "audit.db" in {path.name for path in others}
    everything = b"".join(path.read_bytes() for path in [*others, backup]) + "".join(said).encode()
    assert [secret for secret in protected.authorization.secrets if secret.encode() in everything] == []

    out = run("servers", "logout", "docs")
    assert (out.exit_code, out.stderr) == (0, "Logged out of docs.\n")
    assert "needs_login" in run("servers").stdout


def test_the_role_of_the_user_is_heeded(
    run: Run, protected: "LoginServer", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOLHONE_ROLE", "operator")
    refused = run("servers", "login", "docs", "--no-browser")

    assert refused.exit_code == 1 and "administer" in refused.stderr
    assert protected.turned_away == 0


def test_what_cannot_be_logged_in_to_is_named(run: Run) -> None:
    unknown, program = run("servers", "login", "dcos"), run("servers", "login", "local")

    assert (unknown.exit_code, program.exit_code) == (1, 1)
    assert "Configured are: docs, local." in unknown.stderr
    assert "Nobody logs in to server 'local': it is disabled" in program.stderr
