"""The hash of a file's content."""

import hashlib
from pathlib import Path
from typing import Any


class HashError(Exception):
    """The file has no hash."""


def hash_file(path: str, algorithm: str = "sha256", expected: str | None = None) -> dict[str, Any]:
    """Hash a file piece by piece; `expected` is compared without regard to case."""
    file = Path(path).expanduser().resolve()
    if not file.is_file():  # A pipe or a device might never end.
        raise HashError(f"There is no regular file {str(file)!r}.")
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, algorithm).hexdigest()
        size = stream.tell()
    result = {"path": str(file), "algorithm": algorithm, "hash": digest, "bytes": size}
    if expected is not None:
        result["matches"] = digest == expected.strip().lower()
    return result
