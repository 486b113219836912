"""Whether a data folder is whole: its databases, the audit's chain, datasets, models, and who may read it.

Nothing is changed. It may be examined while servers run.
"""

import os
import shlex
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from enum import Enum, auto
from pathlib import Path

from pydantic import ValidationError

from toolhone.counted import counted
from toolhone.exceptions import StorageError, ToolhoneError
from toolhone.keeping.archive import hash_of
from toolhone.keeping.inventory import files_of, is_scratch, kind_of
from toolhone.models import JsonObject
from toolhone.records.jobs import FinetuningProvider, ModelRecord
from toolhone.selection.active import MANIFEST, active_encoder
from toolhone.selection.bundle import Manifest
from toolhone.storage.audit import SqliteAuditStore
from toolhone.storage.datasets import SqliteDatasetStore
from toolhone.storage.layouts import LAYOUTS
from toolhone.storage.migrations import applied_steps
from toolhone.storage.models import SqliteModelStore
from toolhone.storage.sqlite import BUSY_SECONDS
from toolhone.training.local.adapter import folder_hash

Progress = Callable[[str], None]
"""Receives what is examined next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that is not whole."""

    what: str
    mend: str


class Depth(Enum):
    """How far a database is read."""

    LAYOUT = auto()
    """What steps it was laid out with; the same for every size."""
    QUICK = auto()
    """Each page."""
    WHOLE = auto()
    """Besides, indexes are compared with their tables and references looked up: many times as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What an examination found."""

    folder: Path
    databases: int
    audit_rows: int
    audit_head: str | None
    """Of the chain; kept elsewhere, it shows at the next time whether the end was cut off."""
    datasets: int
    models: int
    """Those whose files are in this folder."""
    faults: tuple[Fault, ...]

    @property
    def whole(self) -> bool:
        return not self.faults

    @property
    def contents(self) -> str:
        """What was examined, in words."""
        known = (
            counted(self.databases, "database"),
            counted(self.audit_rows, "audit row"),
            counted(self.datasets, "dataset"),
            counted(self.models, "model"),
        )
        return ", ".join(known)

    def as_json(self) -> JsonObject:
        return {**asdict(self), "folder": str(self.folder), "whole": self.whole}


BRING_BACK = "Bring back a backup: toolhone restore FILE --data FOLDER"
BRING_BACK_OR_MOVE = f"{BRING_BACK}, or move the file away with its -wal and -shm companions."


def examine(folder: Path, *, progress: Progress = lambda what: None) -> Examined:
    """Examine a data folder. Blocks, for minutes if it is large."""
    faults: list[Fault] = []
    databases = 0
    for name, path in files_of(folder):
        if is_scratch(name):
            continue
        faults += seen_by_others(path)
        if kind_of(name) is None:
            faults.append(
                Fault(
                    what=f"{name} is not a file of toolhone.",
                    mend=f"If you do not need it: rm {shlex.quote(str(path))}",
                )
            )
        if name in LAYOUTS or name == "jobs.db":
            progress(name)
            databases += 1
            faults += database_faults(path)
    faults += seen_by_others(folder)
    progress("the chain of the audit")
    rows, head = _audit(folder, faults)
    progress("datasets")
    datasets = _datasets(folder, faults)
    progress("models")
    models = _models(folder, faults, progress)
    return Examined(
        folder=folder,
        databases=databases,
        audit_rows=rows,
        audit_head=head,
        datasets=datasets,
        models=models,
        faults=tuple(faults),
    )


def seen_by_others(path: Path) -> Iterator[Fault]:
    """That users of this machine but ours may look at a folder or file, if they may."""
    try:
        mode = path.lstat().st_mode & 0o777
    except FileNotFoundError:
        return
    # What stands in a private folder nobody else can reach.
    if os.name == "posix" and mode & 0o077 and (path.is_dir() or path.parent.stat().st_mode & 0o077):
        yield Fault(
            what=f"Others may look at {str(path)!r} (mode {mode:o}).",
            mend=f"chmod {'700' if path.is_dir() else '600'} {shlex.quote(str(path))}",
        )


def database_faults(path: Path, *, depth: Depth = Depth.WHOLE) -> Iterator[Fault]:
    """What is wrong with one database of a data folder."""
    name = path.name
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS)
        ) as connection:
            connection.execute("PRAGMA query_only = ON")
            if name in LAYOUTS:
                known = LAYOUTS[name].known
                for step in applied_steps(connection, LAYOUTS[name]):
                    if step not in known:
                        yield Fault(
                            what=f"{name} was written by a newer toolhone (it has {step!r}).",
                            mend="pip install --upgrade toolhone, or name another folder with --data.",
                        )
            if depth is Depth.LAYOUT:
                return
            check = "integrity_check(10)" if depth is Depth.WHOLE else "quick_check(10)"
            found = [str(text) for (text,) in connection.execute(f"PRAGMA {check}")]
            whole = depth is Depth.WHOLE
            broken = connection.execute("PRAGMA foreign_key_check").fetchmany(10) if whole else []
    except sqlite3.Error as exc:
        yield Fault(what=f"{name} cannot be read: {exc}.", mend=BRING_BACK_OR_MOVE)
        return
    if found != ["ok"]:
        yield Fault(what=f"{name} is damaged: {'; '.join(found)}.", mend=BRING_BACK_OR_MOVE)
    for table, row, parent, _ in broken:
        yield Fault(what=f"{name}: row {row} of {table} names what {parent} has not.", mend=BRING_BACK)


def _audit(folder: Path, faults: list[Fault]) -> tuple[int, str | None]:
    if not (folder / "audit.db").exists():
        return 0, None
    store = SqliteAuditStore(folder)
    try:
        outcome = store.verify()
    except StorageError as exc:
        faults.append(Fault(what=exc.message, mend=BRING_BACK))
        return 0, None
    finally:
        store.close()
    faults += [
        Fault(what=f"audit.db: {problem}", mend="Find out who could write the file; compare with a backup.")
        for problem in outcome.problems
    ]
    return outcome.rows, outcome.head


def _datasets(folder: Path, faults: list[Fault]) -> int:
    if not (folder / "datasets.db").exists():
        return 0
    store = SqliteDatasetStore(folder)
    known: set[str] = set()
    try:
        for manifest in store.manifests():
            if manifest.revoked_at is None:
                known.add(manifest.dataset_id)
                try:
                    store.folder(manifest.dataset_id)
                except ToolhoneError as exc:
                    faults.append(Fault(what=exc.message, mend=BRING_BACK))
    except StorageError as exc:
        faults.append(Fault(what=exc.message, mend=BRING_BACK))
        return 0
    finally:
        store.close()
    faults += [
        Fault(
            what=f"datasets/{path.name} is of no dataset, or of one that was revoked.",
            mend="It goes when the next dataset is made: toolhone datasets prepare CATEGORY",
        )
        for path in sorted((folder / "datasets").glob("[!.]*"))
        if path.name not in known
    ]
    return len(known)


def _models(folder: Path, faults: list[Fault], progress: Progress) -> int:
    count = 0
    if (folder / "models.db").exists():
        store = SqliteModelStore(folder)
        try:
            models = store.models()
        except StorageError as exc:
            faults.append(Fault(what=exc.message, mend=BRING_BACK))
            models = []
        finally:
            store.close()
        for model in models:
            if model.path is None:
                continue
            count += 1
            progress(model.model_id)
            if why := _artifact(model):
                faults.append(Fault(what=why, mend=BRING_BACK))
    faults += [
        Fault(what=why, mend=BRING_BACK)
        for manifest in sorted((folder / "encoders").glob(f"*/{MANIFEST}"))
        if (why := _encoder(manifest.parent))
    ]
    try:
        active = active_encoder(folder)
    except ToolhoneError as exc:
        faults.append(Fault(what=exc.message, mend=BRING_BACK))
    else:
        if active is not None and not _has_hash(active[0] / MANIFEST, active[1]):
            faults.append(
                Fault(
                    what=f"The encoder in use, in {str(active[0])!r}, is not the one that was chosen.",
                    mend="toolhone selector use default",
                )
            )
    return count


def _artifact(model: ModelRecord) -> str | None:
    """What is wrong with the files of a model."""
    folder = Path(model.path or "")
    if not folder.is_dir():
        return f"The files of the model {model.model_id} are not in {str(folder)!r}."
    if model.provider is FinetuningProvider.SELECTOR:
        if not _has_hash(folder / MANIFEST, model.artifact_hash):
            return f"The model {model.model_id} in {str(folder)!r} was changed."
        return _encoder(folder)
    if folder_hash(folder) != model.artifact_hash:
        return f"The model {model.model_id} in {str(folder)!r} was changed."
    return None


def _encoder(folder: Path) -> str | None:
    """What is wrong with an encoder's files; nothing is loaded."""
    try:
        files = Manifest.model_validate_json((folder / MANIFEST).read_bytes()).files
    except (OSError, ValidationError):
        return f"The encoder in {str(folder)!r} has no {MANIFEST} that can be read."
    changed = [name for name, sha256 in files.items() if not _has_hash(folder / name, sha256)]
    return f"{changed[0]} of the encoder in {str(folder)!r} was changed." if changed else None


def _has_hash(path: Path, sha256: str) -> bool:
    try:
        return hash_of(path) == sha256
    except OSError:
        return False
