"""A file that appears whole or not at all."""

import errno
from pathlib import Path

import pytest

from toolhone.whole_files import whole_file


def test_the_file_is_there_when_all_is_written_and_only_its_user_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("before")
    with whole_file(path) as file:
        file.write(b"after")
        file.flush()
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_breaks_off_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("before")
    with pytest.raises(OSError, match="full"), whole_file(path) as file:
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "the disk is full")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_two_who_write_at_once_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with whole_file(path) as first, whole_file(path) as second:
        first.write(b"first")
        second.write(b"second")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "no" / "out"):
        pytest.fail("there is nowhere to write")
    assert list(tmp_path.iterdir()) == []
