"""Snapshots and the audit as JSON lines in a folder, in the layout known from before, kept up to date.

    FOLDER/agent_finetuning/snapshots_TIME.jsonl    snapshots, each once
    FOLDER/logs/tool_calls_audit.jsonl              the audit, each row once; older ones as …_TIME.jsonl
    FOLDER/.toolhone-export.json                    of which data folder, and how far it came at least
    FOLDER/.toolhone-export.lock                    held by whoever writes

How far an export came is said by its last line, so none is lost or there twice, however a writer ends. The
file beside it says so where no line does any more: they were erased, are too old, or were taken away. If
the data folder is another than was exported, brought back from a backup, say, its exports are put aside.

An erasure holds the lock while it takes lines out, and until the stores have forgotten them too: nothing
that goes is exported in between.
"""

import json
import logging
from collections.abc import AsyncGenerator, Callable, Collection, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import anyio.from_thread
import anyio.to_thread

from toolhone.exceptions import ConflictError, InvalidRequestError, StorageError
from toolhone.keeping.lock import FileLock
from toolhone.keeping.rotating import RotatingLines
from toolhone.models import EventKind, JsonObject, canonical_json
from toolhone.records.stores import SnapshotStore
from toolhone.snapshots.exporting import snapshot_line
from toolhone.stores import AuditQuery, AuditStore
from toolhone.whole_files import whole_file

logger = logging.getLogger(__name__)

AT_ONCE = 500
PATIENCE = 60.0
"""Seconds that an erasure or a command waits for who exports now."""

STATE = ".toolhone-export.json"
LOCK = ".toolhone-export.lock"
ASIDE = "before-"
PARTS = ("agent_finetuning", "logs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written in one go."""

    snapshots: int
    rows: int
    """Of the audit."""

    def as_json(self) -> JsonObject:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportsNow:
    """What there is in the folder of exports, with what was set aside there."""

    folder: Path
    files: int
    size: int
    """Bytes."""
    last_written: str | None
    """When a line was last added: UTC; `None` before the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """When files are ended, and when they go."""

    largest: int
    """Bytes after which the next file is begun; each day begins one too."""
    most: int
    """Files that are kept of each kind."""
    audit_days: int
    """How long a file of the audit is kept at most; 0 is for ever. Likewise of snapshots."""
    snapshot_days: int


class Exports:
    """The exports of a data folder. Any number of processes may keep the same folder up to date."""

    def __init__(
        self,
        folder: Path | None,
        data: Path,
        *,
        open_audit: Callable[[], AuditStore],
        open_snapshots: Callable[[], SnapshotStore],
        rotation: Rotation,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Take the stores, opened when first needed.

        Args:
            folder: Where to; `None`: nothing is exported.
            data: The data folder. Two of them cannot share an export.
        """
        self._folder = folder
        self._data = str(data.absolute())
        self._open_audit = open_audit
        self._open_snapshots = open_snapshots
        self._rotation = rotation
        self._clock = now

    @property
    def wanted(self) -> bool:
        return self._folder is not None

    def now(self) -> ExportsNow | None:
        """What there is now; `None` if nothing is exported. Blocks.

        Raises:
            StorageError: The folder cannot be read, or its files go just now.
        """
        if self._folder is None:
            return None
        with _translated(self._folder):
            lines = [one for root in _roots(self._folder) for one in self._lines(root)]
            about = [path.stat() for one in lines for path in one.files()]
        last = max((one.st_mtime for one in about), default=None)
        return ExportsNow(
            folder=self._folder,
            files=len(about),
            size=sum(one.st_size for one in about),
            last_written=None
            if last is None
            else datetime.fromtimestamp(last, UTC).isoformat("T", "seconds"),
        )

    async def export(self, *, patience: float = PATIENCE) -> Exported:
        """Write what came since the last time.

        Args:
            patience: Seconds to wait for another process that does so; what it writes is not told here.

        Raises:
            InvalidRequestError: No folder is named, or it has the exports of another data folder.
            ConflictError: Another process writes there for longer than that.
            StorageError: Something cannot be read or written.
        """
        folder = self._folder
        if folder is None:
            raise InvalidRequestError("No folder for exports is named: set export_folder.")
        return await anyio.to_thread.run_sync(self._export, folder, patience)

    @asynccontextmanager
    async def forgetting(
        self, *, snapshots: Collection[str] = (), events: Collection[str] = ()
    ) -> AsyncGenerator[int]:
        """Take these snapshots, and what these rows of the audit hold, out of the exports; yields how many.

        Nothing is exported until the context ends, so that what is erased in it is not written in between.

        Raises:
            ConflictError, StorageError: As `export`.
        """
        folder = self._folder
        if folder is None or not (folder / STATE).exists():
            yield 0
            return
        lock = FileLock(folder / LOCK)
        await anyio.to_thread.run_sync(self._acquire, lock, folder, PATIENCE)
        try:
            gone, emptied = frozenset(snapshots), frozenset(events)
            yield await anyio.to_thread.run_sync(self._forget, folder, gone, emptied)
        finally:
            lock.release()

    def _export(self, folder: Path, patience: float) -> Exported:
        with _translated(folder):
            for part in (folder, *(folder / name for name in PARTS)):
                part.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        self._acquire(lock, folder, patience)
        try:
            with _translated(folder):
                return self._written(folder)
        finally:
            lock.release()

    def _acquire(self, lock: FileLock, folder: Path, patience: float) -> None:
        with _translated(folder):
            if not lock.acquire(patience=patience, check=anyio.from_thread.check_cancelled):
                raise ConflictError(
                    f"Another process has been writing in {str(folder)!r} for {patience:.0f} s. Try again."
                )

    def _written(self, folder: Path) -> Exported:
        audit, snapshots = self._open_audit(), self._open_snapshots()
        try:
            if not self._is_known(folder, audit, snapshots):
                _set_aside(folder, self._clock())
            state = self._state(folder)
            of_snapshots, of_audit = self._lines(folder)
            exported = Exported(
                snapshots=self._add_snapshots(of_snapshots, state, snapshots),
                rows=self._add_rows(of_audit, state, audit),
            )
        finally:
            audit.close()
            snapshots.close()
        _keep(folder, state)
        of_audit.rotate(now=self._clock())
        for root in _roots(folder):
            self._drop(*self._lines(root))
        return exported

    def _is_known(self, folder: Path, audit: AuditStore, snapshots: SnapshotStore) -> bool:
        """Whether the stores are those that were exported; a data folder may have been brought back."""
        state = self._state(folder)
        of_snapshots, of_audit = self._lines(folder)
        for lines in (of_snapshots, of_audit):
            lines.mend()
        _advance(state, of_snapshots, of_audit)
        if state["snapshots"] > snapshots.added(0, 0)[1]:
            return False
        row = _after(audit, state["audit"] - 1, 1) if state["audit"] else []
        return not state["audit"] or [one["row_hash"] for one in row] == [state["row_hash"]]

    def _add_rows(self, lines: RotatingLines, state: JsonObject, store: AuditStore) -> int:
        _advance(state, None, lines)
        count = 0
        while rows := _after(store, state["audit"], AT_ONCE):
            anyio.from_thread.check_cancelled()
            lines.add([audit_line(row) for row in rows], now=self._clock())
            count += len(rows)
            state["audit"], state["row_hash"] = rows[-1]["seq"], rows[-1]["row_hash"]
        return count

    def _add_snapshots(self, lines: RotatingLines, state: JsonObject, store: SnapshotStore) -> int:
        _advance(state, lines, None)
        count = 0
        while found := store.added(state["snapshots"], AT_ONCE)[0]:
            anyio.from_thread.check_cancelled()
            lines.add([{**snapshot_line(one), "seq": seq} for seq, one in found], now=self._clock())
            count += len(found)
            state["snapshots"] = found[-1][0]
        return count

    def _drop(self, snapshots: RotatingLines, audit: RotatingLines) -> None:
        now, rotation = self._clock(), self._rotation
        for lines, days in ((snapshots, rotation.snapshot_days), (audit, rotation.audit_days)):
            lines.drop(most=rotation.most, before=now - timedelta(days=days) if days else None)

    def _forget(self, folder: Path, snapshots: frozenset[str], events: frozenset[str]) -> int:
        def without(line: JsonObject) -> JsonObject | None:
            return None if line["snapshot_id"] in snapshots else line

        def emptied(line: JsonObject) -> JsonObject:
            return _emptied(line) if line["audit_id"] in events else line

        changed = 0
        with _translated(folder):
            state = self._state(folder)
            of_snapshots, of_audit = self._lines(folder)
            for lines in (of_snapshots, of_audit):
                lines.mend()
            _advance(state, of_snapshots, of_audit)
            _keep(folder, state)  # before lines go that say so
            for root in _roots(folder):
                anyio.from_thread.check_cancelled()
                of_snapshots, of_audit = self._lines(root)
                changed += of_snapshots.change(without) + of_audit.change(emptied)
        return changed

    def _lines(self, folder: Path) -> tuple[RotatingLines, RotatingLines]:
        largest = self._rotation.largest
        return (
            RotatingLines(folder / "agent_finetuning", "snapshots", current=None, largest=largest),
            RotatingLines(
                folder / "logs", "tool_calls_audit", current="tool_calls_audit.jsonl", largest=largest
            ),
        )

    def _state(self, folder: Path) -> JsonObject:
        path = folder / STATE
        if not path.exists():
            state: JsonObject = {"data": self._data, "audit": 0, "row_hash": None, "snapshots": 0}
            _keep(folder, state)
            return state
        try:
            state = json.loads(path.read_bytes())
            whose = state["data"]
        except (ValueError, KeyError, TypeError) as exc:
            raise StorageError(f"{str(path)!r} is damaged. Move its folder away to export anew.") from exc
        if whose != self._data:
            raise InvalidRequestError(
                f"{str(folder)!r} has the exports of the data folder {whose!r}. Name another export_folder."
            )
        return state


def audit_line(row: JsonObject) -> JsonObject:
    """A row of the audit in the form known from before: readers of it look for these two fields too.

    Tools have no such levels here, so they are null.
    """
    return {**row, "permission_level": None, "risk_level": None}


def _emptied(line: JsonObject) -> JsonObject:
    """The line of a row that holds nothing any more, as the store shows it. Erasures stay as they are."""
    if line["kind"] == EventKind.ERASURE:
        return line
    code = line["error_code"]
    said = {"error": code, "violation_reason": code if line["violation"] else None}
    return {**line, **said, "parameters": None, "result": None, "details": {}, "erased": True}


def _advance(state: JsonObject, snapshots: RotatingLines | None, audit: RotatingLines | None) -> None:
    """Let the state say how far the lines came, if that is farther than it says."""
    last = (audit and audit.last()) or {}
    if last.get("seq", 0) > state["audit"]:
        state["audit"], state["row_hash"] = last["seq"], last["row_hash"]
    last = (snapshots and snapshots.last()) or {}
    state["snapshots"] = max(state["snapshots"], last.get("seq", 0))


def _roots(folder: Path) -> list[Path]:
    """Where exports are: the folder, and those in it that were set aside."""
    return [folder, *sorted(folder.glob(f"{ASIDE}*"))]


def _set_aside(folder: Path, now: datetime) -> None:
    """Put everything aside, so that exports begin anew. If it is interrupted, it is done again."""
    aside = folder / f"{ASIDE}{now.astimezone(UTC):%Y%m%d_%H%M%S_%f}"
    logger.warning(
        "%s has exports of another data folder: they are put aside as %s, and all is exported.",
        folder,
        aside.name,
    )
    aside.mkdir(mode=0o700)
    for name in PARTS:
        if (folder / name).exists():
            (folder / name).rename(aside / name)
        (folder / name).mkdir(mode=0o700)
    (folder / STATE).unlink()


def _after(store: AuditStore, seq: int, limit: int) -> list[JsonObject]:
    return store.query(AuditQuery(after=seq, limit=limit, newest_first=False))


def _keep(folder: Path, state: JsonObject) -> None:
    with whole_file(folder / STATE) as file:
        file.write(canonical_json(state).encode())


@contextmanager
def _translated(folder: Path) -> Generator[None]:
    try:
        yield
    except OSError as exc:
        raise StorageError(
            f"The exports in {str(folder)!r} cannot be kept up to date: {exc.strerror or exc}. "
            "Check that the disk has room and that this user may write there."
        ) from exc
