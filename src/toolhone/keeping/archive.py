"""The form of a backup: a tar that begins with what it is, and ends with what must have been in it.

    backup.json     first: format, toolhone's version, when, of which folder, the layout of each database
    data/…          the files of the data folder
    manifest.json   last: the same, and the size and SHA-256 of every file

So a newer layout is refused before anything is read, and one that was cut off is known by its missing end.
Only plain files are in it, with names that a data folder has.
"""

import hashlib
import tarfile
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict

from toolhone.exceptions import DamagedStorageError, InvalidRequestError
from toolhone.keeping.inventory import Copying, kind_of

FORMAT = 1
HEADER = "backup.json"
MANIFEST = "manifest.json"
DATA = "data/"

_BLOCK = 1024 * 1024
_LARGEST_HEADER = 64 * 1024 * 1024
"""Bytes of a header or manifest: some hundred thousand files."""


class Entry(BaseModel):
    """One file of the data folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    size: int
    sha256: str


class Header(BaseModel):
    """What is known before the files are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    toolhone: str
    created_at: str
    folder: str
    """Where the data folder was: paths that are kept in it begin so."""
    layouts: dict[str, list[str]]
    """The steps that each database has been through, by file."""
    left_out: list[str]
    """What of the folder is not in here, by name, and why is known by its kind."""


class Manifest(BaseModel):
    """What is in a backup."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    header: Header
    files: list[Entry]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.files)


def add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode()
    tar.addfile(_info(name, len(data)), BytesIO(data))


def add_file(tar: tarfile.TarFile, name: str, source: BinaryIO, size: int) -> Entry:
    """Add the first `size` bytes of an open file.

    Raises:
        OSError: It became shorter meanwhile.
    """
    hashing = _Hashing(source)
    tar.addfile(_info(DATA + name, size), hashing)
    return Entry(name=name, size=size, sha256=hashing.hexdigest())


def read_text(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    """A header or manifest.

    Raises:
        DamagedStorageError: It cannot be one.
    """
    source = tar.extractfile(info) if info.size <= _LARGEST_HEADER else None
    if source is None:
        raise DamagedStorageError(f"{info.name!r} in the backup is not what its name says.")
    return source.read()


def extract(tar: tarfile.TarFile, info: tarfile.TarInfo, target: BinaryIO) -> str:
    """Write the content of a member; returns its SHA-256."""
    source = tar.extractfile(info)
    assert source is not None  # a plain file, as `name_in` found
    digest = hashlib.sha256()
    while block := source.read(_BLOCK):
        digest.update(block)
        target.write(block)
    return digest.hexdigest()


def name_in(info: tarfile.TarInfo) -> str:
    """The name in the data folder of a member that holds one of its files.

    Raises:
        InvalidRequestError: It is no plain file, would land elsewhere, or no data folder has such a file.
    """
    name = info.name.removeprefix(DATA)
    parts = PurePosixPath(name).parts
    plain = info.type == tarfile.REGTYPE and not info.sparse
    inside = info.name.startswith(DATA) and parts and name == "/".join(parts)
    safe = not any(part in {"..", "/"} or "\\" in part or ":" in part or "\0" in part for part in parts)
    kind = kind_of(name) if plain and inside and safe else None
    if kind is None or kind.copying is Copying.NEVER:
        raise InvalidRequestError(
            f"The backup holds {info.name!r}, which no backup of toolhone holds. Nothing was restored."
        )
    return name


def hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Hashing:
    """What is read from a file, hashed on its way."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._digest.update(data)
        return data

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o600
    return info
