"""Whether the data folder can be used, and whether what is in it is whole. Changes nothing in it."""

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from toolhone.counted import counted
from toolhone.diagnosis.findings import Finding, ok, problem, warning
from toolhone.jobs.lock import JobsLock
from toolhone.keeping.integrity import Depth, database_faults, examine, seen_by_others
from toolhone.storage.layouts import LAYOUTS

LEAST_ROOM = 256 * 1024 * 1024
"""Bytes that should be free: a large result store, and room for a write-ahead log."""

QUICKLY_CHECKED = 256 * 1024 * 1024
"""A larger file is read through only in a deep examination."""

PATIENCE = 2.0
"""Seconds that a file may be busy."""


def data_folder(folder: Path) -> Iterator[Finding]:
    """The folder itself."""
    mend = "Give this user the right to write there, or name another folder with --data."
    if not folder.exists():
        parent = next(parent for parent in folder.absolute().parents if parent.exists())
        if parent.is_dir() and os.access(parent, os.W_OK):
            yield ok("data", f"{folder} is not there yet; it is made when it is first needed")
        else:
            yield problem("data", f"{folder} is not there, and nothing can be made in {parent}.", mend)
        return
    if not folder.is_dir():
        yield problem("data", f"{folder} is not a folder.", "Name another one with --data.")
        return
    for fault in seen_by_others(folder):
        yield warning("data", fault.what, fault.mend)
    room = shutil.disk_usage(folder).free
    if room < LEAST_ROOM:
        yield warning(
            "data",
            f"only {room // 1_048_576} MB are free where {folder} is.",
            "Make room, or shorten what is kept: toolhone snapshots prune",
        )
    try:
        _write_ahead(folder)
    except OSError as exc:
        yield problem("data", f"{folder} cannot be written: {exc.strerror or exc}.", mend)
        return
    except sqlite3.Error as exc:
        yield problem(
            "data",
            f"SQLite cannot share files in {folder} between processes: {exc}.",
            "Name a folder on a local disk with --data.",
        )
        return
    yield ok("data", f"{folder}: can be written, {room // 1_073_741_824} GB free, write-ahead log works")


def _write_ahead(folder: Path) -> None:
    """Try what every file of the folder needs, in a file that goes again."""
    with (
        tempfile.TemporaryDirectory(prefix=".doctor-", dir=folder) as scratch,
        contextlib.closing(sqlite3.connect(Path(scratch) / "try.db", timeout=PATIENCE)) as connection,
    ):
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise sqlite3.OperationalError(f"its journal mode is {mode!r} and cannot be 'wal'")
        connection.execute("CREATE TABLE tried (id INTEGER)")


def data_files(folder: Path) -> Iterator[Finding]:
    """The files in it: private, whole, of a layout that this toolhone knows, not held by a hung process."""
    found = [name for name in LAYOUTS if (folder / name).exists()]
    wrong = False
    for name in found:
        for finding in _file(folder / name):
            wrong = True
            yield finding
    for finding in _put_aside(folder):
        wrong = True
        yield finding
    if not wrong and found:
        yield ok("data files", f"{counted(len(found), 'file')}, whole and of a known layout")


def all_files(folder: Path) -> Iterator[Finding]:
    """The same, deep: each file read through, the audit's chain, datasets and models against their hashes."""
    held = [name for name in LAYOUTS if (folder / name).exists() and _is_held(folder / name)]
    for name in held:
        yield _held(folder / name)
    if held or not folder.is_dir():
        return  # an examination would wait for them, one after the other
    yield from _put_aside(folder)
    found = examine(folder)
    for fault in found.faults:
        yield problem("data files", fault.what, fault.mend)
    if found.whole and found.databases:
        yield ok("data files", f"whole: {found.contents}")


def _put_aside(folder: Path) -> Iterator[Finding]:
    for aside in sorted(folder.glob("*.db.damaged-*")):
        if not aside.name.endswith(("-wal", "-shm")):
            yield warning(
                "data files",
                f"{aside.name} was damaged and put aside; what it held was made again.",
                f"Look at the disk it is on, then: rm {aside}*",
            )


def _file(path: Path) -> Iterator[Finding]:
    for fault in seen_by_others(path):
        yield warning("data files", fault.what, fault.mend)
    if _is_held(path):
        yield _held(path)
        return
    large = path.stat().st_size > QUICKLY_CHECKED
    for fault in database_faults(path, depth=Depth.LAYOUT if large else Depth.QUICK):
        yield problem("data files", fault.what, fault.mend)
    if large:
        yield warning("data files", f"{path} is large, so it was not read through.", "toolhone doctor --deep")


def _held(path: Path) -> Finding:
    return problem(
        "data files",
        f"{path} is held by another process and cannot be written.",
        f"Find it and end it: fuser -v {path}",
    )


def _is_held(path: Path) -> bool:
    """Whether no other process can write the file now; what else is wrong with it is not asked here."""
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=PATIENCE)
        ) as connection:
            connection.isolation_level = None
            # Begins to write and leaves it: a process that hangs while it writes keeps all others from it.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.Error as exc:
        # The low byte: what is beside it says how it is busy.
        return (getattr(exc, "sqlite_errorcode", 0) & 0xFF) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return False


def jobs(folder: Path) -> Iterator[Finding]:
    """Who runs the jobs of the folder."""
    if not (folder / "jobs_state.db").exists():
        return
    running = JobsLock(folder).taken()
    yield ok("jobs", "a process runs the jobs of this folder" if running else "no process runs jobs now")
