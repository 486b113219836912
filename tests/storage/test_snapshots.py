"""Snapshots on disk: gone from the files when erased, read by index, undone when the disk is full."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from toolhone.exceptions import InvalidRequestError, StorageError
from toolhone.models import Category, Json
from toolhone.records.snapshots import Snapshot, SnapshotQuery
from toolhone.storage import snapshots as module
from toolhone.storage.snapshot_query import select, values_of
from toolhone.storage.snapshots import SqliteSnapshotStore

EVERYTHING = SnapshotQuery()


def snapshot(number: int, **changes: Json) -> Snapshot:
    values: dict[str, Json] = {
        "snapshot_id": f"s{number:06}",
        "recorded_at": f"2026-01-01T00:00:00.{number:06}+00:00",
        "agent_id": f"agent-{number % 7}",
        "agent_name": "Scanner",
        "category": Category.CORE_SECURITY,
        "task_type": "scan",
        "input_data": {"n": number},
        "output_data": "done",
        "success": True,
        "performance_score": 0.5,
        "execution_time_ms": 12.5,
        **changes,
    }
    return Snapshot(**values)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteSnapshotStore]:
    store = SqliteSnapshotStore(tmp_path)
    yield store
    store.close()


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def test_reading_an_empty_folder_makes_nothing(store: SqliteSnapshotStore, tmp_path: Path) -> None:
    assert list(store.select(EVERYTHING)) == []
    assert (store.count(EVERYTHING), store.counts(), store.erased()) == (0, [], [])
    assert (store.delete(EVERYTHING), store.erase(agent_id="a", at="")) == ([], [])
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("how", ["delete", "erase"])
def test_what_is_gone_is_gone_from_the_files(store: SqliteSnapshotStore, tmp_path: Path, how: str) -> None:
    # One row among others on its page, and one so large that it has pages of its own.
    store.add([snapshot(number) for number in range(50)])
    store.add(
        [
            snapshot(100, agent_id="gone", input_data="Erika Mustermann"),
            snapshot(101, agent_id="gone", input_data="Erika Mustermann " * 10_000),
        ]
    )
    assert b"Mustermann" in bytes_of(tmp_path)

    if how == "delete":
        store.delete(SnapshotQuery(agent_id="gone"))
    else:
        store.erase(agent_id="gone", at="2026-01-02T00:00:00.000000+00:00")

    assert b"Mustermann" not in bytes_of(tmp_path)
    assert store.count(EVERYTHING) == 50


def test_after_an_erasure_nothing_says_whose_the_remembered_ids_were(
    store: SqliteSnapshotStore, tmp_path: Path
) -> None:
    store.add([snapshot(1, agent_id="agent-unique", subject="subject-unique"), snapshot(2)])
    store.delete(EVERYTHING)
    assert b"agent-unique" in bytes_of(tmp_path)

    store.erase(subject="subject-unique", at="2026-01-02T00:00:00.000000+00:00")

    assert b"agent-unique" not in bytes_of(tmp_path)
    assert b"subject-unique" not in bytes_of(tmp_path)
    assert store.erased() == ["s000001"]


def test_deleting_gives_its_space_back(store: SqliteSnapshotStore, tmp_path: Path) -> None:
    store.add([snapshot(number, input_data="x" * 5_000) for number in range(1_000)])
    assert (tmp_path / "snapshots.db").stat().st_size + (tmp_path / "snapshots.db-wal").stat().st_size > 5e6

    store.delete(EVERYTHING)

    assert sum(path.stat().st_size for path in tmp_path.glob("snapshots.db*")) < 500_000


def test_a_deletion_goes_in_parts_and_can_be_done_again(
    store: SqliteSnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_DELETED_AT_ONCE", 10)
    store.add([snapshot(number) for number in range(35)])

    assert len(store.delete(SnapshotQuery(limit=12))) == 12
    assert len(store.erase(agent_id="agent-1", at="")) == 5
    assert len(store.delete(EVERYTHING)) == 35 - 12 - 3
    assert len(store.erase(agent_id="agent-2", at="")) == 5


def test_large_snapshots_are_read_a_few_at_a_time(
    store: SqliteSnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CHUNK_CHARACTERS", 2_500)
    many = [snapshot(number, input_data="x" * 1_000) for number in range(20)]
    store.add(many)

    assert list(store.select(EVERYTHING)) == many
    assert list(store.select(SnapshotQuery(limit=7, newest_first=True))) == many[:-8:-1]


def test_a_full_disk_is_said_and_leaves_nothing_half_written(
    store: SqliteSnapshotStore, tmp_path: Path
) -> None:
    store.add([snapshot(0)])
    file = store._file
    file.bare(lambda db: db.execute("PRAGMA max_page_count = 60").fetchone())

    with pytest.raises(StorageError, match="disk has room"):
        store.add([snapshot(number, input_data="x" * 5_000) for number in range(1, 500)])

    assert store.count(EVERYTHING) == 1
    store.add([snapshot(1)])
    assert store.count(EVERYTHING) == 2


def test_what_sqlite_cannot_hold_is_refused(store: SqliteSnapshotStore) -> None:
    for changes in ({"tokens_used": 2**70}, {"agent_id": "half \ud83d"}):
        with pytest.raises(InvalidRequestError, match="cannot be kept"):
            store.add([snapshot(1), snapshot(2, **changes)])
    assert store.count(EVERYTHING) == 0


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (SnapshotQuery(category=Category.GENERAL, since="2026"), "snapshots_by_category"),
        (SnapshotQuery(category=Category.GENERAL, until="2026"), "snapshots_by_category"),
        (SnapshotQuery(agent_id="a"), "snapshots_by_agent"),
        (SnapshotQuery(subject="a"), "snapshots_by_subject"),
        (EVERYTHING, "snapshots_by_time"),
    ],
)
@pytest.mark.parametrize("newest_first", [False, True])
def test_no_query_reads_more_than_it_gives(
    store: SqliteSnapshotStore, tmp_path: Path, query: SnapshotQuery, index: str, newest_first: bool
) -> None:
    store.add([snapshot(1)])
    sql = select(replace(query, newest_first=newest_first), "*")
    connection = sqlite3.connect(tmp_path / "snapshots.db")
    steps = connection.execute(f"EXPLAIN QUERY PLAN {sql}", {**values_of(query), "limit": 1}).fetchall()
    connection.close()

    plan = "; ".join(step[-1] for step in steps)
    assert f"SEARCH snapshots USING INDEX {index} (" in plan, plan
    # The end of an order may be sorted, which is a few rows of the same time; all of it may not.
    assert "USE TEMP B-TREE FOR ORDER BY" not in plan


def test_counting_categories_reads_no_row(store: SqliteSnapshotStore, tmp_path: Path) -> None:
    store.add([snapshot(1)])
    connection = sqlite3.connect(tmp_path / "snapshots.db")
    steps = connection.execute(f"EXPLAIN QUERY PLAN {module._COUNTS}").fetchall()
    connection.close()

    assert [step[-1] for step in steps] == ["SCAN snapshots USING COVERING INDEX snapshots_by_category"]


def test_two_stores_share_a_folder_and_its_key(store: SqliteSnapshotStore, tmp_path: Path) -> None:
    other = SqliteSnapshotStore(tmp_path)
    store.add([snapshot(1)])
    other.add([snapshot(2)])

    assert [one.snapshot_id for one in store.select(EVERYTHING)] == ["s000001", "s000002"]
    assert store.subject_key() == other.subject_key()
    other.close()
