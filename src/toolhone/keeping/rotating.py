"""JSON lines in files that rotate: the newest grows for a day or to a size, the oldest go.

Every line has a `seq`, which rises from line to line. So the last whole line says how far the writing came,
whatever killed the writer, and a half line after it is cut off before the next is written. All methods
block, and are for whoever holds the lock of the folder.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from toolhone.models import JsonObject
from toolhone.whole_files import sync_folder

_STAMP = "%Y%m%d_%H%M%S_%f"
_STAMPED = re.compile(r"\d{8}_\d{6}_\d{6}")
_SUFFIX = ".jsonl"
_PARTIAL = ".partial"
_BLOCK = 1024 * 1024


class RotatingLines:
    """The files `STEM_TIME.jsonl` of a folder, of which the newest may have a fixed name instead."""

    def __init__(self, folder: Path, stem: str, *, current: str | None, largest: int) -> None:
        """Take the names.

        Args:
            current: The name of the file that grows. `None`: it has its time from the beginning.
            largest: Bytes after which a file is not added to.
        """
        self._folder = folder
        self._stem = stem
        self._current = None if current is None else folder / current
        self._largest = largest

    def files(self) -> list[Path]:
        """The oldest first."""
        stamped = sorted(
            path
            for path in self._folder.glob(f"{self._stem}_*{_SUFFIX}")
            if _STAMPED.fullmatch(path.stem.removeprefix(f"{self._stem}_"))
        )
        return stamped + ([self._current] if self._current is not None and self._current.exists() else [])

    def mend(self) -> None:
        """Undo what a death in the middle of a writing left."""
        for path in self._folder.glob(f"{self._stem}*{_PARTIAL}"):
            path.unlink()
        for path in self.files()[-1:]:
            whole = _whole(path)
            if whole < path.stat().st_size:
                os.truncate(path, whole)

    def last(self) -> JsonObject | None:
        """The last line; `None` if there is none."""
        for path in reversed(self.files()):
            if (line := _last_line(path)) is not None:
                return line
        return None

    def add(self, lines: Sequence[JsonObject], *, now: datetime) -> None:
        """Write the lines; they are on the disk itself on return."""
        if not lines:
            return
        self.rotate(now=now)
        path = self._growing(now)
        new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for line in lines:
                file.write(_spelled(line))
            file.flush()
            os.fsync(file.fileno())
        if new:
            sync_folder(self._folder)

    def rotate(self, *, now: datetime) -> None:
        """Let the file that grows be one of the old, if it is of another day or large enough."""
        current = self._current
        if current is None or not current.exists():
            return
        about = current.stat()
        if about.st_size >= self._largest or not _same_day(about.st_mtime, now):
            current.rename(self._stamped(now))
            sync_folder(self._folder)

    def drop(self, *, most: int, before: datetime | None) -> None:
        """Delete the oldest: more files than `most`, and what became an old file before a moment."""
        files = self.files()
        for number, path in enumerate(files):
            if len(files) - number > most or (before is not None and self._time(path) < before):
                _destroy(path)

    def change(self, changed: Callable[[JsonObject], JsonObject | None]) -> int:
        """Write files anew in which `changed` says something else of a line; `None` leaves it out.

        Each is replaced as a whole, and what it was is overwritten. Returns how many lines were changed.
        """
        return sum(_rewritten(path, changed) for path in self.files())

    def _growing(self, now: datetime) -> Path:
        if self._current is not None:
            return self._current
        files = self.files()
        if files and files[-1].stat().st_size < self._largest and self._time(files[-1]).date() == now.date():
            return files[-1]
        return self._stamped(now)

    def _stamped(self, now: datetime) -> Path:
        stamped = [path for path in self.files() if path != self._current]
        # A clock that was set back must not put a new file among the old.
        at = max(now, self._time(stamped[-1]) + timedelta(microseconds=1)) if stamped else now
        return self._folder / f"{self._stem}_{at.astimezone(UTC):{_STAMP}}{_SUFFIX}"

    def _time(self, path: Path) -> datetime:
        if path == self._current:
            return datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return datetime.strptime(path.stem.removeprefix(f"{self._stem}_"), _STAMP).replace(tzinfo=UTC)


def _same_day(seconds: float, now: datetime) -> bool:
    return datetime.fromtimestamp(seconds, UTC).date() == now.astimezone(UTC).date()


def _spelled(line: JsonObject) -> bytes:
    # backslashreplace: what UTF-8 cannot spell becomes JSON's own escape for it.
    return json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def _whole(path: Path) -> int:
    """The bytes of the whole lines of a file."""
    end = path.stat().st_size
    with path.open("rb") as file:
        while end > 0:
            start = max(0, end - _BLOCK)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
    return 0


def _last_line(path: Path) -> JsonObject | None:
    end = _whole(path)
    if not end:
        return None
    tail, start = b"", end - 1
    with path.open("rb") as file:
        while start > 0 and b"\n" not in tail:
            begin = max(0, start - _BLOCK)
            file.seek(begin)
            tail = file.read(start - begin) + tail
            start = begin
    return json.loads(tail.rpartition(b"\n")[2])


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


def _rewritten(path: Path, changed: Callable[[JsonObject], JsonObject | None]) -> int:
    found = 0
    for line in _lines(path):
        entry: JsonObject = json.loads(line)
        found += changed(entry) != entry
    if not found:
        return 0
    partial = path.with_name(f"{path.name}{_PARTIAL}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        for line in _lines(path):
            entry = json.loads(line)
            new = changed(entry)
            if new == entry:
                file.write(line)
            elif new is not None:
                file.write(_spelled(new))
        file.flush()
        os.fsync(file.fileno())
    # It stays of the day that it is of.
    shutil.copystat(path, partial)
    with path.open("r+b") as old:
        partial.replace(path)
        sync_folder(path.parent)
        _overwrite(old.fileno())
    return found


def _destroy(path: Path) -> None:
    """Overwrite a file with zeros and remove it. A disk that copies on write may keep it yet."""
    with path.open("r+b") as file:
        path.unlink()
        _overwrite(file.fileno())


def _overwrite(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    os.lseek(descriptor, 0, os.SEEK_SET)
    for start in range(0, size, _BLOCK):
        os.write(descriptor, bytes(min(_BLOCK, size - start)))
    os.fsync(descriptor)
