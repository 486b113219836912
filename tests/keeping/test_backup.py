"""A backup is the folder at one moment, whoever writes meanwhile, and is brought back whole or not at all."""

import io
import json
import signal
import sqlite3
import subprocess
import sys
import tarfile
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import pytest

from toolhone.events import new_event
from toolhone.exceptions import DamagedStorageError, InvalidRequestError, NewerStorageError
from toolhone.keeping.archive import HEADER, MANIFEST
from toolhone.keeping.backup import write_backup
from toolhone.keeping.integrity import examine
from toolhone.keeping.restore import restore_backup
from toolhone.models import LOCAL_CALLER, EventKind
from toolhone.records.requests import FirstAnswer, KeyedRequest
from toolhone.records.snapshots import SnapshotQuery
from toolhone.settings import Settings
from toolhone.storage.audit import SqliteAuditStore
from toolhone.storage.datasets import SqliteDatasetStore
from toolhone.storage.models import SqliteModelStore
from toolhone.storage.requests import SqliteKeyedRequestStore
from toolhone.storage.snapshots import SqliteSnapshotStore

Fill = Callable[[Path], Awaitable[Settings]]
Change = Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]

PATIENCE = 60.0


@contextmanager
def writing(data: Path) -> Generator[Callable[[int], None]]:
    """A process that adds rows to the audit without end; gives a way to wait until so many are there."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from toolhone.events import new_event\n"
        "from toolhone.models import LOCAL_CALLER, EventKind\n"
        "from toolhone.storage.audit import SqliteAuditStore\n"
        "store = SqliteAuditStore(Path(sys.argv[1]))\n"
        "while True:\n"
        "    payload = {'arguments': {'a': 'b' * 500}}\n"
        "    store.append([new_event(EventKind.CALL, LOCAL_CALLER, payload=payload)])\n"
        "    print('row', flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(data)], stdout=subprocess.PIPE, text=True
    ) as process:
        deadline = threading.Timer(PATIENCE, process.kill)
        deadline.start()
        assert process.stdout

        def wait(rows: int) -> None:
            assert process.stdout
            for _ in range(rows):
                assert process.stdout.readline() == "row\n"

        try:
            yield wait
        finally:
            deadline.cancel()
            process.kill()


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def died_of(program: str, *arguments: Path) -> int:
    """The exit code of a Python program."""
    with anyio.fail_after(PATIENCE):
        command = [sys.executable, "-c", program, *map(str, arguments)]
        return (await anyio.run_process(command, check=False)).returncode


async def test_what_is_restored_is_what_was_there_while_others_went_on_writing(
    fill: Fill, tmp_path: Path
) -> None:
    data, file, new = tmp_path / "data", tmp_path / "backup.tar", tmp_path / "elsewhere" / "new"
    new.parent.mkdir()
    await fill(data)
    with writing(data) as wait:
        wait(50)
        made = write_backup(data, file)
        wait(50)
    restored = restore_backup(file, new)

    assert file.stat().st_mode & 0o777 == 0o600
    assert restored.manifest == made.manifest
    found = examine(new)
    assert (found.faults, found.datasets, found.models) == ((), 1, 1)
    # It goes on from where it was: all that was there is there, and the chain takes new rows.
    before, after = SqliteAuditStore(data), SqliteAuditStore(new)
    assert 50 < found.audit_rows < before.verify().rows
    assert before.verify(remembered=found.audit_head).whole
    after.append([new_event(EventKind.CALL, LOCAL_CALLER)])
    assert after.verify().whole
    for store in (before, after):
        store.close()
    snapshots, datasets, models = SqliteSnapshotStore(new), SqliteDatasetStore(new), SqliteModelStore(new)
    assert snapshots.count(SnapshotQuery()) == 60
    [manifest] = datasets.manifests()
    assert datasets.folder(manifest.dataset_id).is_relative_to(new)
    assert [model.path for model in models.models()] == [str(new / "runs/job-1/run-1/adapter")]
    for opened in (snapshots, datasets, models):
        opened.close()
    assert names_in(tmp_path) == ["backup.tar", "data", "elsewhere"]
    assert names_in(new.parent) == ["new"]


async def test_whole_results_are_left_out_unless_asked_for(fill: Fill, tmp_path: Path) -> None:
    data = tmp_path / "data"
    await fill(data)
    (data / "index").mkdir(exist_ok=True)
    (data / "index" / "a.index").write_bytes(b"made again")
    with closing(sqlite3.connect(data / "results.db")) as connection:
        connection.execute("CREATE TABLE results (handle)")

    without = write_backup(data, tmp_path / "a.tar").manifest
    with_them = write_backup(data, tmp_path / "b.tar", with_results=True).manifest

    assert "results.db" in without.header.left_out
    assert {entry.name for entry in with_them.files} - {entry.name for entry in without.files} == {
        "results.db"
    }
    assert {"index/a.index", "jobs.lock"} & {entry.name for entry in with_them.files} == set()


async def test_a_kept_answer_is_left_out_likewise_and_its_request_is_still_known(
    fill: Fill, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    await fill(data)
    request = KeyedRequest(principal="a", key="k", fingerprint="f", at="2026-11-23T12:00:00+00:00")
    answer = FirstAnswer(status=200, body=b'{"result":"not for a backup"}')
    requests = SqliteKeyedRequestStore(data)
    requests.begin(request, forget_before="")
    requests.answered(request, answer)
    requests.close()

    without = write_backup(data, tmp_path / "a.tar")
    with_them = write_backup(data, tmp_path / "b.tar", with_results=True)

    assert b"not for a backup" not in without.file.read_bytes()
    erased = FirstAnswer(status=200, body=b"", erased=True)
    for backup, kept in ((without, erased), (with_them, answer)):
        restore_backup(backup.file, tmp_path / backup.file.stem)
        restored = SqliteKeyedRequestStore(tmp_path / backup.file.stem)
        assert restored.begin(request, forget_before="") == (request, kept)
        restored.close()


async def test_killed_in_the_middle_it_leaves_nothing_that_looks_like_a_backup(
    fill: Fill, tmp_path: Path
) -> None:
    data, file = tmp_path / "data", tmp_path / "backup.tar"
    await fill(data)
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from toolhone.keeping.backup import write_backup\n"
        "def die(name, done, total):\n"
        "    if name.startswith('datasets/'): os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_backup(Path(sys.argv[1]), Path(sys.argv[2]), progress=die)\n"
    )
    assert await died_of(program, data, file) == -signal.SIGKILL
    assert not file.exists()
    assert (tmp_path / ".backup.tar.partial").exists()

    write_backup(data, file)  # which tidies up

    assert names_in(tmp_path) == ["backup.tar", "data"]
    assert restore_backup(file, tmp_path / "new").manifest.files


async def test_a_dataset_that_is_revoked_meanwhile_does_not_leave_a_hole(fill: Fill, tmp_path: Path) -> None:
    data = tmp_path / "data"
    await fill(data)
    store = SqliteDatasetStore(data)
    [manifest] = store.manifests()

    def revoke(name: str, done: int, total: int) -> None:
        # The databases are copied as they were; its files go before they are.
        if name.startswith("datasets/") and store.manifest(manifest.dataset_id).revoked_at is None:
            store.revoke(manifest.dataset_id, at="2026-11-23", why="erased", replaced_by=None)

    write_backup(data, tmp_path / "a.tar", progress=revoke)
    restore_backup(tmp_path / "a.tar", tmp_path / "new")
    store.close()

    assert examine(tmp_path / "new").faults == ()


def test_nothing_is_overwritten_and_nothing_else_is_taken_for_a_data_folder(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "a.tar"
    data.mkdir()
    with pytest.raises(InvalidRequestError, match="nothing to back up"):
        write_backup(data, file)
    store = SqliteAuditStore(data)
    store.append([new_event(EventKind.CALL, LOCAL_CALLER)])
    store.close()
    file.write_text("mine")
    with pytest.raises(InvalidRequestError, match="there already"):
        write_backup(data, file)
    with pytest.raises(InvalidRequestError, match="in the data folder"):
        write_backup(data, data / "b.tar")
    assert file.read_text() == "mine"

    write_backup(data, file, replace=True)

    with pytest.raises(InvalidRequestError, match="not empty"):
        restore_backup(file, data)
    (tmp_path / "empty").mkdir()
    assert restore_backup(file, tmp_path / "empty").folder == tmp_path / "empty"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A backup of one database and one file."""
    data = tmp_path / "data"
    store = SqliteAuditStore(data)
    store.append([new_event(EventKind.CALL, LOCAL_CALLER)])
    store.close()
    (data / "jobs.log").write_text("a line\n")
    write_backup(data, tmp_path / "backup.tar")
    return tmp_path / "backup.tar"


def changed(file: Path, change: Change) -> None:
    """Write the archive anew, with other members."""
    with tarfile.open(file) as tar:
        members = [(info, source.read()) for info in tar if (source := tar.extractfile(info))]
    change(members)
    with tarfile.open(file, "w") as tar:
        for info, content in members:
            info.size = len(content) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(content))


def evil(name: str, **about: object) -> Change:
    def add(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        info = tarfile.TarInfo(name)
        for field, value in about.items():
            setattr(info, field, value)
        members.insert(1, (info, b"evil"))

    return add


def header_of(**fields: object) -> Change:
    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        for place, (info, content) in enumerate(members):
            if info.name == HEADER:
                members[place] = info, json.dumps({**json.loads(content), **fields}).encode()

    return change


def other_content(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    for place, (info, content) in enumerate(members):
        if info.name == "data/jobs.log":
            members[place] = info, content.replace(b"line", b"lime")


def without(name: str) -> Change:
    def remove(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        members[:] = [member for member in members if member[0].name != name]

    return remove


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (evil("data/../../evil.db"), InvalidRequestError),
        (evil("/etc/evil"), InvalidRequestError),
        (evil("evil"), InvalidRequestError),
        (evil("data/evil.sh"), InvalidRequestError),
        (evil("data/runs/../../evil"), InvalidRequestError),
        (evil("data/runs/c:evil"), InvalidRequestError),
        (evil("data/runs\\..\\evil"), InvalidRequestError),
        (evil("data/runs/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"), InvalidRequestError),
        (evil("data/runs/hard", type=tarfile.LNKTYPE, linkname="data/jobs.log"), InvalidRequestError),
        (evil("data/runs", type=tarfile.DIRTYPE), InvalidRequestError),
        (evil("data/runs/x.lock"), InvalidRequestError),
        (evil("data/jobs.log"), InvalidRequestError),
        (evil("data/runs/added"), DamagedStorageError),
        (other_content, DamagedStorageError),
        (without("data/jobs.log"), DamagedStorageError),
        (without(MANIFEST), DamagedStorageError),
        (without(HEADER), InvalidRequestError),
        (header_of(format=2), NewerStorageError),
        (header_of(layouts={"audit.db": ["of_tomorrow"]}), NewerStorageError),
        (header_of(layouts={"tomorrow.db": ["a"]}), NewerStorageError),
        (header_of(folder="/elsewhere"), DamagedStorageError),
    ],
)
def test_what_is_no_honest_backup_makes_no_folder(
    small: Path, tmp_path: Path, change: Change, error: type[Exception]
) -> None:
    changed(small, change)
    (tmp_path / "in").mkdir()

    with pytest.raises(error):
        restore_backup(small, tmp_path / "in" / "new")

    assert list((tmp_path / "in").iterdir()) == []
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_backup_that_was_cut_off_is_refused(small: Path, tmp_path: Path, share: float) -> None:
    # A tar ends with blocks of zeros, which hold nothing.
    whole = small.read_bytes().rstrip(b"\0")
    small.write_bytes(whole[: int(len(whole) * share)])

    with pytest.raises((DamagedStorageError, InvalidRequestError)):
        restore_backup(small, tmp_path / "new")

    assert not (tmp_path / "new").exists()
