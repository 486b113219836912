"""`toolhone install`: toolhone gets into a host's file and out of it, and nothing else in there changes."""

import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import anyio
import pytest
from mcp import Client, StdioServerParameters

from toolhone.hosts.known import HOSTS
from toolhone.models import Json

Run: TypeAlias = Callable[..., Json]

COMMENTED = """// mine
{
    "inputs": [{ "id": "key", "type": "promptString" }],
    "servers": {
        // the first
        "git": { "command": "uvx", "args": ["mcp-server-git"] },
    },
}
"""
SECRET = "sk-live-7f3a9b2c4d5e6f708192a3b4c5d6e7f8"


@pytest.fixture
def user(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    return home


def backups(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.toolhone-backup-*"))


@pytest.mark.parametrize("client", HOSTS)
def test_a_host_that_has_no_file_gets_one_of_its_own_kind(run: Run, user: Path, client: str) -> None:
    done = run("install", "--client", client, "--json")

    assert done.exit_code == 0, done.stderr
    file = Path(done.json["file"])
    assert file.is_relative_to(user)
    assert json.loads(file.read_text()) == run("config", client).json
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run("install", "--client", client, "--undo").exit_code == 0
    assert not file.exists()


@pytest.mark.parametrize(
    ("client", "file"),
    [("claude-code", ".mcp.json"), ("cursor", ".cursor/mcp.json"), ("vscode", ".vscode/mcp.json")],
)
def test_a_project_has_a_file_of_its_own(run: Run, user: Path, client: str, file: str) -> None:
    assert run("install", "--client", client, "--project", ".").exit_code == 0

    assert json.loads((user / "here" / file).read_text()) == run("config", client).json


def test_the_installed_entry_serves(run: Run, user: Path) -> None:
    file = Path(run("install", "--client", "claude-desktop", "--data", user / "data", "--json").json["file"])
    entry = json.loads(file.read_text())["mcpServers"]["toolhone"]

    async def main() -> list[str]:
        host = StdioServerParameters(command=entry["command"], args=entry["args"], cwd="/", env={})
        with anyio.fail_after(60):
            async with Client(host) as client:
                return [tool.name for tool in (await client.list_tools()).tools]

    assert "find_tools" in anyio.run(main)


def test_comments_and_everything_else_stay_and_undo_gives_every_byte_back(run: Run, user: Path) -> None:
    file = user / "mcp.json"
    file.write_bytes(b"\xef\xbb\xbf" + COMMENTED.replace("\n", "\r\n").encode())
    file.chmod(0o640)
    before = file.read_bytes()

    done = run("install", "--client", "vscode", "--file", file)

    assert done.exit_code == 0, done.stderr
    after = file.read_bytes()
    head, tail = before.split(b"    },\r\n}")
    assert after.startswith(head) and after.endswith(b"    },\r\n}" + tail)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    (backup,) = backups(user)
    assert backup.read_bytes() == before
    assert str(backup) in done.stdout
    assert run("install", "--client", "vscode", "--file", file, "--undo").exit_code == 0
    assert file.read_bytes() == before
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert backups(user) == []


def test_doing_it_twice_changes_nothing_the_second_time(run: Run, user: Path) -> None:
    file = user / "mcp.json"
    run("install", "--client", "cursor", "--file", file, "--role", "agent")
    before = file.read_bytes()

    again = run("install", "--client", "cursor", "--file", file)

    assert "as it should be" in again.stdout
    assert file.read_bytes() == before
    assert json.loads(before)["mcpServers"]["toolhone"]["args"][-2:] == ["--role", "agent"]
    assert backups(user) == []


def test_an_entry_keeps_what_the_user_wrote_into_it(run: Run, user: Path) -> None:
    file = user / "mcp.json"
    file.write_text(
        '{"mcpServers": {"toolhone": {"command": "/gone/toolhone", "args": ["serve", "--role", "viewer"],'
        ' "env": {"A": "b"} /* mine */, "autoApprove": ["find_tools"]}}}'
    )

    run("install", "--client", "claude-desktop", "--file", file)

    entry = json.loads(file.read_text().replace("/* mine */", ""))["mcpServers"]["toolhone"]
    assert "/* mine */" in file.read_text()
    assert Path(entry.pop("command")).exists()
    assert entry == {
        "args": ["serve", "--role", "viewer"],
        "env": {"A": "b"},
        "autoApprove": ["find_tools"],
    }


def test_a_dry_run_shows_the_change_without_secrets_and_writes_nothing(run: Run, user: Path) -> None:
    file = user / "mcp.json"
    text = json.dumps({"mcpServers": {"a": {"command": "x", "args": [], "env": {"KEY": SECRET}}}}, indent=2)
    file.write_text(text)

    shown = run("install", "--client", "cursor", "--file", file, "--dry-run")

    assert '+    "toolhone": {' in shown.stdout
    assert "Nothing was written" in shown.stdout
    assert SECRET not in shown.stdout
    assert file.read_text() == text
    assert list(user.glob("*backup*")) == [] and not (user / "config/toolhone/installs").exists()


def test_undo_refuses_what_was_changed_since_and_remove_takes_out_the_entry_alone(
    run: Run, user: Path
) -> None:
    file = user / "mcp.json"
    file.write_text(COMMENTED)
    run("install", "--client", "vscode", "--file", file)
    changed = file.read_text().replace("// mine", "// still mine")
    file.write_text(changed)

    refused = run("install", "--client", "vscode", "--file", file, "--undo")

    assert refused.exit_code == 1
    assert "was changed after toolhone wrote it" in refused.stderr and "--remove" in refused.stderr
    assert file.read_text() == changed
    run("install", "--client", "vscode", "--file", file, "--remove")
    assert file.read_text() == COMMENTED.replace("// mine", "// still mine")


def test_undo_without_a_change_says_so(run: Run, user: Path) -> None:
    refused = run("install", "--client", "cursor", "--undo")

    assert refused.exit_code == 1
    assert "changed nothing" in refused.stderr


@pytest.mark.parametrize("text", ["{", '{"mcpServers": 1}', "[]", '{"mcpServers": {"a": {}}} x'])
def test_a_file_that_is_not_understood_is_left_as_it_is(run: Run, user: Path, text: str) -> None:
    file = user / "mcp.json"
    file.write_text(text)

    refused = run("install", "--client", "cursor", "--file", file)

    assert refused.exit_code == 1
    assert "left as it is" in refused.stderr and "toolhone config" in refused.stderr
    assert file.read_text() == text
    assert backups(user) == []


def test_a_link_stays_a_link(run: Run, user: Path) -> None:
    (user / "dotfiles").mkdir()
    real = user / "dotfiles" / "mcp.json"
    real.write_text("{}")
    link = user / "link.json"
    link.symlink_to(real)

    assert run("install", "--client", "cursor", "--file", link).exit_code == 0

    assert link.is_symlink()
    assert "toolhone" in json.loads(real.read_text())["mcpServers"]


def test_adopted_servers_move_behind_toolhone_and_come_back(
    run: Run, user: Path, servers: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KNOWN_HERE", "1")
    own = servers(docs=None)
    own.chmod(0o644)
    file = user / "claude.json"
    plain = json.loads(own.read_text())["mcpServers"]["docs"]
    entries = {
        "plain": {**plain, "env": {"KEY": SECRET, "SET": "${KNOWN_HERE}"}},
        "docs": {"command": "other"},
        "asks": {"command": "x", "env": {"KEY": "${input:key}"}},
        "unset": {"command": "x", "args": ["${NOT_SET_ANYWHERE}"]},
        "nested": {"command": "uvx", "args": ["toolhone", "serve"]},
        "near": {"command": "x", "cwd": "here"},
    }
    file.write_text(json.dumps({"mcpServers": entries}, indent=2))
    before, own_before = file.read_bytes(), own.read_bytes()

    done = run("install", "--client", "claude-desktop", "--file", file, "--adopt", "--json")

    assert done.exit_code == 0, done.stderr
    assert done.json["adopted"] == ["plain"]
    assert set(done.json["left"]) == {"docs", "asks", "unset", "nested", "near"}
    assert SECRET not in done.stdout
    host = json.loads(file.read_text())["mcpServers"]
    assert set(host) == {"docs", "asks", "unset", "nested", "near", "toolhone"}
    assert json.loads(own.read_text())["mcpServers"] == {"docs": plain, "plain": entries["plain"]}
    assert stat.S_IMODE(own.stat().st_mode) == 0o600
    assert "plain" in run("servers", "--json").stdout
    assert run("install", "--client", "claude-desktop", "--file", file, "--undo").exit_code == 0
    assert (file.read_bytes(), own.read_bytes()) == (before, own_before)
    assert stat.S_IMODE(own.stat().st_mode) == 0o644


def test_nothing_to_adopt_and_nothing_behind_toolhone_are_said(
    run: Run, user: Path, servers: Callable[..., Path]
) -> None:
    file = user / "claude.json"
    install = ("install", "--client", "claude-desktop", "--file", file, "--adopt")

    none = run(*install)
    again = run(*install, "--dry-run")
    behind = servers(docs=None)
    some = run(*install)

    for said in (none.stderr, again.stderr):
        assert f"Claude Desktop has no other server in {file}, so there was none to adopt." in said
        assert f"No server stands behind toolhone yet: name them in {behind}" in said
    assert "no other server" in some.stderr and "No server stands behind" not in some.stderr


def test_servers_are_adopted_into_the_file_that_the_entry_reads(run: Run, user: Path) -> None:
    mine = user / "mine.json"
    mine.write_text('{"mcpServers": {}}')
    file = user / "mcp.json"
    run("install", "--client", "cursor", "--file", file, "--config", mine)
    document = json.loads(file.read_text())
    document["mcpServers"]["git"] = {"command": "uvx", "args": ["mcp-server-git"]}
    file.write_text(json.dumps(document))

    run("install", "--client", "cursor", "--file", file, "--adopt")

    assert set(json.loads(file.read_text())["mcpServers"]) == {"toolhone"}
    assert set(json.loads(mine.read_text())["mcpServers"]) == {"git"}
    assert not (user / "config" / "toolhone" / "mcp.json").exists()


def test_a_served_toolhone_takes_its_token_from_a_variable(run: Run, user: Path) -> None:
    url = "http://127.0.0.1:8000/mcp"
    file = user / "mcp.json"
    run("install", "--client", "claude-code", "--file", file, "--http", url, "--token-variable", "MY_TOKEN")

    assert json.loads(file.read_text())["mcpServers"]["toolhone"] == {
        "type": "http",
        "url": url,
        "headers": {"Authorization": "Bearer ${MY_TOKEN}"},
    }
    refused = run("install", "--client", "claude-desktop", "--http", url, "--token-variable", "MY_TOKEN")
    assert refused.exit_code == 1 and "stdio" in refused.stderr


@pytest.mark.parametrize(
    "options",
    [
        ("--undo", "--remove"),
        ("--adopt", "--http", "http://127.0.0.1:1/mcp"),
        ("--token-variable", "X"),
        ("--file", "a", "--project", "."),
    ],
)
def test_options_that_do_not_go_together_are_a_usage_error(
    run: Run, user: Path, options: tuple[str, ...]
) -> None:
    assert run("install", "--client", "cursor", *options).exit_code == 2


def test_uvx_stays_uvx(run: Run, user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(user / ".cache/uv/archive-v0/abcdef"))
    monkeypatch.setenv("PATH", str(user))
    (user / "uvx").touch(mode=0o755)

    entry = run("config", "cursor").json["mcpServers"]["toolhone"]

    assert (entry["command"], entry["args"]) == (str(user / "uvx"), ["toolhone", "serve"])
