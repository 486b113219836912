"""The MCP inspector's command line, a client that is not ours, against the real process."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.models import Json, JsonObject

Http: TypeAlias = Json
Site: TypeAlias = Json

ROOT = Path(__file__).parents[2]
INSPECTOR = ROOT / "tests" / "node" / "node_modules" / ".bin" / "mcp-inspector"

METHODS = {
    "initialize": (),
    "tools/list": (),
    "tools/call": ("--tool-name", "find_tools", "--tool-arg", "task=add two numbers"),
    "resources/read": ("--uri", "toolhone://catalog"),
    "prompts/get": ("--prompt-name", "choose_tools", "--prompt-args", "task=add"),
}


def inspect(*arguments: str, env: dict[str, str]) -> JsonObject:
    """What the inspector prints as the result of one request."""
    done = subprocess.run(
        [str(INSPECTOR), "--cli", *arguments, "--format", "json"],
        # The inspector needs the newer Node that the test dependencies bring.
        env={**env, "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return json.loads(done.stdout)["result"]


@pytest.fixture(params=["http", "http, stateless", "stdio"])
def target(request: pytest.FixtureRequest, shared_site: Site, tmp_path: Path) -> tuple[str, ...]:
    """How the inspector reaches toolhone; a host's own configuration file in the case of stdio."""
    assert INSPECTOR.exists(), f"{INSPECTOR} is missing: `make test` installs it."
    if request.param == "stdio":
        command, *arguments = shared_site.command
        entry: JsonObject = {"command": command, "args": arguments, "env": shared_site.env}
    else:
        server: Http = request.getfixturevalue("http_server")
        entry = {"type": "http", "url": f"{server.url}/mcp"}
        if request.param == "http, stateless":
            entry["protocolEra"] = "modern"
    host = tmp_path / "host.json"
    host.write_text(json.dumps({"mcpServers": {"toolhone": entry}}))
    return ("--config", str(host), "--server", "toolhone")


def test_the_inspector_lists_finds_reads_and_prompts(target: tuple[str, ...], shared_site: Site) -> None:
    def ask(method: str) -> JsonObject:
        return inspect(*target, "--method", method, *METHODS[method], env=shared_site.env)

    # A few at once: each spends most of its time starting.
    with ThreadPoolExecutor(max_workers=3) as pool:
        answers = dict(zip(METHODS, pool.map(ask, METHODS), strict=True))

    assert answers["initialize"]["serverInfo"]["name"] == "toolhone"
    assert answers["initialize"]["capabilities"]["tools"] == {"listChanged": True}
    assert answers["tools/list"]["tools"][0]["name"] == "find_tools"
    found = answers["tools/call"]["structuredContent"]["tools"]
    assert found[0]["name"] == "add"
    catalog = json.loads(answers["resources/read"]["contents"][0]["text"])
    assert catalog["total"] == 13
    assert "Task: add" in answers["prompts/get"]["messages"][0]["content"]["text"]


def test_the_inspectors_strict_lint_finds_nothing(http_server: Http, shared_site: Site) -> None:
    assert INSPECTOR.exists(), f"{INSPECTOR} is missing: `make test` installs it."
    where = (f"{http_server.url}/mcp", "--transport", "http")
    told = inspect(*where, "--method", "tools/list", "--strict", env=shared_site.env)
    assert len(told["tools"]) == 16
