"""The Dockerfile: linted, and true of what it copies and starts. No engine builds it here."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from toolhone.cli.serve import serve

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Dockerfile").read_text()
LINES = TEXT.replace("\\\n", " ").splitlines()


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), "--failure-threshold", "style", ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_its_base_is_pinned_and_it_does_not_run_as_root() -> None:
    bases = [line for line in LINES if line.startswith("FROM ")]

    assert len(bases) == 2
    assert all(re.match(r"FROM python:3\.\d+\.\d+-slim-\w+( AS build)?$", base) for base in bases)
    final = "\n".join(LINES).rpartition("FROM ")[2]
    assert re.search(r"^USER 10001$", final, re.MULTILINE)
    assert "pip install" not in final


def test_everything_that_it_copies_is_there_and_not_ignored() -> None:
    allowed = {
        line.lstrip("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    copied = [
        word
        for line in LINES
        if line.startswith("COPY ") and "--from" not in line
        for word in shlex.split(line)[1:-1]
    ]

    assert copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert set(copied) == allowed


def test_the_locked_libraries_are_those_of_the_tests() -> None:
    def pins(name: str) -> dict[str, str]:
        text = (ROOT / "requirements" / name).read_text()
        return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))

    run, dev = pins("run.txt"), pins("dev.txt")

    assert len(run) > 50
    assert run.items() <= dev.items()


def test_what_it_starts_is_a_command_of_ours_and_its_health_check_asks_that_address() -> None:
    (command,) = [line for line in LINES if line.startswith("CMD [")]
    (check,) = [line for line in LINES if line.startswith("HEALTHCHECK")]
    words = re.findall(r'"([^"]*)"', command)

    assert words[0] == "serve"
    port = words[words.index("--http") + 1].rpartition(":")[2]
    assert f"http://127.0.0.1:{port}/health" in check
    assert f"EXPOSE {port}" in LINES
    known = {name for parameter in serve.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known
    assert CliRunner().invoke(serve, ["--help"]).exit_code == 0
    compile(re.findall(r'"((?:import)[^"]*)"', check)[0], "healthcheck", "exec")
