"""`toolhone snapshots`: what was handed in is listed, counted, erased and pruned, and bad input is named."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.models import Category, Json, JsonObject
from toolhone.records.snapshots import Snapshot
from toolhone.storage.snapshots import SqliteSnapshotStore

Run: TypeAlias = Callable[..., Json]


def handed_in(**changes: Json) -> JsonObject:
    return {
        "agent_id": "scanner-1",
        "agent_name": "Scanner",
        "category": "core_security",
        "task_type": "scan",
        "input_data": {"path": "app.py"},
        "output_data": {"findings": 2},
        "success": True,
        "performance_score": 0.9,
        "execution_time_ms": 120,
        **changes,
    }


def add(run: Run, **changes: Json) -> str:
    outcome = run("snapshots", "add", json.dumps(handed_in(**changes)))
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    return outcome.stdout.strip()


def listed(run: Run, *options: str) -> list[JsonObject]:
    return run("snapshots", "list", "--json", *options).json


@pytest.fixture
def folder(home: Path) -> Path:
    return home / "data" / "toolhone"


def test_one_is_added_from_an_argument_or_from_stdin(run: Run) -> None:
    first = add(run, agent_id="a", input_data={"mail": "anna@example.com"})
    second = run("snapshots", "add", "--json", input=json.dumps(handed_in(agent_id="b"))).json["snapshot_id"]

    assert [row["snapshot_id"] for row in listed(run)] == [second, first]
    assert listed(run)[1]["input_data"] == {"mail": "[REDACTED:email 1]"}
    assert [row["kind"] for row in run("audit", "list", "--json").json] == ["snapshot", "snapshot"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{broken", "error: The snapshot is not JSON: "),
        ("[1, 2]", "error: A snapshot is a JSON object, not [1, 2]."),
        (json.dumps(handed_in(category="shop")), "error: The snapshot is not valid: 'category' is 'shop'"),
        ('{"performance_score": NaN}', "NaN is not JSON"),
        ('{"performance_score": 1e999}', "1e999 is too large a number"),
    ],
)
def test_what_is_no_snapshot_is_one_line_and_makes_nothing(
    run: Run, folder: Path, text: str, says: str
) -> None:
    outcome = run("snapshots", "add", text)

    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert says in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
    assert not folder.exists()


def test_a_file_is_imported_and_its_bad_lines_are_named(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "work.jsonl"
    file.write_text("\n".join([json.dumps(handed_in()), "broken", json.dumps(handed_in(agent_id="b")), ""]))

    outcome = run("snapshots", "import", file)

    assert (outcome.exit_code, outcome.stdout) == (1, "2 kept, 1 refused, of 3 lines\n")
    assert outcome.stderr.startswith("note: line 2: The line is not JSON")
    assert [row["agent_id"] for row in listed(run)] == ["b", "scanner-1"]

    again = run("snapshots", "import", "--json", "-", input=json.dumps(handed_in()))
    assert again.exit_code == 0
    assert again.json == {"lines": 1, "kept": 1, "refused": 0, "problems": []}


def test_the_table_shows_each_and_filters_narrow_it(run: Run) -> None:
    ids = [
        add(run, agent_id="a\x1b[31m", task_type="a\ntask"),
        add(run, category="ecommerce", task_type="sell", success=False),
        add(run, agent_id="b"),
    ]
    lines = run("snapshots", "list").stdout.splitlines()

    assert lines[0].split() == [
        "time",
        "(UTC)",
        "category",
        "task",
        "agent",
        "ok",
        "score",
        "ms",
        "tokens",
        "id",
    ]
    assert [line[-8:] for line in lines[1:]] == [one[-8:] for one in reversed(ids)]
    assert " no " in lines[2] and " yes " in lines[1] and " 0.90 " in lines[1]
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in "".join(lines)

    def found(*options: str) -> list[int]:
        return [ids.index(row["snapshot_id"]) for row in listed(run, *options)]

    assert found("--category", "ecommerce") == found("--failed") == found("--task", "sell") == [1]
    assert found("--agent", "b") == found("-n", "1") == [2]
    assert found("--since", "2001-01-01") == [2, 1, 0]
    assert found("--until", "2001-01-01") == []


KNOWN_FROM_BEFORE = [
    "agent_id",
    "agent_name",
    "category",
    "timestamp",
    "task_type",
    "input_data",
    "output_data",
    "success",
    "performance_score",
    "execution_time_ms",
    "tokens_used",
    "user_feedback",
    "metadata",
]


def test_all_are_exported_oldest_first_as_they_are_kept(run: Run, tmp_path: Path) -> None:
    first = add(run, agent_id="a", input_data={"mail": "anna@example.com", "odd": "half \ud800"}, user_id="u")
    second = add(run, agent_id="b", success=False)
    file = tmp_path / "out.jsonl"
    file.write_text("of yesterday")
    outcome = run("snapshots", "export", file)
    assert (outcome.exit_code, outcome.stdout) == (0, f"2 snapshots written to {file}\n")

    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["snapshot_id"] for line in lines] == [first, second]
    assert list(lines[0])[: len(KNOWN_FROM_BEFORE)] == KNOWN_FROM_BEFORE
    assert lines[0]["input_data"] == {"mail": "[REDACTED:email 1]", "odd": "half \ud800"}
    kept = {line["snapshot_id"]: line for line in listed(run)}
    for line in lines:
        known = {**kept[line["snapshot_id"]], "timestamp": line["timestamp"]}
        assert known.pop("recorded_at") == line["timestamp"]
        assert line == known
    assert "anna" not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.glob("out.jsonl*")] == ["out.jsonl"]


def test_an_export_to_stdout_is_nothing_but_lines(run: Run) -> None:
    add(run, agent_id="a")
    outcome = run("snapshots", "export", "-")
    assert [json.loads(line)["agent_id"] for line in outcome.stdout.splitlines()] == ["a"]
    assert outcome.stderr == "1 snapshot written to stdout\n"
    assert run("snapshots", "export", "-", "--json").exit_code == 2


@pytest.mark.parametrize(
    ("options", "agents"),
    [
        (["--category", "ecommerce"], ["shop"]),
        (["--agent", "scanner"], ["scanner", "scanner"]),
        (["--task", "review", "--failed"], ["scanner"]),
        (["--since", "2999-01-01"], []),
        (["--until", "2999-01-01", "--failed"], ["scanner"]),
    ],
)
def test_filters_narrow_an_export(run: Run, options: list[str], agents: list[str]) -> None:
    add(run, agent_id="scanner")
    add(run, agent_id="scanner", task_type="review", success=False)
    add(run, agent_id="shop", category="ecommerce")

    told = run("snapshots", "export", "--json", *options).json
    assert told == {"snapshots": len(agents), "file": "snapshots.jsonl"}
    lines = Path("snapshots.jsonl").read_text().splitlines()
    assert [json.loads(line)["agent_id"] for line in lines] == agents


def test_an_export_that_cannot_be_leaves_what_was_there(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(run)
    nowhere = run("snapshots", "export", tmp_path / "no" / "out.jsonl")
    assert nowhere.exit_code == 1 and nowhere.stderr.startswith("error: Snapshots cannot be exported to ")

    file = tmp_path / "out.jsonl"
    file.write_text("of yesterday")
    assert run("snapshots", "export", file, "--since", "soon").exit_code == 1
    monkeypatch.setenv("TOOLHONE_ROLE", "agent")
    refused = run("snapshots", "export", file)
    assert refused.exit_code == 1 and "read_work" in refused.stderr
    monkeypatch.delenv("TOOLHONE_ROLE")
    assert [path.read_text() for path in tmp_path.glob("out.jsonl*")] == ["of yesterday"]
    (row,) = run("audit", "list", "--kind", "refusal", "--json").json
    assert row["details"]["permission"] == "read_work"


def test_a_time_that_is_none_is_one_line(run: Run) -> None:
    add(run)
    outcome = run("snapshots", "list", "--since", "yesterday")

    assert outcome.exit_code == 1
    assert outcome.stderr.startswith("error: 'since' is not a time: 'yesterday'.")


def test_the_categories_are_counted(run: Run) -> None:
    add(run, performance_score=1)
    add(run, performance_score=0.5, success=False)
    add(run, category="ecommerce")

    table = run("snapshots", "stats").stdout.splitlines()
    counts = run("snapshots", "stats", "--json").json

    assert [(one["category"], one["snapshots"], one["successes"]) for one in counts] == [
        ("core_security", 2, 1),
        ("ecommerce", 1, 1),
    ]
    assert table[1].split()[:4] == ["core_security", "2", "50%", "0.75"]


@pytest.mark.parametrize("command", [("list",), ("stats",)])
def test_where_nothing_was_collected_this_is_said_and_nothing_made(
    run: Run, folder: Path, command: Sequence[str]
) -> None:
    outcome = run("snapshots", *command)

    assert (outcome.exit_code, outcome.stdout) == (0, "")
    assert str(folder) in outcome.stderr
    assert run("snapshots", *command, "--json").json == []
    assert not folder.exists()


def test_what_is_too_old_for_its_category_is_pruned(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOLHONE_SNAPSHOT_DAYS", '{"general": 7}')
    young = add(run, category="general")
    store = SqliteSnapshotStore(folder)
    for number, category in enumerate((Category.GENERAL, Category.ECOMMERCE)):
        store.add([_old(f"old-{number}", category)])
    store.close()

    assert run("snapshots", "prune").stdout == "general: 1 deleted\n"
    assert run("snapshots", "prune").stdout == "Nothing is too old.\n"
    assert run("snapshots", "prune", "--json").json == {"deleted": {}}
    assert {row["snapshot_id"] for row in listed(run)} == {young, "old-1"}
    assert [row["details"]["what"] for row in run("audit", "list", "--kind", "erasure", "--json").json] == [
        "snapshots too old"
    ]


def _old(snapshot_id: str, category: Category) -> Snapshot:
    return Snapshot(
        snapshot_id=snapshot_id,
        recorded_at="2001-01-01T00:00:00.000000+00:00",
        agent_id="a",
        agent_name="A",
        category=category,
        task_type="t",
        input_data={},
        output_data={},
        success=True,
        performance_score=1,
        execution_time_ms=1,
    )


def test_a_user_is_erased_after_a_question(run: Run) -> None:
    add(run, user_id="anna-7")
    left = add(run, user_id="ben-8")

    refused = run("snapshots", "erase", "--user", "anna-7", input="n\n")
    assert refused.exit_code == 1
    assert "Erase all that is kept of the user 'anna-7'? [y/N]" in refused.stderr
    assert len(listed(run)) == 2

    outcome = run("snapshots", "erase", "--user", "anna-7", input="y\n")
    assert outcome.stdout == "1 snapshot, 0 stored results and the payloads of 0 audit rows erased\n"
    assert [row["snapshot_id"] for row in listed(run)] == [left]


def test_an_agent_is_erased_without_a_question_if_told_so(run: Run) -> None:
    add(run)

    outcome = run("snapshots", "erase", "--agent", "scanner-1", "--yes", "--json")

    assert outcome.json == {
        "snapshots": 1,
        "results": 0,
        "events": 1,
        "datasets": {},
        "models": [],
        "problems": [],
        "exports": 0,
        "answers": 0,
    }
    assert listed(run) == []

    # Newest first; of what was collected only the number was there, and it went too.
    shown = [line.split()[2:] for line in run("audit", "list").stdout.splitlines()[1:]]
    assert [words[: words.index("yes")] for words in shown] == [
        ["erasure", "erasure", "done"],
        ["erasure", "1", "rows", "asked", "for"],
        ["erasure", "erasure", "begun"],
        ["snapshot"],
    ]


@pytest.mark.parametrize("names", [(), ("--agent", "a", "--user", "b")])
def test_who_is_to_be_erased_must_be_said(run: Run, names: Sequence[str]) -> None:
    outcome = run("snapshots", "erase", "--yes", *names)

    assert outcome.exit_code == 2
    assert "either an --agent or a --user" in outcome.stderr
