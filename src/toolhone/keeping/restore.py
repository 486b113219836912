"""Brings a data folder back from a backup: whole or not at all, after every file was checked.

It is unpacked beside the folder that is to be, and moved there when all is as the manifest says. Paths of
trained models that begin with the old folder are written anew.
"""

import os
import sqlite3
import tarfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from toolhone.exceptions import DamagedStorageError, InvalidRequestError, NewerStorageError, StorageError
from toolhone.keeping.archive import (
    FORMAT,
    HEADER,
    MANIFEST,
    Entry,
    Header,
    Manifest,
    extract,
    name_in,
    read_text,
)
from toolhone.keeping.backup import Progress
from toolhone.models import JsonObject
from toolhone.storage.layouts import LAYOUTS
from toolhone.storage.sqlite import PRIVATE_FILE, PRIVATE_FOLDER
from toolhone.storage.workspaces import workspace_beside


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was brought back."""

    folder: Path
    manifest: Manifest
    moved_models: int
    """Models whose path was written anew, as the folder is another."""

    def as_json(self) -> JsonObject:
        header = self.manifest.header
        return {
            "folder": str(self.folder),
            "created_at": header.created_at,
            "toolhone": header.toolhone,
            "files": len(self.manifest.files),
            "size": self.manifest.size,
            "left_out": header.left_out,
            "moved_models": self.moved_models,
        }


def restore_backup(
    file: Path, data: Path, *, progress: Progress = lambda name, done, total: None
) -> Restored:
    """Make the data folder from a backup. Blocks.

    Raises:
        InvalidRequestError: The folder is there and not empty, or the file is no (honest) backup.
        NewerStorageError: A newer toolhone wrote it.
        DamagedStorageError: It was cut off or changed.
        StorageError: Something cannot be read or written.
    """
    data = data.absolute()
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise InvalidRequestError(
            f"{str(data)!r} is there and not empty, and nothing in it is overwritten. Stop what uses it and "
            "move it away, or restore into another folder with --data."
        )
    try:
        with workspace_beside(data) as work:
            made = work / "data"
            made.mkdir(mode=PRIVATE_FOLDER)
            manifest = _unpacked(file, made, progress)
            moved = _moved(made, Path(manifest.header.folder), data)
            if data.exists():
                data.rmdir()
            made.rename(data)
    except OSError as exc:
        raise StorageError(
            f"{str(data)!r} cannot be restored from {str(file)!r}: {exc.strerror or exc}. "
            "Check that both can be read and written, and that the disk has room."
        ) from exc
    return Restored(folder=data, manifest=manifest, moved_models=moved)


def _unpacked(file: Path, folder: Path, progress: Progress) -> Manifest:
    total, done = file.stat().st_size, 0
    entries: list[Entry] = []
    header: Header | None = None
    try:
        with tarfile.open(file, "r:") as tar:
            for info in tar:
                if header is None:
                    header = _header(tar, info, file)
                    continue
                if info.name == MANIFEST and info.type == tarfile.REGTYPE:
                    manifest = Manifest.model_validate_json(read_text(tar, info))
                    _compare(file, manifest, header, entries)
                    return manifest
                name = name_in(info)
                progress(name, done, total)
                entries.append(_unpack(tar, info, name, folder))
                done += info.size
    except tarfile.TarError as exc:
        if header is None:
            raise _no_backup(file) from exc
        raise _damaged(file, f"it cannot be read to its end ({exc})") from exc
    except ValidationError as exc:
        raise _damaged(file, "its list of files cannot be read") from exc
    if header is None:
        raise _no_backup(file)
    raise _damaged(file, "its end is missing")


def _header(tar: tarfile.TarFile, info: tarfile.TarInfo, file: Path) -> Header:
    if info.name != HEADER or info.type != tarfile.REGTYPE:
        raise _no_backup(file)
    raw = read_text(tar, info)
    try:
        header = Header.model_validate_json(raw)
    except ValidationError as exc:
        raise _no_backup(file) from exc
    unknown = {
        name: [step for step in steps if name not in LAYOUTS or step not in LAYOUTS[name].known]
        for name, steps in header.layouts.items()
    }
    newer = next(((name, steps[0]) for name, steps in unknown.items() if steps), None)
    if header.format > FORMAT or newer is not None:
        why = f"its format is {header.format}" if newer is None else f"{newer[0]} has {newer[1]!r}"
        raise NewerStorageError(
            f"{str(file)!r} was written by the newer toolhone {header.toolhone} ({why}). Update toolhone; "
            "nothing was restored."
        )
    return header


def _unpack(tar: tarfile.TarFile, info: tarfile.TarInfo, name: str, folder: Path) -> Entry:
    path = folder / name
    for parent in reversed(path.relative_to(folder).parents):
        (folder / parent).mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    except FileExistsError as exc:
        raise InvalidRequestError(f"The backup holds {name!r} twice. Nothing was restored.") from exc
    with os.fdopen(descriptor, "wb") as target:
        sha256 = extract(tar, info, target)
        target.flush()
        os.fsync(target.fileno())
    return Entry(name=name, size=info.size, sha256=sha256)


def _compare(file: Path, manifest: Manifest, header: Header, entries: list[Entry]) -> None:
    if manifest.header != header:
        raise _damaged(file, "its beginning and its end are not of one backup")
    there = {entry.name: entry for entry in entries}
    listed = {entry.name: entry for entry in manifest.files}
    if missing := sorted(listed.keys() - there.keys()):
        raise _damaged(file, f"{missing[0]!r} is missing")
    if strange := sorted(there.keys() - listed.keys()):
        raise _damaged(file, f"{strange[0]!r} was added")
    for name, entry in there.items():
        if entry != listed[name]:
            raise _damaged(file, f"{name!r} was changed")


def _moved(folder: Path, old: Path, new: Path) -> int:
    """Let models be found where they will be; returns of how many the path was changed."""
    path = folder / "models.db"
    if old == new or not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT model_id, path FROM models WHERE path IS NOT NULL").fetchall()
        changes = [
            (str(new / Path(where).relative_to(old)), model_id)
            for model_id, where in rows
            if Path(where).is_relative_to(old)
        ]
        with connection:
            connection.executemany("UPDATE models SET path = ? WHERE model_id = ?", changes)
    path.chmod(PRIVATE_FILE)
    return len(changes)


def _no_backup(file: Path) -> InvalidRequestError:
    return InvalidRequestError(f"{str(file)!r} is no backup of toolhone. They are made by: toolhone backup")


def _damaged(file: Path, why: str) -> DamagedStorageError:
    return DamagedStorageError(
        f"The backup {str(file)!r} is damaged: {why}. Nothing was restored; take another one."
    )
