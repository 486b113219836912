"""Learned versions on disk: private, shared by processes, checked when they are read."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from toolhone.exceptions import DamagedStorageError
from toolhone.storage.learning import SqliteLearningStore
from toolhone.stores import LearnedVersion

AT = "2026-01-31T12:00:00.000000+00:00"


def add(store: SqliteLearningStore, artifact: bytes) -> str:
    digest = hashlib.sha256(artifact).hexdigest()
    version = LearnedVersion(
        version=digest[:8],
        created_at=AT,
        encoder="small",
        artifact_hash=f"sha256:{digest}",
        data_hash="sha256:" + "0" * 64,
        until=AT,
        parent=None,
        figures={},
    )
    store.add(version, artifact)
    return version.version


def test_looking_leaves_nothing_behind(tmp_path: Path) -> None:
    store = SqliteLearningStore(tmp_path)

    assert (store.versions(), store.promotions(), store.active()) == ([], [], None)
    store.keep_task_vectors("small", {}, only=[])
    store.close()

    assert list(tmp_path.iterdir()) == []


def test_what_one_process_promotes_another_sees(tmp_path: Path) -> None:
    one, other = SqliteLearningStore(tmp_path), SqliteLearningStore(tmp_path)
    name = add(one, b"content")
    one.promote(name, at=AT, why="better")

    assert other.active() == name
    assert other.artifact(name) == b"content"
    assert other.rollback(at=AT) is None
    assert one.active() is None
    one.close()
    other.close()


def test_the_file_is_for_this_user_alone(tmp_path: Path) -> None:
    store = SqliteLearningStore(tmp_path)
    add(store, b"content")
    store.close()

    assert (tmp_path / "selector.db").stat().st_mode & 0o077 == 0


def test_content_that_was_changed_on_disk_is_not_believed(tmp_path: Path) -> None:
    store = SqliteLearningStore(tmp_path)
    name = add(store, b"content")
    with closing(sqlite3.connect(tmp_path / "selector.db")) as connection, connection:
        connection.execute("UPDATE versions SET artifact = x'00'")

    with pytest.raises(DamagedStorageError, match=f"{name}.*is not what was stored"):
        store.artifact(name)
    store.close()


def test_why_something_is_served_can_be_read_later(tmp_path: Path) -> None:
    store = SqliteLearningStore(tmp_path)
    first, second = add(store, b"1"), add(store, b"2")
    store.promote(first, at=AT, why="better")
    store.promote(second, at=AT, why="better still")
    store.expire(second, "All of its tools are gone.", at=AT)
    store.rollback(at=AT)

    assert [(promotion.version, promotion.why) for promotion in store.promotions()] == [
        (None, f"{first} was rolled back"),
        (first, f"{second} was expired"),
        (second, "better still"),
        (first, "better"),
    ]
    store.close()
