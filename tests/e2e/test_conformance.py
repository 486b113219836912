"""The public conformance suite, in both eras: every scenario that needs no fixtures of its own."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.models import Json

Http: TypeAlias = Json
Outcome: TypeAlias = tuple[int, list[str], str]
"""Exit code, the status of each check, and what was printed."""

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


@pytest.fixture(scope="module")
def outcomes(http_server: Http, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Outcome]:
    """What came of each scenario. A few run at once: each spends most of its time starting."""
    assert SUITE.exists(), f"{SUITE} is missing: `make test` installs it."
    folder = tmp_path_factory.mktemp("conformance")
    path = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"

    def run(case: tuple[str, str]) -> Outcome:
        scenario, version = case
        output = folder / f"{scenario}-{version}"
        where = ["--url", f"{http_server.url}/mcp", "--output-dir", str(output)]
        what = ["--scenario", scenario, "--spec-version", version, "--expected-failures", str(BASELINE)]
        done = subprocess.run(
            [str(SUITE), "server", *where, *what],
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        checks = [check for file in output.rglob("checks.json") for check in json.loads(file.read_text())]
        return done.returncode, [check["status"] for check in checks], done.stdout + done.stderr

    with ThreadPoolExecutor(max_workers=3) as pool:
        return dict(zip(SCENARIOS, pool.map(run, SCENARIOS), strict=True))


@pytest.mark.parametrize(("scenario", "version"), SCENARIOS)
def test_the_server_conforms(outcomes: dict[tuple[str, str], Outcome], scenario: str, version: str) -> None:
    code, statuses, output = outcomes[scenario, version]
    assert code == 0, output
    assert "SUCCESS" in statuses, "the suite checked nothing"
