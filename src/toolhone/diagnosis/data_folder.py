"""Whether the data folder can be used, and whether what is in it is whole. Changes nothing in it."""

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from toolhone.diagnosis.findings import Finding, ok, problem, warning
from toolhone.jobs.lock import JobsLock
from toolhone.keeping.integrity import examine
from toolhone.storage.layouts import LAYOUTS
from toolhone.storage.migrations import Schema, applied_steps

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
    if os.name == "posix" and (mode := folder.stat().st_mode & 0o777) & 0o077:
        yield warning("data", f"others can look into {folder} (mode {mode:o}).", f"chmod 700 {folder}")
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
        for finding in _file(folder / name, LAYOUTS[name]):
            wrong = True
            yield finding
    for finding in _put_aside(folder):
        wrong = True
        yield finding
    if not wrong and found:
        yield ok("data files", f"{len(found)} files, whole and of a known layout")


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
        yield ok(
            "data files",
            f"whole: {found.databases} databases, {found.audit_rows} audit rows, {found.datasets} datasets, "
            f"{found.models} models",
        )


def _put_aside(folder: Path) -> Iterator[Finding]:
    for aside in sorted(folder.glob("*.db.damaged-*")):
        if not aside.name.endswith(("-wal", "-shm")):
            yield warning(
                "data files",
                f"{aside.name} was damaged and put aside; what it held was made again.",
                f"Look at the disk it is on, then: rm {aside}*",
            )


def _file(path: Path, schema: Schema) -> Iterator[Finding]:
    if os.name == "posix" and (mode := path.stat().st_mode & 0o777) & 0o077:
        yield warning("data files", f"others can read {path} (mode {mode:o}).", f"chmod 600 {path}")
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=PATIENCE)
        ) as connection:
            connection.isolation_level = None
            yield from _content(connection, path, schema)
    except sqlite3.Error as exc:
        if _says_held(exc):
            yield _held(path)
        else:
            yield problem(
                "data files",
                f"{path} cannot be read: {exc}.",
                "Move it away with its -wal and -shm companions, or bring back a backup.",
            )


def _held(path: Path) -> Finding:
    return problem(
        "data files",
        f"{path} is held by another process and cannot be written.",
        f"Find it and end it: fuser -v {path}",
    )


def _says_held(error: sqlite3.Error) -> bool:
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _is_held(path: Path) -> bool:
    """Whether no other process can write the file now; what else is wrong with it is not asked here."""
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=PATIENCE)
        ) as connection:
            connection.isolation_level = None
            _take_turn(connection)
    except sqlite3.Error as exc:
        return _says_held(exc)
    return False


def _take_turn(connection: sqlite3.Connection) -> None:
    """Begin to write and leave it: a process that hangs while it writes keeps all others from it."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")


def _content(connection: sqlite3.Connection, path: Path, schema: Schema) -> Iterator[Finding]:
    applied = applied_steps(connection, schema)
    if unknown := [name for name in applied if name not in schema.known]:
        yield problem(
            "data files",
            f"{path} was written by a newer toolhone (it has {unknown[0]!r}).",
            "pip install --upgrade toolhone, or name another folder with --data.",
        )
        return
    _take_turn(connection)
    if path.stat().st_size > QUICKLY_CHECKED:
        yield warning(
            "data files",
            f"{path} is large, so it was not read through.",
            "toolhone doctor --deep",
        )
        return
    problems = [text for (text,) in connection.execute("PRAGMA quick_check(3)")]
    if problems != ["ok"]:
        yield problem(
            "data files",
            f"{path} is damaged: {'; '.join(str(text) for text in problems)}.",
            "Bring back a backup, or move the file away with its -wal and -shm companions.",
        )


def jobs(folder: Path) -> Iterator[Finding]:
    """Who runs the jobs of the folder."""
    if not (folder / "jobs_state.db").exists():
        return
    running = JobsLock(folder).taken()
    yield ok("jobs", "a process runs the jobs of this folder" if running else "no process runs jobs now")
