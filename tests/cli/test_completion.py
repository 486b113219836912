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
