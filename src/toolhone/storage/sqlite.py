"""One SQLite file of the data folder: opened privately, migrated, and used by one thread at a time.

Every store has its own connection. Several processes may have the same file open: WAL lets readers
and a writer work side by side, and writers wait for each other up to `BUSY_SECONDS`.
"""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from toolhone.exceptions import DamagedStorageError, NewerStorageError, NotRunningError, StorageError
from toolhone.storage.migrations import Schema, applied_steps, migrate

logger = logging.getLogger(__name__)

BUSY_SECONDS = 30.0
"""How long a statement waits for another process before it fails."""

WAL_BYTES_KEPT = 16 * 1024 * 1024
"""A write-ahead log that once grew larger is cut back to this when it starts over."""

APPLICATION_ID = 0x74686F6E
"""Written into the header of every file, by which tools that open SQLite files know not to open ours."""

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

_IN_USE = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class SqliteFile:
    """The connection of one store to its file. Opened when it is first used.

    Every use may raise the errors below.

    Args:
        durable: Whether a commit waits until it is on the disk itself and so outlives a power loss.
            Without it a commit outlives the death of the process, not that of the machine.
        rebuildable: Whether the content can be made again. A damaged file is then moved aside,
            with a warning, and started fresh.

    Raises:
        NewerStorageError: A newer toolhone wrote the file.
        DamagedStorageError: It is damaged, or no SQLite file.
        StorageError: It cannot be opened.
    """

    def __init__(
        self, path: Path, schema: Schema, *, durable: bool = False, rebuildable: bool = False
    ) -> None:
        self.path = path.absolute()
        self._schema = schema
        self._durable = durable
        self._rebuildable = rebuildable
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._inode: int | None = None
        """Which file it was that was opened: another process may put a fresh one in its place."""
        self._closed = False

    def exists(self) -> bool:
        """Whether anything was ever stored; asking creates nothing."""
        return self._connection is not None or self.path.exists()

    def read(self, work: Work[T]) -> T:
        """Run `work` on one unchanging state of the file."""
        return self._run(work, "BEGIN")

    def write(self, work: Work[T]) -> T:
        """Run `work` as the only writer of all processes; what it did is committed on return."""
        # IMMEDIATE: a transaction that reads first and takes the write lock later can be refused
        # at once, whatever the busy timeout, if another process wrote in between.
        return self._run(work, "BEGIN IMMEDIATE")

    def bare(self, work: Work[T]) -> T:
        """Run `work` outside of a transaction, for the statements that cannot stand in one."""
        return self._run(work, None)

    def close(self) -> None:
        """Close the connection. Closing twice is harmless."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            self._closed = True

    def _run(self, work: Work[T], begin: str | None) -> T:
        with self._lock:
            if self._closed:
                raise NotRunningError(f"The store in {self.path.name!r} has been closed.")
            if self._connection is None:
                self._connection = self._open_or_rebuild()
            try:
                return self._once(self._connection, work, begin)
            except DamagedStorageError:
                if not self._rebuildable:
                    raise
                self._connection.close()
                self._connection = None
                self._move_aside()
                self._connection = self._open_or_rebuild()
                return self._once(self._connection, work, begin)

    def _once(self, connection: sqlite3.Connection, work: Work[T], begin: str | None) -> T:
        try:
            if begin is None:
                return work(connection)
            connection.execute(begin)
            try:
                result = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            return result
        except sqlite3.Error as exc:
            raise self._translated(exc) from exc

    def _open_or_rebuild(self) -> sqlite3.Connection:
        try:
            return self._open()
        except DamagedStorageError:
            if not self._rebuildable:
                raise
            self._move_aside()
            return self._open()

    def _open(self) -> sqlite3.Connection:
        self._make_private()
        self._inode = self._present_inode()
        try:
            # mode=rw: a file that vanished meanwhile must not come back with open permissions.
            connection = sqlite3.connect(
                self.path.as_uri() + "?mode=rw",
                uri=True,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as exc:
            raise self._translated(exc) from exc
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        applied = applied_steps(connection, self._schema)
        known = self._schema.known
        if unknown := [name for name in applied if name not in known]:
            raise NewerStorageError(
                f"{str(self.path)!r} was written by a newer toolhone (it has {unknown[0]!r}). "
                "Update toolhone, or name another data folder with --data.",
                data={"file": str(self.path), "unknown": unknown},
            )
        # What is deleted or erased is overwritten with zeros, not only unlinked.
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
        if not applied:
            # Only heeded before the first table: lets `incremental_vacuum` give space back.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._use_wal(connection)
        if len(applied) < len(known):
            migrate(connection, self._schema)
        # Here, since it makes the first page, and for files from before there was one.
        if connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            except sqlite3.OperationalError as exc:
                # Two processes that switch a new file at once: SQLite refuses one of them without
                # waiting, to avoid a deadlock.
                if _primary_code(exc) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
                continue
            if mode != "wal":
                raise StorageError(
                    f"{str(self.path)!r} cannot be shared safely: its file system has no write-ahead log "
                    f"(journal mode {mode!r}). Name a data folder on a local disk with --data.",
                    data={"file": str(self.path)},
                )
            return

    def _make_private(self) -> None:
        """Make folder and file, for this user alone; SQLite gives the file's mode to its companions."""
        try:
            self.path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            try:
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))
            except FileExistsError:
                # Not opened here: closing any descriptor of a file drops this process's locks on it.
                if os.name == "posix" and self.path.stat().st_mode & 0o077:
                    self.path.chmod(PRIVATE_FILE)
        except OSError as exc:
            raise StorageError(
                f"The data folder {str(self.path.parent)!r} cannot be used: {exc.strerror or exc}. "
                "Give this user the right to write there, or name another folder with --data.",
                data={"file": str(self.path)},
            ) from exc

    def _present_inode(self) -> int | None:
        try:
            return self.path.stat().st_ino
        except OSError:
            return None

    def _move_aside(self) -> None:
        """Rename the damaged file, unless another process has already put a fresh one in its place."""
        if self._present_inode() != self._inode:
            return
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        aside = self.path.with_name(f"{self.path.name}.damaged-{stamp}")
        try:
            # The log first: left behind, it would be played into the fresh file.
            for suffix in ("-wal", "-shm", ""):
                companion = self.path.with_name(self.path.name + suffix)
                if companion.exists():
                    companion.rename(aside.with_name(aside.name + suffix))
        except OSError as exc:
            raise StorageError(
                f"{str(self.path)!r} is damaged and could not be moved aside: {exc.strerror or exc}. "
                "Move it away; what it held is made again.",
                data={"file": str(self.path)},
            ) from exc
        logger.warning("%s was damaged. It is kept as %s; a fresh one is started.", self.path, aside.name)

    def _translated(self, exc: sqlite3.Error) -> StorageError:
        data = {"file": str(self.path)}
        if _primary_code(exc) in _DAMAGED:
            return DamagedStorageError(
                f"{str(self.path)!r} is damaged or is not an SQLite file ({exc}). "
                "Move it away with its '-wal' and '-shm' companions, or bring back a copy; start again.",
                data=data,
            )
        if _primary_code(exc) in _IN_USE:
            return StorageError(
                f"{str(self.path)!r} was kept busy by another process for {BUSY_SECONDS:.0f} s ({exc}). "
                "Try again; if it stays so, look for a program that holds the file open.",
                data=data,
            )
        return StorageError(
            f"{str(self.path)!r} could not be read or written: {exc}. "
            "Check that the disk has room and that this user may write there.",
            data=data,
        )


def _primary_code(exc: sqlite3.Error) -> int | None:
    code = getattr(exc, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
