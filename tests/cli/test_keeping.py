"""`toolhone backup`, `restore`, `check`, `data` and `audit prune`: the data folder as a whole."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from toolhone.models import JsonObject

Run: TypeAlias = Callable[..., Any]

SNAPSHOT: JsonObject = {
    "agent_id": "a",
    "agent_name": "A",
    "category": "ecommerce",
    "task_type": "t",
    "input_data": {"x": "of anna"},
    "output_data": {"y": 2},
    "success": True,
    "performance_score": 0.9,
    "execution_time_ms": 5,
    "user_id": "anna",
}


@pytest.fixture
def data(run: Run, home: Path) -> Path:
    run("snapshots", "add", json.dumps(SNAPSHOT))
    return home / "data" / "toolhone"


def test_a_folder_is_backed_up_restored_and_examined(run: Run, data: Path, home: Path) -> None:
    file, new = home / "backup.tar", home / "new"

    made = run("backup", file, "--json").json
    assert (made["files"], made["file"]) == (2, str(file))
    assert "there already" in run("backup", file).stderr
    assert "not empty" in run("restore", file).stderr
    assert "2 files" in run("restore", file, "--data", new).stdout

    assert run("check", "--data", new, "--json").json["whole"]
    # It is on record, after what was copied.
    [row] = run("audit", "list", "--kind", "access", "--json").json
    assert (row["details"]["what"], row["details"]["sha256"]) == ("backup made", made["sha256"])
    (new / "strange").write_text("")
    examined = run("check", "--data", new)
    assert (examined.exit_code, "strange" in examined.stdout) == (1, True)


def test_what_is_kept_is_said_in_words_and_numbers(run: Run, data: Path) -> None:
    shown = run("data", "show").stdout
    told = run("data", "show", "--json").json

    assert "audit.db" in shown and "results.db" not in shown
    assert "results.db" in run("data", "show", "--all").stdout
    assert max(len(line) for line in shown.splitlines() if str(data) not in line) <= 80
    assert {"audit.db"} < {name for row in told["holdings"] for name in row["names"]}
    assert told["unknown"] == []
    assert [one["name"] for one in told["destinations"] if one["where"]] == []


def test_of_an_empty_folder_is_said_that_nothing_is_stored(run: Run, home: Path) -> None:
    shown = run("data", "show", "--data", home / "new")

    assert shown.exit_code == 0
    assert "Nothing is stored here yet." in shown.stdout
    assert "of whom" not in shown.stdout  # no table of headings alone


def test_exports_are_written_on_demand_and_an_erasure_reaches_them(
    run: Run, data: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "export_folder" in run("data", "export").stderr
    monkeypatch.setenv("TOOLHONE_EXPORT_FOLDER", str(home / "out"))

    assert run("data", "export", "--json").json == {"snapshots": 1, "rows": 1}
    assert run("data", "export", "--json").json["snapshots"] == 0
    [file] = (home / "out" / "agent_finetuning").iterdir()
    assert json.loads(file.read_text())["input_data"] == {"x": "of anna"}

    erased = run("snapshots", "erase", "--user", "anna", "--yes", "--json").json
    assert erased["exports"] >= 1
    assert file.read_text() == ""

    [row] = run("audit", "list", "--kind", "snapshot", "--json").json
    assert run("audit", "prune", "--json").json == {"erased": 0}
    assert run("audit", "erase", row["audit_id"], "--json").json == {"erased": 0 if row["erased"] else 1}


def test_a_lesser_role_takes_nothing_out(
    run: Run, data: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home / "backup.tar"
    run("backup", file)
    monkeypatch.setenv("TOOLHONE_ROLE", "operator")

    for command in (("backup", home / "b.tar"), ("restore", file, "--data", home / "n"), ("audit", "prune")):
        assert "permission" in run(*command).stderr
    assert not (home / "b.tar").exists() and not (home / "n").exists()
    assert run("check").exit_code == 0
