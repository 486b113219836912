"""Copies a whole data folder into one file while any number of processes go on writing in it.

Of every database a read transaction is opened, all within a moment, and each is then copied as it was at
that moment, however long that takes; with a write-ahead log no writer waits for it. The order in which they
are opened is that from what refers to what is referred to. Whatever is written goes the other way, so a copy
never refers to what it has not:

- `jobs.db` (steps that are done) before `jobs_state.db` (what they did): at worst a step is begun again,
  as after a crash, for which steps are made.
- jobs before models, models before datasets, datasets before snapshots. A dataset may hold a snapshot that
  was erased in that moment: the next erasure or preparation takes it out.
- the audit last: what the copy holds is on record in it.

Other files come after. Datasets never change and go only when they are revoked; if one goes meanwhile, all
is begun again. Files of jobs under way are copied as a crash would leave them.
"""

import os
import sqlite3
import tarfile
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolhone import __version__
from toolhone.exceptions import ConflictError, InvalidRequestError, StorageError
from toolhone.identifiers import utc_timestamp
from toolhone.keeping.archive import (
    FORMAT,
    HEADER,
    MANIFEST,
    Entry,
    Header,
    Manifest,
    add_file,
    add_text,
    hash_of,
)
from toolhone.keeping.inventory import COMPANIONS, Copying, files_of, is_scratch, kind_of
from toolhone.models import JsonObject
from toolhone.storage.layouts import LAYOUTS
from toolhone.storage.migrations import applied_steps
from toolhone.storage.requests import leave_answers_out
from toolhone.storage.sqlite import BUSY_SECONDS, PRIVATE_FILE
from toolhone.storage.workspaces import workspace_beside
from toolhone.whole_files import sync_folder

FIRST = ("jobs.db", "jobs_state.db", "models.db", "datasets.db", "snapshots.db")
LAST = ("figures.db", "audit.db")
"""In which order databases are opened; the others are between, in any order."""

ATTEMPTS = 3

Progress = Callable[[str, int, int], None]
"""Receives the file that is copied, the bytes that are copied, and those there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What was written."""

    file: Path
    size: int
    """Bytes of the backup."""
    sha256: str
    """Of the whole file."""
    manifest: Manifest

    def as_json(self) -> JsonObject:
        header = self.manifest.header
        return {
            "file": str(self.file),
            "size": self.size,
            "sha256": self.sha256,
            "created_at": header.created_at,
            "toolhone": header.toolhone,
            "files": len(self.manifest.files),
            "data_size": self.manifest.size,
            "left_out": header.left_out,
        }


class _Changed(Exception):
    """A file went while it was to be copied."""


def write_backup(
    data: Path,
    file: Path,
    *,
    with_results: bool = False,
    replace: bool = False,
    progress: Progress = lambda name, done, total: None,
) -> Backup:
    """Write a backup of the data folder: whole or not at all, readable by this user alone. Blocks.

    Args:
        with_results: Whether whole results of calls, which are not redacted, are in it.
        replace: Whether a file of this name is replaced, once the new one is whole.

    Raises:
        InvalidRequestError: There is nothing to back up, or the file is there, or would be in the folder.
        ConflictError: The folder changed so much that no attempt came to an end.
        StorageError: Something cannot be read or written.
    """
    _check(data, file, replace=replace)
    try:
        with workspace_beside(file) as work:
            for _ in range(ATTEMPTS):
                try:
                    manifest = _written(data, work, with_results=with_results, progress=progress)
                except _Changed:
                    continue
                return _in_place(work / "backup.tar", file, manifest, replace=replace)
    except sqlite3.Error as exc:
        raise StorageError(f"A database of {str(data)!r} cannot be copied: {exc}.") from exc
    except OSError as exc:
        raise StorageError(
            f"The backup {str(file)!r} cannot be written: {exc.strerror or exc}. "
            "Check that the disk has room for it twice, and that this user may write there."
        ) from exc
    raise ConflictError(
        f"Datasets were revoked in {str(data)!r} each time that they were copied. Try again later."
    )


def _check(data: Path, file: Path, *, replace: bool) -> None:
    if not any(name in LAYOUTS for name, _ in files_of(data)):
        raise InvalidRequestError(f"There is nothing to back up in {str(data)!r}: it is no data folder.")
    if file.exists() and not replace:
        raise InvalidRequestError(f"{str(file)!r} is there already. Name another file, or say --replace.")
    if file.is_dir():
        raise InvalidRequestError(f"{str(file)!r} is a folder; name a file.")
    inside = file.resolve().is_relative_to(data.resolve())
    # What is scratch there is in no backup; a file of a user could be.
    if inside and not is_scratch(file.resolve().relative_to(data.resolve()).as_posix()):
        raise InvalidRequestError(f"{str(file)!r} is in the data folder itself; name a file elsewhere.")
    if not file.absolute().parent.is_dir():
        raise InvalidRequestError(f"There is no folder {str(file.absolute().parent)!r}; make it first.")


def _written(data: Path, work: Path, *, with_results: bool, progress: Progress) -> Manifest:
    databases, files, left_out = _sorted_out(data, with_results=with_results)
    total = sum(_size(path) for path in (*databases.values(), *(path for _, path in files)))
    done = 0
    descriptor = os.open(work / "backup.tar", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
    with (
        os.fdopen(descriptor, "wb") as raw,
        _at_one_moment(databases) as (connections, layouts),
    ):
        header = Header(
            format=FORMAT,
            toolhone=__version__,
            created_at=utc_timestamp(),
            folder=str(data.absolute()),
            layouts=layouts,
            left_out=left_out,
        )
        entries: list[Entry] = []
        with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
            add_text(tar, HEADER, header.model_dump_json(indent=2))
            for name, connection in connections.items():
                progress(name, done, total)
                bare = not with_results and _holds_answers(name)
                entries.append(_copied(tar, name, connection, work / "copy.db", without_answers=bare))
                connection.close()  # its log may be emptied again
                done += entries[-1].size
            for name, path in files:
                progress(name, done, total)
                entry = _added(tar, name, path)
                if entry is not None:
                    entries.append(entry)
                    done += entry.size
            manifest = Manifest(header=header, files=entries)
            add_text(tar, MANIFEST, manifest.model_dump_json(indent=2))
        raw.flush()
        os.fsync(raw.fileno())
    progress("", total, total)
    return manifest


def _sorted_out(
    data: Path, *, with_results: bool
) -> tuple[Mapping[str, Path], list[tuple[str, Path]], list[str]]:
    """The databases in the order of their opening, the other files, and what stays out."""
    found: dict[str, Path] = {}
    files: list[tuple[str, Path]] = []
    left_out: list[str] = []
    copied = {Copying.ALWAYS, Copying.WITHOUT_ANSWERS, *((Copying.ON_DEMAND,) if with_results else ())}
    for name, path in files_of(data):
        kind = kind_of(name)
        if name.endswith(tuple(f".db{suffix}" for suffix in COMPANIONS)) or is_scratch(name):
            continue
        if kind is None or path.is_symlink() or kind.copying not in copied:
            left_out.append(name)
        elif name in LAYOUTS or name == "jobs.db":
            found[name] = path
        else:
            files.append((name, path))
    between = sorted(found.keys() - {*FIRST, *LAST})
    order = [name for name in (*FIRST, *between, *LAST) if name in found]
    # What names an encoder is copied before the encoders, for the same reason as above.
    files.sort(key=lambda file: (file[0] != "encoders/active.json", file[0]))
    return {name: found[name] for name in order}, files, left_out


@contextmanager
def _at_one_moment(
    databases: Mapping[str, Path],
) -> Generator[tuple[Mapping[str, sqlite3.Connection], dict[str, list[str]]]]:
    """A connection to each database, all of them reading what was there now; and their layouts."""
    layouts: dict[str, list[str]] = {}
    with ExitStack() as stack:
        opened: dict[str, sqlite3.Connection] = {}
        for name, path in databases.items():
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None
            )
            opened[name] = stack.enter_context(closing(connection))
            connection.execute("PRAGMA query_only = ON")
        for connection in opened.values():
            connection.execute("BEGIN")
            # The first read fixes what the transaction sees.
            connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        for name, connection in opened.items():
            if name in LAYOUTS:
                layouts[name] = applied_steps(connection, LAYOUTS[name])
        yield opened, layouts


def _holds_answers(name: str) -> bool:
    kind = kind_of(name)
    return kind is not None and kind.copying is Copying.WITHOUT_ANSWERS


def _copied(
    tar: tarfile.TarFile, name: str, connection: sqlite3.Connection, copy: Path, *, without_answers: bool
) -> Entry:
    """Add a database, as its open transaction sees it."""
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE))
    with closing(sqlite3.connect(copy)) as target:
        target.execute("PRAGMA synchronous = OFF")
        connection.backup(target)
        if without_answers:
            leave_answers_out(target)
    with copy.open("rb") as source:
        entry = add_file(tar, name, source, copy.stat().st_size)
    copy.unlink()
    return entry


def _added(tar: tarfile.TarFile, name: str, path: Path) -> Entry | None:
    """Add a file as long as it is now; `None` if it is gone."""
    try:
        source = path.open("rb")
    except FileNotFoundError:
        if name.startswith("datasets/"):
            raise _Changed from None
        return None
    with source:
        try:
            return add_file(tar, name, source, os.fstat(source.fileno()).st_size)
        except OSError as exc:
            if exc.errno is not None:
                raise
            raise _Changed from exc  # it became shorter


def _in_place(made: Path, file: Path, manifest: Manifest, *, replace: bool) -> Backup:
    backup = Backup(file=file, size=made.stat().st_size, sha256=hash_of(made), manifest=manifest)
    if replace:
        made.replace(file)
    else:
        try:
            os.link(made, file)  # unlike a renaming, it takes nobody's place
        except FileExistsError as exc:
            raise InvalidRequestError(f"{str(file)!r} has come meanwhile. Name another file.") from exc
        except OSError:
            made.replace(file)  # a file system without links
    sync_folder(file.absolute().parent)
    return backup


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
