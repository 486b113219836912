"""The public conformance suite, in both eras: every scenario that needs no fixtures of its own."""

import json
import os
import subprocess
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.models import Json

Http: TypeAlias = Json

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "tests" / "node" / "node_modules" / ".bin" / "conformance"
BASELINE = Path(__file__).with_name("conformance-baseline.yml")

SCENARIOS = [
    ("server-initialize", "2025-11-25"),
    ("ping", "2025-11-25"),
    ("server-session-lifecycle", "2025-11-25"),
    ("tools-list", "2025-11-25"),
    ("completion-complete", "2025-11-25"),
    ("server-sse-multiple-streams", "2025-11-25"),
    ("dns-rebinding-protection", "2025-11-25"),
    ("tools-list", "2026-07-28"),
    ("completion-complete", "2026-07-28"),
    ("resources-list", "2026-07-28"),
    ("prompts-list", "2026-07-28"),
    ("server-sse-multiple-streams", "2026-07-28"),
    ("dns-rebinding-protection", "2026-07-28"),
    ("sep-2164-resource-not-found", "2026-07-28"),
    ("http-header-validation", "2026-07-28"),
    ("server-stateless", "2026-07-28"),
    ("caching", "2026-07-28"),
]


def test_the_suite_is_installed() -> None:
    assert SUITE.exists(), f"{SUITE} is missing: `make test` installs it."


@pytest.mark.parametrize(("scenario", "version"), SCENARIOS)
def test_the_server_conforms(http_server: Http, tmp_path: Path, scenario: str, version: str) -> None:
    assert SUITE.exists(), f"{SUITE} is missing: `make test` installs it."
    where = ["--url", f"{http_server.url}/mcp", "--output-dir", str(tmp_path)]
    what = ["--scenario", scenario, "--spec-version", version, "--expected-failures", str(BASELINE)]
    outcome = subprocess.run(
        [str(SUITE), "server", *where, *what],
        env={**os.environ, "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    checks = [
        check for file in tmp_path.rglob("checks.json") for check in json.loads(file.read_text())
    ]
    assert checks, "the suite checked nothing"
