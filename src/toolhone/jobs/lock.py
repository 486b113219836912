"""The lock by which one process of a data folder runs its jobs. The kernel frees it when the process ends."""

import os
import threading
from pathlib import Path

from toolhone.exceptions import StorageError
from toolhone.file_locks import try_lock

LOCK = "jobs.lock"

_engine = threading.Lock()
"""The engine of jobs exists once in a process, whatever folder it is for."""


class JobsLock:
    """An exclusive lock on a data folder's jobs. Never waits."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Whether the lock is ours now.

        Raises:
            StorageError: The file cannot be opened.
        """
        if self._descriptor is not None:
            return True
        if not _engine.acquire(blocking=False):
            return False
        try:
            descriptor = self._open()
        except BaseException:
            _engine.release()
            raise
        if not try_lock(descriptor):
            os.close(descriptor)
            _engine.release()
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let others have it. The file stays: removing it would let two processes lock two files."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            _engine.release()

    def taken(self) -> bool:
        """Whether a process, this one too, runs the jobs now."""
        if self._descriptor is not None:
            return True
        if not self._path.exists():
            return False
        descriptor = self._open()
        try:
            return not try_lock(descriptor)
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as exc:
            raise StorageError(
                f"{str(self._path)!r} cannot be opened: {exc.strerror or exc}. "
                "Give this user the right to write there, or name another folder with --data."
            ) from exc
