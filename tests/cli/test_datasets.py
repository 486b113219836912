"""`toolhone datasets`: prepare, list, show, check, export."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import pytest

from toolhone.models import Category, Json
from toolhone.records.snapshots import Snapshot
from toolhone.storage.snapshots import SqliteSnapshotStore

Run: TypeAlias = Callable[..., Json]


@pytest.fixture
def collected(home: Path) -> Path:
    """The data folder with sixty different pieces of work."""
    folder = home / "data" / "toolhone"
    rng = random.Random(0)
    store = SqliteSnapshotStore(folder)
    store.add(
        [
            Snapshot(
                snapshot_id=f"s{number}",
                recorded_at=datetime.now(UTC).isoformat(timespec="microseconds"),
                agent_id="a",
                agent_name="a",
                category=Category.ECOMMERCE,
                task_type="order",
                input_data=" ".join(str(rng.randrange(10**6)) for _ in range(8)),
                output_data=f"done {number}",
                success=True,
                performance_score=1.0,
                execution_time_ms=1.0,
            )
            for number in range(60)
        ]
    )
    store.close()
    return folder


@pytest.mark.usefixtures("collected")
def test_a_dataset_goes_from_snapshots_to_a_checked_export(run: Run, tmp_path: Path) -> None:
    made = run("datasets", "prepare", "ecommerce", "--min-samples", "50", "--json").json
    dataset = made["dataset_id"]
    listed = run("datasets", "list", "--json").json
    card = run("datasets", "show", dataset).stdout
    checked = run("datasets", "check", dataset)
    exported = run("datasets", "export", dataset, "--format", "openai-chat", "--to", str(tmp_path / "out"))

    assert [one["dataset_id"] for one in listed] == [dataset]
    assert card.startswith(f"# {dataset}") and "| train.jsonl |" in card
    assert checked.exit_code == 0
    assert [Path(name).name for name in exported.stdout.split()] == [
        "train.jsonl",
        "validation.jsonl",
        "test.jsonl",
        "export.json",
    ]
    assert dataset in run("datasets", "list").stdout
    assert (
        "All rows are of one task type"
        in run("datasets", "prepare", "ecommerce", "--min-samples", "50").stderr
    )


@pytest.mark.usefixtures("collected")
def test_too_little_work_is_one_line_and_exit_code_1(run: Run) -> None:
    outcome = run("datasets", "prepare", "ecommerce")

    assert outcome.exit_code == 1
    assert outcome.stderr.startswith("error: Insufficient data for category: found 60, need 100")


@pytest.mark.usefixtures("collected")
def test_what_a_provider_would_refuse_is_exit_code_1(run: Run) -> None:
    dataset = run(
        "datasets", "prepare", "ecommerce", "--min-samples", "5", "--max-samples", "8", "--json"
    ).json["dataset_id"]
    outcome = run("datasets", "check", dataset)

    assert outcome.exit_code == 1
    assert "refused: train.jsonl: the file has" in outcome.stdout


def test_no_datasets_is_said(run: Run) -> None:
    assert "There are no datasets yet" in run("datasets", "list").stderr
    assert run("datasets", "list", "--json").json == []
