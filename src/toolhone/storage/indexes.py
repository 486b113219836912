"""Index files in the data folder: named blocks behind a table of their hashes, mapped into memory.

    8 bytes   "toolhone"
    8 bytes   where the table begins, little-endian
    8 bytes   how long it is
    32 bytes  SHA-256 of the table
    8 bytes   0
    blocks    each at a multiple of 64
    table     JSON: {block: [begins, length, SHA-256]}

A file is written beside its place and moved there, so it is whole or not there; what a power loss or a bad
disk makes of it is found by the hashes. All of it can be made again, so nothing waits for the disk, and what
cannot be believed is removed.
"""

import hashlib
import json
import logging
import mmap
import os
import struct
import tempfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import BinaryIO, cast

from toolhone.exceptions import DamagedStorageError, StorageError
from toolhone.storage.sqlite import PRIVATE_FOLDER

logger = logging.getLogger(__name__)

MAGIC = b"toolhone"
_HEAD = struct.Struct("<8sQQ32s8x")
ALIGNED = 64
SUFFIX = ".index"

KEPT = 4
"""Hosts with different tools may share the folder; the catalogs last used keep their files."""


class IndexFiles:
    """The files in `index/` of the data folder. Any thread, any number of processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "index"

    def names(self) -> list[str]:
        try:
            dated = [(path.stat().st_mtime_ns, path.stem) for path in self._folder.glob(f"*{SUFFIX}")]
        except OSError as exc:
            # A folder that is not there has no files; one that vanishes under us neither.
            logger.debug("The index files could not be listed: %s", exc)
            return []
        return [name for _, name in sorted(dated, reverse=True)]

    def open(self, name: str, only: Collection[str] | None = None) -> dict[str, memoryview]:
        path = self._path(name)
        try:
            with path.open("rb") as file:
                # Nobody closes the map: it goes with the last block that somebody holds.
                data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            if only is None:
                os.utime(path)
        except OSError as exc:
            raise StorageError(
                f"The index file {str(path)!r} cannot be read: {exc.strerror or exc}. It is built anew.",
                data={"file": str(path)},
            ) from exc
        except ValueError as exc:  # it is empty
            raise self._damaged(path, "it is empty") from exc
        try:
            return _checked(data, only)
        except ValueError as exc:
            raise self._damaged(path, str(exc)) from exc

    def save(self, name: str, blocks: Mapping[str, Iterable[memoryview]], *, instead_of: str | None) -> None:
        path = self._path(name)
        try:
            self._folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=self._folder)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    _write(file, blocks)
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as exc:
            raise StorageError(
                f"The index file {str(path)!r} could not be written: {exc.strerror or exc}. "
                "Check that the disk has room and that this user may write there.",
                data={"file": str(path)},
            ) from exc
        if instead_of is not None and instead_of != name:
            self._remove(self._path(instead_of))
        for other in self.names()[KEPT:]:
            self._remove(self._path(other))

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{SUFFIX}"

    def _damaged(self, path: Path, why: str) -> DamagedStorageError:
        self._remove(path)
        return DamagedStorageError(
            f"The index file {str(path)!r} was damaged ({why}). It was removed, and the index is built anew.",
            data={"file": str(path)},
        )

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as exc:
            # Some systems keep a file that another process has mapped. It goes with a later one.
            logger.debug("The index file %s stays: %s", path, exc)


def _write(file: BinaryIO, blocks: Mapping[str, Iterable[memoryview]]) -> None:
    file.write(bytes(_HEAD.size))
    table: dict[str, list[int | str]] = {}
    for name, pieces in blocks.items():
        file.write(bytes(-file.tell() % ALIGNED))
        begins, digest = file.tell(), hashlib.sha256()
        for piece in pieces:
            digest.update(piece)
            file.write(piece)
        table[name] = [begins, file.tell() - begins, digest.hexdigest()]
    listed, begins = json.dumps(table).encode(), file.tell()
    file.write(listed)
    file.seek(0)
    file.write(_HEAD.pack(MAGIC, begins, len(listed), hashlib.sha256(listed).digest()))


def _checked(data: memoryview, only: Collection[str] | None) -> dict[str, memoryview]:
    """The blocks of a file.

    Raises:
        ValueError: A hash is wrong, or it is another kind of file; says which.
    """
    if len(data) < _HEAD.size:
        raise ValueError("it is too short")
    magic, begins, length, digest = cast("tuple[bytes, int, int, bytes]", _HEAD.unpack_from(data))
    table = data[begins : begins + length]
    if magic != MAGIC or hashlib.sha256(table).digest() != digest:
        raise ValueError("its table is wrong")
    blocks: dict[str, memoryview] = {}
    entries = cast("dict[str, tuple[int, int, str]]", json.loads(bytes(table)))
    for name, (start, size, expected) in entries.items():
        if only is None or name in only:
            blocks[name] = data[start : start + size]
            if hashlib.sha256(blocks[name]).hexdigest() != expected:
                raise ValueError(f"the block {name!r} is wrong")
    return blocks
