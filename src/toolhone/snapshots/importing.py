"""Snapshots from a JSONL stream: good lines are kept batch by batch, bad ones reported by their number."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

import anyio.to_thread

from toolhone.exceptions import InvalidRequestError, StorageError
from toolhone.json_values import parse_json
from toolhone.models import Caller, Json
from toolhone.records.snapshots import NewSnapshot
from toolhone.snapshots.validation import LARGEST_SNAPSHOT, new_snapshot

BATCH = 500
"""Snapshots in one transaction."""

PROBLEMS_NAMED = 100
"""Of more bad lines than these only the number is reported."""

_LONGEST_LINE = 6 * LARGEST_SNAPSHOT
"""Bytes. JSON may write each character of a snapshot as an escape of six."""

_BOM = b"\xef\xbb\xbf"


class Collect(Protocol):
    """Keeps snapshots; see `Collector.collect`."""

    def __call__(self, snapshots: Sequence[NewSnapshot], *, caller: Caller) -> Awaitable[list[str]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a line was not kept."""

    line: int
    why: str


@dataclass(slots=True)
class Imported:
    """What became of a stream."""

    lines: int = 0
    """Read so far, empty ones too."""
    read: int = 0
    """Bytes of them."""
    kept: int = 0
    refused: int = 0
    problems: list[Problem] = field(default_factory=list[Problem])
    """The first of those that were refused."""


async def collect_lines(
    stream: BinaryIO,
    collect: Collect,
    *,
    caller: Caller,
    progress: Callable[[Imported], None] = lambda so_far: None,
) -> Imported:
    """Keep a snapshot for each line. A bad line does not keep its neighbours from being kept.

    Args:
        stream: Read in a worker thread.
        collect: Keeps a batch.
        caller: Who imports.
        progress: Told after each batch how far it has come.

    Raises:
        StorageError: A batch could not be kept; the message says up to which line all were.
    """
    imported = Imported()
    while True:
        settled = imported.lines
        batch, more = await anyio.to_thread.run_sync(_read_batch, stream, imported)
        try:
            if batch:
                imported.kept += len(await collect(batch, caller=caller))
        except StorageError as exc:
            raise StorageError(
                f"The import stopped: {exc.message} Lines 1 to {settled} were dealt with "
                f"({imported.kept} kept); go on from line {settled + 1}.",
                data={**exc.data, "kept": imported.kept, "next_line": settled + 1},
            ) from exc
        progress(imported)
        if not more:
            return imported


def _read_batch(stream: BinaryIO, imported: Imported) -> tuple[list[NewSnapshot], bool]:
    """The snapshots of the next lines, and whether there may be more."""
    batch: list[NewSnapshot] = []
    size = 0
    while len(batch) < BATCH and size < _LONGEST_LINE:
        line = _read_line(stream, imported)
        if line is None:
            return batch, False
        size += len(line)
        try:
            if len(line) > _LONGEST_LINE:
                raise InvalidRequestError(f"The line is longer than {_LONGEST_LINE} bytes.")
            if line.strip():
                batch.append(new_snapshot(_parsed(line)))
        except InvalidRequestError as exc:
            imported.refused += 1
            if len(imported.problems) < PROBLEMS_NAMED:
                imported.problems.append(Problem(line=imported.lines, why=exc.message))
    return batch, True


def _read_line(stream: BinaryIO, imported: Imported) -> bytes | None:
    """The next line; of one that is too long the beginning. `None` at the end."""
    line = stream.readline(_LONGEST_LINE + 1)
    if not line:
        return None
    imported.read += len(line)
    rest = line
    while not rest.endswith(b"\n") and len(rest) > _LONGEST_LINE:
        rest = stream.readline(_LONGEST_LINE + 1)
        imported.read += len(rest)
    imported.lines += 1
    return line.removeprefix(_BOM) if imported.lines == 1 else line


def _parsed(line: bytes) -> Json:
    try:
        return parse_json(line.decode("utf-8"))
    except UnicodeDecodeError as exc:
        raise InvalidRequestError(f"The line is not UTF-8: {exc.reason} at byte {exc.start}.") from exc
    except ValueError as exc:
        raise InvalidRequestError(f"The line is not JSON: {exc}.") from exc
