"""The operating system's lock on an open file, tried once. It goes when its process ends."""

import sys

if sys.platform == "win32":
    import msvcrt

    def try_lock(descriptor: int) -> bool:
        """Whether the file of this descriptor is locked by us now; closing the descriptor frees it."""
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def try_lock(descriptor: int) -> bool:
        """Whether the file of this descriptor is locked by us now; closing the descriptor frees it."""
        # A lock of the open file, not of the process: closing another descriptor of it does not drop it.
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
