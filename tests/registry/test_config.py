import json
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest

from toolhone.exceptions import ConfigurationError, UnsetVariableError
from toolhone.models import Category, JsonObject, Limits, OutputValidation
from toolhone.registry.config import Command, Endpoint, ServerEntry, ServersFile, load_servers
from toolhone.registry.oauth_settings import OAuth


def load(tmp_path: Path, content: JsonObject | str, environ: Mapping[str, str] | None = None) -> ServersFile:
    path = tmp_path / "mcp.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return load_servers(path, environ or {})


def load_one(tmp_path: Path, raw: JsonObject, environ: Mapping[str, str] | None = None) -> ServerEntry:
    (entry,) = load(tmp_path, {"mcpServers": {"one": raw}}, environ).entries
    return entry


def test_a_claude_entry_is_read(tmp_path: Path) -> None:
    entry = load_one(tmp_path, {"command": "uvx", "args": ["mcp-server-git"], "env": {"A": "1", "PORT": 80}})
    assert entry.target == Command(command="uvx", args=("mcp-server-git",), env={"A": "1", "PORT": "80"})


@pytest.mark.parametrize("kind", [None, "http", "streamable-http", "streamableHttp", "sse"])
def test_every_spelling_of_a_url_server_is_read(tmp_path: Path, kind: str | None) -> None:
    raw = {"url": "https://example.org/mcp", "headers": {"X": "y"}} | ({"type": kind} if kind else {})
    transport = "sse" if kind == "sse" else "http"
    assert load_one(tmp_path, raw).target == Endpoint(
        url="https://example.org/mcp", headers={"X": "y"}, transport=transport, oauth=OAuth()
    )


def test_both_keys_of_the_hosts_are_merged(tmp_path: Path) -> None:
    file = load(tmp_path, {"mcpServers": {"a": {"command": "x"}}, "servers": {"b": {"command": "y"}}})
    assert [entry.name for entry in file.entries] == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        '{"mcpServers": {"a": {"command": "x"}}, "servers": {"a": {"command": "y"}}}',
        '{"mcpServers": {"a": {"command": "x"}, "a": {"command": "y"}}}',
    ],
)
def test_a_server_that_stands_twice_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match="'a' stands twice"):
        load(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[]", "names no servers"),
        ('{"tools": {}}', "names no servers"),
        ('{"servers": 3}', "object"),
    ],
)
def test_a_file_that_names_no_servers_is_an_error(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        load(tmp_path, text)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_servers(tmp_path / "none.json", {})


def test_comments_and_trailing_commas_are_read_as_vs_code_writes_them(tmp_path: Path) -> None:
    file = load(
        tmp_path,
        """{
            // what VS Code writes
            "servers": {"a": {"url": "http://localhost/a//b, ]", /* not a comment: */ "type": "http",},},
        }""",
    )
    assert file.entries[0].target == Endpoint(
        url="http://localhost/a//b, ]", headers={}, transport="http", oauth=OAuth()
    )


def test_variables_are_expanded_everywhere(tmp_path: Path) -> None:
    environ = {"HOME": "/home/me", "TOKEN": "s3cret", "EMPTY": ""}
    raw = {
        "command": "${HOME}/bin/x",
        "args": ["--level=${LEVEL:-info}", "${EMPTY:-none}", "$HOME"],
        "env": {"KEY": "${env:TOKEN}"},
        "cwd": "${HOME}",
    }
    assert load_one(tmp_path, raw, environ).target == Command(
        command="/home/me/bin/x",
        args=("--level=info", "none", "$HOME"),
        env={"KEY": "s3cret"},
        cwd=Path("/home/me"),
    )
    web = {"url": "https://${HOST}/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}}
    assert load_one(tmp_path, web, environ | {"HOST": "h"}).target == Endpoint(
        url="https://h/mcp", headers={"Authorization": "Bearer s3cret"}, transport="http"
    )


def test_an_unset_variable_names_itself_its_server_and_its_field(tmp_path: Path) -> None:
    file = load(
        tmp_path,
        {
            "mcpServers": {
                "web": {"url": "https://x", "headers": {"Key": "${NO_SUCH}"}},
                "ok": {"command": "x"},
            }
        },
    )
    problem = file.entries[0].problem
    assert isinstance(problem, UnsetVariableError)
    assert problem.data == {"server": "web", "field": "headers.Key", "variable": "NO_SUCH"}
    assert all(word in problem.message for word in ("'web'", "headers.Key", "'NO_SUCH'"))
    assert file.notices == (problem.message,)
    assert file.entries[1].problem is None


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("${input:key}", "${env:NAME}"),
        ("${workspaceFolder}/x", "the path itself"),
        ("${1+1}", "not a variable"),
    ],
)
def test_what_only_an_editor_can_fill_in_says_what_to_do(tmp_path: Path, value: str, says: str) -> None:
    problem = load_one(tmp_path, {"command": "x", "args": [value]}).problem
    assert problem is not None
    assert says in problem.message
    assert "args[0]" in problem.message


def test_an_env_file_is_read_and_env_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('# keys\nexport A=1\nB="two words"\nC=three # note\nnonsense\n')
    target = load_one(tmp_path, {"command": "x", "envFile": ".env", "env": {"A": "9"}}).target
    assert isinstance(target, Command)
    assert target.env == {"A": "9", "B": "two words", "C": "three"}


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (3, "object"),
        ({}, "either 'command' or 'url'"),
        ({"command": "x", "url": "https://x"}, "either 'command' or 'url'"),
        ({"command": 3}, "command: must be a string"),
        ({"type": "http"}, "url is missing"),
        ({"command": "x", "args": "y"}, "args: must be a list"),
        ({"command": "x", "env": {"A": []}}, "env.A: must be a string"),
        ({"url": "ftp://x"}, "http://"),
        ({"url": "http://x", "type": "ws"}, "type: must be one of"),
        ({"command": "x", "disabled": "yes"}, "disabled: must be true or false"),
        ({"command": "x", "envFile": "none"}, "envFile"),
        ({"command": "x", "toolhone": {"alow": []}}, "toolhone.alow"),
        ({"command": "x", "toolhone": {"limits": {"maxConcurrency": 0}}}, "toolhone.limits.maxConcurrency"),
        ({"command": "x", "toolhone": 3}, "toolhone"),
    ],
)
def test_a_wrong_entry_names_its_field_and_harms_no_other(tmp_path: Path, raw: object, says: str) -> None:
    file = load(tmp_path, {"mcpServers": {"wrong": raw, "right": {"command": "x"}}})
    wrong, right = file.entries
    assert wrong.problem is not None and wrong.target is None
    assert "'wrong'" in wrong.problem.message and says in wrong.problem.message
    assert right.problem is None and right.target is not None


def test_keys_of_other_hosts_are_ignored(tmp_path: Path) -> None:
    assert load_one(tmp_path, {"command": "x", "autoApprove": [], "timeout": 3}).problem is None


@pytest.mark.parametrize(
    ("lists", "passing"),
    [
        ({}, ["get_all", "get_one", "set_one"]),
        ({"disabledTools": ["get_*"]}, ["set_one"]),
        ({"excludeTools": ["get_one"]}, ["get_all", "set_one"]),
        ({"enabledTools": ["get_*"], "disabledTools": ["get_all"]}, ["get_one"]),
        ({"includeTools": ["?et_one"], "toolhone": {"allow": ["g*"]}}, ["get_one"]),
        ({"allowedTools": ["*"], "toolhone": {"deny": ["set_*"]}}, ["get_all", "get_one"]),
        ({"enabledTools": []}, []),
    ],
)
def test_the_lists_of_tools_that_hosts_know_hold_beside_ours(
    tmp_path: Path, lists: JsonObject, passing: list[str]
) -> None:
    entry = load_one(tmp_path, {"command": "x", **lists})

    assert entry.problem is None
    assert [name for name in ("get_all", "get_one", "set_one") if entry.refusal(name) is None] == passing
    # What is not in the listing of its server does not make it another server.
    assert entry.fingerprint == load_one(tmp_path, {"command": "x"}).fingerprint


@pytest.mark.parametrize("wrong", ["get_all", [3], {"get_all": True}])
def test_a_list_of_tools_that_cannot_be_read_lets_no_tool_through(tmp_path: Path, wrong: object) -> None:
    entry = load_one(tmp_path, {"command": "x", "disabledTools": wrong})

    assert entry.problem is not None and entry.target is None
    assert "disabledTools: must be a list of strings" in entry.problem.message


def test_a_disabled_server_needs_no_variables(tmp_path: Path) -> None:
    entry = load_one(tmp_path, {"command": "${NO_SUCH}", "disabled": True})
    assert entry.disabled and entry.problem is None and entry.target is None


def test_our_settings_are_read(tmp_path: Path) -> None:
    settings = load_one(
        tmp_path,
        {
            "command": "x",
            "toolhone": {
                "allow": ["get_*"],
                "deny": ["get_all"],
                "trusted": True,
                "limits": {"maxConcurrency": 4, "timeoutSeconds": 9},
                "tools": {
                    "get_x": {"maxCallsPerMinute": 6, "outputValidation": "strict", "category": "ecommerce"}
                },
                "startTimeoutSeconds": 5,
                "category": "ai_intelligence",
                "outputValidation": "off",
            },
        },
    ).settings
    assert settings.limits.limits() == Limits(max_concurrency=4, timeout_seconds=9)
    assert settings.tools["get_x"].limits() == Limits(max_calls_per_minute=6)
    assert settings.tools["get_x"].category is Category.ECOMMERCE
    assert settings.output_validation is OutputValidation.OFF
    assert (settings.allow, settings.deny, settings.trusted) == (("get_*",), ("get_all",), True)


@pytest.mark.parametrize(
    "command",
    [
        "toolhone serve",
        "/opt/bin/toolhone serve",
        "C:\\tools\\toolhone.exe serve",
        "uvx toolhone serve",
        "uvx --python 3.12 toolhone@1.2.3",
        "uvx --from toolhone[http]==1.0 toolhone serve",
        "uv run --directory /src/toolhone toolhone serve",
        "uv tool run toolhone",
        "uv run python -m toolhone serve",
        "pipx run toolhone",
        "python3.12 -m toolhone serve",
        "/venv/bin/python -I -m toolhone",
        "python -mtoolhone serve",
        "python -X utf8 -Im toolhone.cli serve",
        "python /x/.venv/bin/toolhone serve",
        "python3 -u /src/toolhone/__main__.py serve",
        "py -3.12 -m toolhone",
        "env toolhone serve",
        "/usr/bin/env -i -u HOME KEY=1 toolhone serve",
        "env -S 'toolhone serve'",
        "poetry run toolhone",
        "poetry -C /src run toolhone serve",
        "pdm run toolhone",
        "hatch -e dev run toolhone",
        "conda run -n tools --no-capture-output toolhone serve",
        "nohup toolhone serve",
        "sh -c 'toolhone serve'",
        "bash -lc 'cd /srv && KEY=\"a b\" exec toolhone serve 2>/dev/null'",
        "sh -e -c '(env toolhone serve)'",
        "sh -c 'toolhone serve --config it\"s.json'",
        "cmd /c toolhone",
        "cmd.exe /d /c C:\\tools\\toolhone.exe serve",
        "powershell -NoProfile -Command '& toolhone serve'",
    ],
)
def test_an_entry_that_would_start_toolhone_itself_is_skipped(tmp_path: Path, command: str) -> None:
    lexer = shlex.shlex(command, posix=True)
    lexer.whitespace_split, lexer.escape = True, ""
    program, *args = lexer
    file = load(tmp_path, {"mcpServers": {"self": {"command": program, "args": args}}})
    assert file.entries == ()
    assert "'self'" in file.notices[0]


@pytest.mark.parametrize(
    "command",
    [
        "uvx mcp-server-git --repository toolhone",
        "python server.py toolhone",
        "toolhones",
        "npx toolhone-x",
        "uvx",
        "env",
        "env toolhone=1 server",
        "python -c toolhone",
        "python server.py -m toolhone",
        "python toolhone.py",
        "python -Ximporttime server.py",
        "python",
        "sh -c 'echo toolhone'",
        "sh -c \"echo 'x; toolhone'\"",
        "sh serve.sh toolhone",
        "sh -c",
        "poetry run server --for toolhone",
    ],
)
def test_an_entry_that_only_mentions_toolhone_is_kept(tmp_path: Path, command: str) -> None:
    program, *args = shlex.split(command)
    assert load_one(tmp_path, {"command": program, "args": args}).problem is None


def test_the_fingerprint_is_of_what_changes_a_listing_and_holds_no_secret(tmp_path: Path) -> None:
    raw: JsonObject = {"command": "x", "env": {"KEY": "${KEY}"}}
    first = load_one(tmp_path, raw, {"KEY": "old"}).fingerprint
    assert load_one(tmp_path, raw, {"KEY": "new"}).fingerprint == first
    assert load_one(tmp_path, raw, {}).fingerprint == first
    assert load_one(tmp_path, raw | {"toolhone": {"trusted": True}}, {"KEY": "k"}).fingerprint == first
    assert load_one(tmp_path, raw | {"args": ["--all"]}, {"KEY": "k"}).fingerprint != first
