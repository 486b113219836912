"""Files changed together: whole or not at all, and given back as they were."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from toolhone.exceptions import ConfigurationError, NotFoundError
from toolhone.hosts.changes import Change, make, undo_last

START = datetime(2026, 1, 1, tzinfo=UTC)


class Folder:
    """A folder with a file of a host and one of ours."""

    def __init__(self, path: Path) -> None:
        self.file = path / "host.json"
        self.own = path / "own.json"
        self.journals = path / "installs"
        self._times = (START + timedelta(seconds=number) for number in itertools.count())
        self.file.write_bytes(b"before")

    def make(self, after: bytes, *, before: bytes = b"before") -> None:
        changes = (
            Change(file=self.own, before=None, after=b"adopted", private=True),
            Change(file=self.file, before=before, after=after),
        )
        make(changes, journals=self.journals, host="cursor", now=next(self._times))

    def undo(self) -> None:
        undo_last(journals=self.journals, host="cursor", file=self.file)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_undo_gives_everything_back_once(folder: Folder) -> None:
    folder.make(b"after")
    folder.undo()

    assert folder.file.read_bytes() == b"before"
    assert not folder.own.exists()
    with pytest.raises(NotFoundError):
        folder.undo()


def test_a_file_that_changed_since_it_was_read_is_not_overwritten(folder: Folder) -> None:
    with pytest.raises(ConfigurationError, match="another program"):
        folder.make(b"after", before=b"older")

    assert folder.file.read_bytes() == b"before"
    assert not folder.own.exists()


def test_a_change_that_was_cut_off_between_two_files_is_undone(folder: Folder) -> None:
    folder.make(b"after")
    folder.file.write_bytes(b"before")  # as if the second had never been written

    folder.undo()

    assert folder.file.read_bytes() == b"before"
    assert not folder.own.exists()


def test_nothing_is_given_back_if_one_file_was_changed_since(folder: Folder) -> None:
    folder.make(b"after")
    folder.own.write_bytes(b"mine now")

    with pytest.raises(ConfigurationError, match="nothing is undone"):
        folder.undo()
    assert folder.file.read_bytes() == b"after"


def test_a_changed_backup_is_not_put_back(folder: Folder) -> None:
    folder.make(b"after")
    (backup,) = folder.file.parent.glob("host.json.toolhone-backup-*")
    backup.write_bytes(b"something else")

    with pytest.raises(ConfigurationError, match="backup"):
        folder.undo()
    assert folder.file.read_bytes() == b"after"


def test_changes_are_undone_from_the_last_to_the_first(folder: Folder) -> None:
    for hour, before, after in ((1, b"before", b"one"), (2, b"one", b"two")):
        make(
            [Change(file=folder.file, before=before, after=after)],
            journals=folder.journals,
            host="cursor",
            now=START + timedelta(hours=hour),
        )

    folder.undo()
    assert folder.file.read_bytes() == b"one"


def test_a_folder_that_cannot_be_written_is_said_with_the_backups(folder: Folder) -> None:
    folder.journals.write_text("a file where the folder should be")

    with pytest.raises(ConfigurationError, match=r"cannot be written.*backup"):
        folder.make(b"after")
    assert folder.file.read_bytes() == b"before"
