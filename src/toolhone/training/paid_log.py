"""What was paid for, kept line by line in a file, so that a restart does not pay for it again."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from toolhone.exceptions import StorageError
from toolhone.json_values import is_object
from toolhone.models import Json, JsonObject, canonical_json
from toolhone.training.private_files import open_private

logger = logging.getLogger(__name__)


class PaidLog:
    """JSON objects in the order they were paid for. As a context it takes more; reading creates nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def __enter__(self) -> "PaidLog":
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = open_private(self._path, "ab+")
            if (size := self._path.stat().st_size) > 0:
                self._file.seek(size - 1)
                if self._file.read() != b"\n":
                    # The process died within a line: what comes next begins a new one.
                    self._file.write(b"\n")
        except OSError as error:
            self.__exit__()
            raise StorageError(f"Cannot use {str(self._path)!r}: {error}.") from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def lines(self) -> Iterator[JsonObject]:
        """All that is kept; a torn line is left out.

        Raises:
            StorageError: The file cannot be read.
        """
        try:
            written = self._path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise StorageError(f"Cannot read {str(self._path)!r}: {error}.") from error
        for line in written.splitlines():
            try:
                kept: Json = json.loads(line)
            except ValueError:
                kept = None
            if is_object(kept):
                yield kept
            elif line:
                logger.warning("a torn line in %s is left out: it is asked again", self._path.name)

    def add(self, line: JsonObject) -> None:
        """Keep it; it outlives the death of the process on return.

        Raises:
            StorageError: No room on the disk, say.
        """
        if self._file is None:
            raise StorageError(f"{str(self._path)!r} is not open.")
        try:
            self._file.write(canonical_json(line).encode("utf-8", "surrogatepass") + b"\n")
            self._file.flush()
        except OSError as error:
            raise StorageError(f"Cannot write {str(self._path)!r}: {error}.") from error
