"""Every example runs, asserts what it shows, and ends well; so does the demo."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("[0-9]*.py"))


def run(file: Path, home: Path) -> str:
    """What the program printed; it must end with exit code 0, and knows nothing of this user."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TOOLHONE_")}
    environ |= {
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
        "COLUMNS": "118",
    }
    done = subprocess.run(
        [sys.executable, str(file)],
        cwd=home,
        env=environ,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


def test_there_are_examples() -> None:
    assert [file.name[:2] for file in EXAMPLES] == [f"{number:02}" for number in range(1, len(EXAMPLES) + 1)]
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_the_example_asserts_and_ends_well(example: Path, tmp_path: Path) -> None:
    assert "assert " in example.read_text()
    assert run(example, tmp_path).strip()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the demo prints."""
    home = tmp_path_factory.mktemp("demo")
    shown = run(ROOT / "examples" / "demo.py", home)
    assert not (home / "data").exists()
    return shown


def test_the_demo_shows_the_main_job(demo: str) -> None:
    shown = demo

    selected = ["time__convert_time", "query_database"]
    if shutil.which("git") and (ROOT / ".git").exists():
        selected.append("git__git_log")
    for name in selected:
        assert re.search(rf"^{name} +[01]\.\d\d ", shown, re.MULTILINE), (
            f"{name} was not selected with a score"
        )
    tokens = re.search(
        r"([\d,]+) sent and ([\d,]+) for toolhone's own tools, ([\d,]+) for every schema: ([\d,]+) saved",
        shown,
    )
    assert tokens is not None
    sent, own, every, saved = (int(number.replace(",", "")) for number in tokens.groups())
    assert saved == every - sent - own
    assert '"$from": "best"' in shown
    assert re.search(r"kept whole behind the handle \S{12,}", shown)
    assert re.search(r"read_result gives rows [\d,]+ to [\d,]+ of 1,?200", shown)
    kinds = {kind for kind in ("selection", "call", "result_read", "server") if f" {kind} " in shown}
    assert kinds == {"selection", "call", "result_read", "server"}
    assert re.search(r"^chain whole: \d+ rows, 0 erased, head sha256:[0-9a-f]{64}$", shown, re.MULTILINE)


def test_the_readme_shows_what_the_demo_prints(demo: str) -> None:
    """With fewer servers, where there is no Node, the figures are others."""
    with_node = (ROOT / "examples" / "node" / "node_modules").exists()
    blocks = re.findall(r"```text\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (shown,) = [block for block in blocks if "Task 3" in block]

    for part in shown.rstrip().split("\n\n"):
        pattern = r"[^\n]*\n".join(_as_printed(line, exactly=with_node) for line in part.splitlines())
        assert re.search(pattern, demo), f"{part}\n\nis nowhere in\n\n{demo}"


def _as_printed(line: str, *, exactly: bool) -> str:
    """A pattern for a line of a page, in which `…` and times are anything; it may be printed as two."""
    pattern = r"[^\n]*".join(re.escape(part) for part in line.split("…"))
    pattern = re.sub(r"(?:\\ )+", r"\\s+", pattern)
    pattern = re.sub(r"\d+(\\s\+ms)", r"\\d+\1", pattern)
    return pattern if exactly else re.sub(r"\d[\d,]*", r"[\\d,]+", pattern)
