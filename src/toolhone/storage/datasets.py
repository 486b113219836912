"""Datasets: a folder of immutable files each under `datasets/`, their manifests and members in `datasets.db`.

A folder is moved into place inside the transaction that keeps its manifest, and goes only after the
transaction that marks it revoked. What a death in between leaves behind, a folder without a row or that of
a revoked dataset, goes the next time that somebody makes one; so do workspaces whose process is gone.
"""

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from toolhone.exceptions import ConflictError, DamagedStorageError, NotFoundError, StorageError
from toolhone.models import Category, Json, JsonObject, canonical_json
from toolhone.records.datasets import Manifest, Pair, Purpose, Row, Split
from toolhone.records.row_json import pair_from, read_lines, row_from
from toolhone.storage.migrations import Schema
from toolhone.storage.sqlite import PRIVATE_FILE, PRIVATE_FOLDER, SqliteFile
from toolhone.storage.workspaces import Workspaces
from toolhone.whole_files import sync_folder

if TYPE_CHECKING:
    from sqlite_utils import Database

MANIFEST = "manifest.json"
"""Stands beside the files for people and programs that read the folder; ours is in the database."""

Record = TypeVar("Record", Row, Pair)

_IDS_AT_ONCE = 500
_NAMED = 5
_BLOCK = 1024 * 1024


def create_datasets(db: "Database") -> None:
    """Manifests, and which snapshots each dataset holds."""
    db.conn.execute(
        """
        CREATE TABLE datasets (
            seq INTEGER PRIMARY KEY,
            dataset_id TEXT NOT NULL UNIQUE,
            category TEXT NOT NULL,
            version INTEGER NOT NULL,
            content_hash TEXT NOT NULL,
            manifest TEXT NOT NULL,
            revoked_at TEXT,
            revoked_why TEXT,
            replaced_by TEXT,
            UNIQUE (category, version)
        )
        """
    )
    db.conn.execute(
        "CREATE UNIQUE INDEX datasets_by_content ON datasets (category, content_hash) "
        "WHERE revoked_at IS NULL"
    )
    db.conn.execute(
        """
        CREATE TABLE members (
            snapshot_id TEXT NOT NULL,
            dataset INTEGER NOT NULL REFERENCES datasets (seq),
            place TEXT NOT NULL,
            PRIMARY KEY (snapshot_id, dataset, place)
        ) WITHOUT ROWID
        """
    )
    db.conn.execute("CREATE INDEX members_by_dataset ON members (dataset)")


DATASETS = Schema(name="toolhone.datasets", steps=(create_datasets,))

_SELECT = "SELECT manifest, version, revoked_at, revoked_why, replaced_by FROM datasets "
_LIVING_OF = "WHERE revoked_at IS NULL AND seq IN (SELECT value FROM json_each(?)) ORDER BY seq DESC"


class SqliteDatasetStore:
    """Datasets in `datasets/` and `datasets.db` of the data folder. Reading creates nothing."""

    def __init__(self, folder: Path) -> None:
        self._file = SqliteFile(folder / "datasets.db", DATASETS)
        self._folder = folder / "datasets"
        self._workspaces = Workspaces(self._folder)

    def workspace(self) -> Path:
        self._sweep()
        return self._workspaces.make()

    def create(
        self,
        manifest: Manifest,
        files: Mapping[str, Path],
        members: Iterator[tuple[str, Split | str]],
    ) -> Manifest:
        if files.keys() != manifest.files.keys():
            raise ValueError(f"files {sorted(files)} under a manifest of {sorted(manifest.files)}")
        target = self._folder / manifest.dataset_id
        moved: list[Path] = []

        def work(connection: sqlite3.Connection) -> Manifest:
            present = connection.execute(
                _SELECT + "WHERE category = ? AND content_hash = ? AND revoked_at IS NULL",
                (manifest.category, manifest.content_hash),
            ).fetchone()
            if present is not None:
                return _manifest(present)
            (version,) = connection.execute(
                "SELECT COALESCE(MAX(version), 0) + 1 FROM datasets WHERE category = ?",
                (manifest.category,),
            ).fetchone()
            made = replace(manifest, version=version)
            seq = connection.execute(
                "INSERT INTO datasets (dataset_id, category, version, content_hash, manifest) "
                "VALUES (?, ?, ?, ?, ?)",
                (made.dataset_id, made.category, version, made.content_hash, _told(made)),
            ).lastrowid
            connection.executemany(
                "INSERT OR IGNORE INTO members (snapshot_id, dataset, place) VALUES (?, ?, ?)",
                ((snapshot_id, seq, str(place)) for snapshot_id, place in members),
            )
            moved.append(target)
            self._move(made, files, target)
            return made

        try:
            return self._file.write(work)
        except BaseException as exc:
            # The transaction is undone; a folder that nobody knows of would be left.
            for path in moved:
                shutil.rmtree(path, ignore_errors=True)
            if isinstance(exc, OSError):
                raise _unwritable(self._folder, exc) from exc
            raise

    def manifests(self, category: Category | None = None) -> list[Manifest]:
        if not self._file.exists():
            return []
        condition, values = ("WHERE category = ? ", (category,)) if category is not None else ("", ())
        rows = self._file.read(
            lambda connection: connection.execute(
                _SELECT + condition + "ORDER BY seq DESC", values
            ).fetchall()
        )
        return [_manifest(row) for row in rows]

    def manifest(self, dataset_id: str) -> Manifest:
        row = None
        if self._file.exists():
            row = self._file.read(
                lambda connection: connection.execute(
                    _SELECT + "WHERE dataset_id = ?", (dataset_id,)
                ).fetchone()
            )
        if row is None:
            raise NotFoundError(f"There is no dataset {dataset_id!r}. {self._there_are()}")
        return _manifest(row)

    def folder(self, dataset_id: str) -> Path:
        manifest = self.manifest(dataset_id)
        if manifest.revoked_at is not None:
            instead = f" Use {manifest.replaced_by!r}." if manifest.replaced_by else " Prepare a new one."
            raise ConflictError(
                f"The dataset {dataset_id!r} was revoked on {manifest.revoked_at[:10]}: "
                f"{manifest.revoked_why}. Its files are gone.{instead}"
            )
        folder = self._folder / dataset_id
        for name, expected in manifest.files.items():
            try:
                found = _hash(folder / name)
            except OSError as exc:
                raise _damaged(dataset_id, folder / name, f"cannot be read: {exc.strerror or exc}") from exc
            if found != expected:
                raise _damaged(dataset_id, folder / name, "is not what was stored")
        return folder

    def rows(self, dataset_id: str, split: Split) -> Iterator[Row]:
        return self._read(dataset_id, f"{split.value}.jsonl", row_from)

    def failures(self, dataset_id: str) -> Iterator[Row]:
        return self._read(dataset_id, "failures.jsonl", row_from)

    def pairs(self, dataset_id: str) -> Iterator[Pair]:
        return self._read(dataset_id, "pairs.jsonl", pair_from)

    def members(self, dataset_id: str) -> set[str]:
        self.manifest(dataset_id)
        rows = self._file.read(
            lambda connection: connection.execute(
                "SELECT snapshot_id FROM members JOIN datasets ON dataset = seq WHERE dataset_id = ?",
                (dataset_id,),
            ).fetchall()
        )
        return {snapshot_id for (snapshot_id,) in rows}

    def holding(self, snapshot_ids: Sequence[str]) -> list[Manifest]:
        if not self._file.exists():
            return []

        def work(connection: sqlite3.Connection) -> list[Manifest]:
            found: set[int] = set()
            for start in range(0, len(snapshot_ids), _IDS_AT_ONCE):
                some = snapshot_ids[start : start + _IDS_AT_ONCE]
                found.update(
                    seq
                    for (seq,) in connection.execute(
                        "SELECT DISTINCT dataset FROM members WHERE snapshot_id IN "
                        "(SELECT value FROM json_each(?))",
                        (json.dumps(list(some)),),
                    )
                )
            rows = connection.execute(
                _SELECT + _LIVING_OF,
                (json.dumps(sorted(found)),),
            )
            return [_manifest(row) for row in rows]

        return self._file.read(work)

    def revoke(self, dataset_id: str, *, at: str, why: str, replaced_by: str | None) -> None:
        self.manifest(dataset_id)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE datasets SET revoked_at = ?, revoked_why = ?, replaced_by = ? "
                "WHERE dataset_id = ? AND revoked_at IS NULL",
                (at, why, replaced_by, dataset_id),
            )
            connection.execute(
                "DELETE FROM members WHERE dataset = (SELECT seq FROM datasets WHERE dataset_id = ?)",
                (dataset_id,),
            )

        self._file.write(work)
        try:
            _destroy(self._folder / dataset_id)
        except OSError as exc:
            raise StorageError(
                f"The dataset {dataset_id!r} is revoked, but its files in {str(self._folder / dataset_id)!r} "
                f"could not all be deleted: {exc.strerror or exc}. Delete them, or revoke it again."
            ) from exc

    def close(self) -> None:
        """Close the file, and let go of the workspaces."""
        self._workspaces.close()
        self._file.close()

    def _move(self, manifest: Manifest, files: Mapping[str, Path], target: Path) -> None:
        self._folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        target.mkdir(mode=PRIVATE_FOLDER)
        for name, path in files.items():
            path.chmod(PRIVATE_FILE)
            path.rename(target / name)
        descriptor = os.open(target / MANIFEST, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(json.loads(_told(manifest)), file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        sync_folder(target)
        sync_folder(self._folder)

    def _read(self, dataset_id: str, name: str, read: Callable[[JsonObject], Record]) -> Iterator[Record]:
        path = self.folder(dataset_id) / name
        if not path.exists():
            # A dataset for the selector has only what its trainer reads.
            return
        with path.open("rb") as file:
            yield from read_lines(file, read)

    def _there_are(self) -> str:
        names = [one.dataset_id for one in self.manifests() if one.revoked_at is None][:_NAMED]
        if not names:
            return "There are none yet; prepare one first."
        return f"The newest are {', '.join(map(repr, names))}."

    def _sweep(self) -> None:
        """Remove what deaths left behind: workspaces, folders without a row, files of revoked datasets."""
        self._workspaces.sweep()
        if not self._file.exists() or not self._folder.exists():
            return

        def work(connection: sqlite3.Connection) -> None:
            # As the only writer: a folder that is being moved into place has no row yet that others see.
            kept = {
                dataset_id
                for (dataset_id,) in connection.execute(
                    "SELECT dataset_id FROM datasets WHERE revoked_at IS NULL"
                )
            }
            for path in self._folder.iterdir():
                if not path.name.startswith(".") and path.name not in kept:
                    with suppress(OSError):  # tried again the next time
                        _destroy(path)

        if any(path.name not in self._known() for path in self._folder.iterdir() if path.name[0] != "."):
            self._file.write(work)

    def _known(self) -> set[str]:
        return {one.dataset_id for one in self.manifests() if one.revoked_at is None}


def _told(manifest: Manifest) -> str:
    told: JsonObject = {
        name: getattr(manifest, name)
        for name in Manifest.__dataclass_fields__
        if name not in {"revoked_at", "revoked_why", "replaced_by"}
    }
    return canonical_json({**told, "counts": dict(manifest.counts), "dropped": dict(manifest.dropped)})


def _manifest(row: Sequence[Json]) -> Manifest:
    told, version, revoked_at, revoked_why, replaced_by = row
    fields: JsonObject = json.loads(told)
    fields |= {
        "category": Category(fields["category"]),
        "purpose": Purpose(fields["purpose"]),
        "version": version,
        "revoked_at": revoked_at,
        "revoked_why": revoked_why,
        "replaced_by": replaced_by,
    }
    return Manifest(**fields)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _destroy(folder: Path) -> None:
    """Overwrite the files with zeros and remove them. A disk that copies on write may keep them yet."""
    if not folder.exists():
        return
    for path in folder.iterdir():
        size = path.stat().st_size
        with path.open("r+b") as file:
            for start in range(0, size, _BLOCK):
                file.write(bytes(min(_BLOCK, size - start)))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    folder.rmdir()


def _damaged(dataset_id: str, path: Path, what: str) -> DamagedStorageError:
    return DamagedStorageError(
        f"The dataset {dataset_id!r} is damaged: {str(path)!r} {what}. Prepare a new one; "
        "nothing should be trained on this one.",
        data={"dataset_id": dataset_id, "file": str(path)},
    )


def _unwritable(folder: Path, exc: OSError) -> StorageError:
    return StorageError(
        f"The dataset could not be kept in {str(folder)!r}: {exc.strerror or exc}. "
        "Check that the disk has room and that this user may write there; nothing was kept.",
        data={"folder": str(folder)},
    )
