"""Vectors on disk: what is used stays, what nobody asks for goes."""

import sqlite3
from pathlib import Path

from toolhone.storage.migrations import CACHE, Schema
from toolhone.storage.sqlite import SqliteFile
from toolhone.storage.vectors import UNUSED_DAYS, SqliteVectorStore

DAY = 86_400.0


class Days:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.day = 20_000

    def __call__(self) -> float:
        return self.day * DAY + 3600


def rows(folder: Path) -> list[tuple[str, int]]:
    connection = sqlite3.connect(folder / "cache.db")
    found = connection.execute("SELECT text_hash, used_on FROM vectors ORDER BY text_hash").fetchall()
    connection.close()
    return found


def test_vectors_that_nobody_asks_for_go(tmp_path: Path) -> None:
    clock = Days()
    store = SqliteVectorStore(tmp_path, clock=clock)
    store.put("small", {"used": b"1234", "unused": b"5678"}, {})

    clock.day += UNUSED_DAYS
    store.put("small", {"new": b"9012"}, {})
    assert set(store.get("small", ["used"])) == {"used"}
    assert [name for name, _ in rows(tmp_path)] == ["new", "unused", "used"]

    clock.day += 1
    store.put("large", {"other": b"3456"}, {})
    assert [name for name, _ in rows(tmp_path)] == ["new", "other", "used"]
    store.close()


def test_token_vectors_go_with_the_vector_of_their_text(tmp_path: Path) -> None:
    clock = Days()
    store = SqliteVectorStore(tmp_path, clock=clock)
    store.put("small", {"used": b"1234", "unused": b"5678"}, {"used": b"ab", "unused": b"cd"})

    clock.day += UNUSED_DAYS
    assert store.keep("small", ["used"]) == {"used"}
    clock.day += 1
    store.put("small", {"new": b"9012"}, {})

    assert store.tokens("small", ["used", "unused"]) == {"used": b"ab"}
    store.close()


def test_use_is_written_down_once_a_day(tmp_path: Path) -> None:
    clock = Days()
    store = SqliteVectorStore(tmp_path, clock=clock)
    store.put("small", {"one": b"1234", "two": b"5678"}, {})
    changes: list[int] = []

    for day in (20_000, 20_001, 20_001, 20_000):
        clock.day = day
        before = store._file.bare(lambda connection: connection.total_changes)
        assert store.get("small", ["one"]) == {"one": b"1234"}
        changes.append(store._file.bare(lambda connection: connection.total_changes) - before)

    assert changes == [0, 1, 0, 0]
    assert rows(tmp_path) == [("one", 20_001), ("two", 20_000)]
    store.close()


def test_vectors_are_read_when_their_use_cannot_be_written(tmp_path: Path) -> None:
    clock = Days()
    store = SqliteVectorStore(tmp_path, clock=clock)
    store.put("small", {"one": b"1234"}, {})
    store._file.bare(lambda connection: connection.execute("PRAGMA query_only = ON"))

    clock.day += 1

    assert store.get("small", ["one"]) == {"one": b"1234"}
    assert rows(tmp_path) == [("one", 20_000)]
    store.close()


def test_vectors_from_before_use_was_noted_are_not_dropped_at_once(tmp_path: Path) -> None:
    file = SqliteFile(tmp_path / "cache.db", Schema(name=CACHE.name, steps=CACHE.steps[:2]))
    file.write(
        lambda connection: connection.execute(
            "INSERT INTO vectors (model, text_hash, vector) VALUES ('small', 'old', x'31323334')"
        )
    )
    file.close()

    store = SqliteVectorStore(tmp_path)
    store.put("small", {"new": b"5678"}, {})

    assert store.get("small", ["old", "new"]) == {"old": b"1234", "new": b"5678"}
    store.close()
