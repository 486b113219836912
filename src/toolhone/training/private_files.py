"""Files that only this user may read."""

import os
from pathlib import Path
from typing import BinaryIO, Literal


def open_private(path: Path, mode: Literal["wb", "ab+"], *, buffering: int = -1) -> BinaryIO:
    """Open a file that only this user may read, and make it if it is not there."""
    way = os.O_WRONLY | os.O_TRUNC if mode == "wb" else os.O_RDWR | os.O_APPEND
    return os.fdopen(os.open(path, way | os.O_CREAT, 0o600), mode, buffering)
