"""`toolhone completion`: scripts that the shells can read, and what they ask for."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.models import Json

Run: TypeAlias = Callable[..., Json]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(run: Run, shell: str) -> None:
    outcome = run("completion", shell)

    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert f"_TOOLHONE_COMPLETE={shell}_complete" in outcome.stdout


def test_bash_completes_a_command(run: Run, home: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:  # Without a bash there is nobody to complete for.
        return
    script = home / "completion.sh"
    script.write_text(run("completion", "bash").stdout)
    (home / "bin").mkdir()
    (home / "bin" / "toolhone").symlink_to(Path(sys.executable).with_name("toolhone"))
    ask = (
        f"set -eu; source {script}; "
        "COMP_WORDS=(toolhone compl); COMP_CWORD=1; _toolhone_completion toolhone; echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(
        [bash, "--norc", "-c", ask],
        env={**os.environ, "PATH": f"{home / 'bin'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("completion\n", "")


@pytest.mark.parametrize(
    ("shell", "words", "word", "expected"),
    [
        ("zsh", "toolhone install --client ", "3", {"claude-desktop", "claude-code", "cursor", "vscode"}),
        ("bash", "toolhone install --client cu", "3", {"cursor"}),
        ("fish", "toolhone doc", "doc", {"doctor"}),
        ("fish", "toolhone doctor --d", "--d", {"--deep", "--data"}),
        ("zsh", "toolhone tokens issue --role ", "4", {"viewer", "agent", "operator", "admin"}),
    ],
)
def test_commands_options_and_their_values_are_completed(
    home: Path, shell: str, words: str, word: str, expected: set[str]
) -> None:
    ask = {"_TOOLHONE_COMPLETE": f"{shell}_complete", "COMP_WORDS": words, "COMP_CWORD": word}
    done = subprocess.run(
        [Path(sys.executable).with_name("toolhone")],
        env={**os.environ, **ask},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    given = {part for line in done.stdout.splitlines() for part in line.replace("\t", ",").split(",")}
    assert expected <= given
