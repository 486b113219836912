"""Private folders for files that are being made, known to be abandoned when their process is gone.

A workspace is locked by the process that made it, through a file in it; the system lets go of the lock when
the process ends, however it ends. Without such locks, or such a file, one that is a day old is abandoned.
"""

import os
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from toolhone.exceptions import StorageError
from toolhone.storage.sqlite import PRIVATE_FILE, PRIVATE_FOLDER

PREFIX = ".work-"
LOCK = ".lock"
ABANDONED_SECONDS = 86_400.0


class Workspaces:
    """The workspaces in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mutex = threading.Lock()
        self._locks: dict[Path, int] = {}

    def make(self) -> Path:
        """A fresh one.

        Raises:
            StorageError: It cannot be made.
        """
        try:
            self._folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            path = self._folder / f"{PREFIX}{secrets.token_hex(8)}"
            path.mkdir(mode=PRIVATE_FOLDER)
            descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
            with self._mutex:
                self._locks[path] = descriptor
            _try_lock(descriptor)
            # Not before: one that looks in between must not take it for that of a dead process.
            os.write(descriptor, b"locked")
        except OSError as exc:
            raise StorageError(
                f"No folder can be made in {str(self._folder)!r}: {exc.strerror or exc}. "
                "Check that the disk has room and that this user may write there.",
                data={"folder": str(self._folder)},
            ) from exc
        return path

    def sweep(self) -> None:
        """Remove the workspaces of processes that are gone, and let go of our own that were removed."""
        with self._mutex:
            self._let_go(gone_only=True)
            if not self._folder.exists():
                return
            for path in self._folder.glob(f"{PREFIX}*"):
                if path not in self._locks and _is_abandoned(path):
                    shutil.rmtree(path, ignore_errors=True)

    def close(self) -> None:
        """Let go of all. Whoever still works in one must have ended before."""
        with self._mutex:
            self._let_go(gone_only=False)

    def _let_go(self, *, gone_only: bool) -> None:
        for path, descriptor in list(self._locks.items()):
            if not gone_only or not path.exists():
                os.close(descriptor)
                del self._locks[path]


@contextmanager
def workspace_beside(target: Path) -> Generator[Path]:
    """A workspace on the disk of a file or folder that is made in it; nothing of it stays.

    What a process left there that was killed goes too.

    Raises:
        StorageError: It cannot be made.
    """
    aside = target.with_name(f".{target.name}.partial")
    spaces = Workspaces(aside)
    spaces.sweep()
    try:
        work = spaces.make()
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
    finally:
        spaces.close()
        if aside.exists() and not any(aside.iterdir()):
            aside.rmdir()


def _is_abandoned(path: Path) -> bool:
    try:
        old = time.time() - path.stat().st_mtime > ABANDONED_SECONDS
    except OSError:
        return False
    if sys.platform == "win32":
        return old
    try:
        descriptor = os.open(path / LOCK, os.O_RDWR)
    except OSError:
        # It is being made, being removed, or its process died between the two.
        return old
    try:
        return (old or os.fstat(descriptor).st_size > 0) and _try_lock(descriptor)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    if sys.platform == "win32":
        return True
    import fcntl  # POSIX only

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
