"""A lock in a file that several processes respect. The kernel frees it when its process ends."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from toolhone.file_locks import try_lock

PAUSE = 0.02
"""Seconds between two tries."""


class FileLock:
    """Held by one holder at a time, in whichever process or thread. An object is one holder, once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self, *, patience: float, check: Callable[[], None] = lambda: None) -> bool:
        """Take the lock; whether it could be had within so many seconds. Blocks.

        Args:
            check: Called between two tries; what it raises ends them.

        Raises:
            OSError: The file cannot be opened.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            deadline = time.monotonic() + patience
            while not try_lock(descriptor):
                if time.monotonic() >= deadline:
                    return False
                check()
                time.sleep(PAUSE)
            self._descriptor, descriptor = descriptor, -1
            return True
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def release(self) -> None:
        """Let others have it. The file stays: without it two could lock two files."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
