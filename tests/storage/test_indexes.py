"""Index files: whole or not there, checked before they are believed, few."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from toolhone.exceptions import DamagedStorageError, StorageError
from toolhone.storage.indexes import KEPT, IndexFiles

BLOCKS = {"words": b"a\nb", "numbers": bytes(range(200)), "nothing": b""}


def pieces(blocks: dict[str, bytes]) -> dict[str, list[memoryview]]:
    return {name: [memoryview(data[:2]), memoryview(data[2:])] for name, data in blocks.items()}


@pytest.fixture
def files(tmp_path: Path) -> IndexFiles:
    store = IndexFiles(tmp_path)
    store.save("one", pieces(BLOCKS), instead_of=None)
    return store


def test_blocks_come_back_as_they_were(files: IndexFiles, tmp_path: Path) -> None:
    assert {name: bytes(data) for name, data in files.open("one").items()} == BLOCKS
    assert {name: bytes(data) for name, data in files.open("one", {"words"}).items()} == {"words": b"a\nb"}
    assert files.names() == ["one"]
    assert IndexFiles(tmp_path / "empty").names() == []


@pytest.mark.skipif(os.name != "posix", reason="other systems have other rights")
def test_only_this_user_may_read_them(files: IndexFiles, tmp_path: Path) -> None:
    assert [
        path.stat().st_mode & 0o077 for path in (tmp_path / "index", *(tmp_path / "index").iterdir())
    ] == [
        0,
        0,
    ]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda data: data[:-5],
    "short": lambda data: data[:20],
    "foreign": lambda data: b"SQLite format 3\0" + data[16:],
    "other bytes": lambda data: data.replace(bytes(range(200)), bytes(200)),
    "other table": lambda data: data.replace(b'"words"', b'"wordz"'),
    "table beyond the end": lambda data: data[:8] + b"\xff" * 8 + data[16:],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused_and_removed(damage: str, files: IndexFiles, tmp_path: Path) -> None:
    path = tmp_path / "index" / "one.index"
    path.write_bytes(DAMAGES[damage](path.read_bytes()))

    with pytest.raises(DamagedStorageError, match="removed, and the index is built anew"):
        files.open("one")

    assert files.names() == []


def test_a_file_that_is_not_there_says_so(files: IndexFiles) -> None:
    with pytest.raises(StorageError, match=r"cannot be read.*built anew"):
        files.open("two")


def test_what_is_mapped_stays_when_the_file_is_replaced(files: IndexFiles) -> None:
    words = files.open("one")["words"]

    files.save("one", pieces({"words": b"other"}), instead_of="one")

    assert bytes(words) == b"a\nb"
    assert bytes(files.open("one")["words"]) == b"other"


def test_a_newer_file_takes_the_place_of_the_one_it_was_made_from(files: IndexFiles) -> None:
    files.save("two", pieces(BLOCKS), instead_of="one")

    assert files.names() == ["two"]


def test_the_files_used_last_are_kept(files: IndexFiles, tmp_path: Path) -> None:
    def age(name: str, seconds: int) -> None:
        os.utime(tmp_path / "index" / f"{name}.index", (seconds, seconds))

    age("one", 1)
    for number in range(KEPT - 1):
        files.save(f"more{number}", pieces(BLOCKS), instead_of=None)
        age(f"more{number}", 2 + number)
    files.open("one")

    files.save("last", pieces(BLOCKS), instead_of=None)

    assert len(files.names()) == KEPT
    assert "more0" not in files.names()
    assert "one" in files.names()


def test_a_file_that_cannot_be_written_leaves_nothing(files: IndexFiles, tmp_path: Path) -> None:
    def failing() -> Iterator[memoryview]:
        yield memoryview(b"some")
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="No space left"):
        files.save("two", {"block": failing()}, instead_of="one")

    assert [path.name for path in (tmp_path / "index").iterdir()] == ["one.index"]
