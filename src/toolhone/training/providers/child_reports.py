"""What a training writes into its run folder and its parent reads there; both sides use it.

`metrics.jsonl` grows by one line a report and is followed while it grows; `status.json` is the training's
last word, written as a whole or not at all. A training that has not left its last word was cut off.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import cast

from toolhone.identifiers import utc_timestamp
from toolhone.models import Json, JsonObject
from toolhone.training.private_files import open_private
from toolhone.training.providers.provider import Phase
from toolhone.whole_files import whole_file

METRICS = "metrics.jsonl"
STATUS = "status.json"
CONFIG = "config.json"

STARTED = "start"
"""The key that marks the lines the parent writes when it starts the child; its value counts them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One line of the metrics file."""

    end: int
    """Where the line ends in the file: its place among all, which never changes."""
    at: str
    message: str
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    start: int | None = None
    """Not `None`: here the child was started, and how often by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A training's last word."""

    phase: Phase
    """`succeeded`, `failed` or `cancelled`."""
    raw: str
    """The same more exactly, if need be: `cost_stopped`, say."""
    at: str
    error: str | None = None
    result: JsonObject = field(default_factory=dict[str, Json])


class Reporter:
    """The child's side: writes reports and the last word."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def config(self) -> JsonObject:
        """What the parent wants done."""
        return json.loads((self._folder / CONFIG).read_text(encoding="utf-8"))

    def report(self, message: str, metrics: Mapping[str, float] | None = None) -> None:
        """Add a report. It outlives the death of this process, though not of the machine."""
        append_report(
            self._folder, {"at": utc_timestamp(), "message": message, "metrics": dict(metrics or {})}
        )

    def finish(
        self, phase: Phase, *, raw: str = "", error: str | None = None, result: JsonObject | None = None
    ) -> None:
        """Leave the last word. Nothing may follow."""
        about: JsonObject = {"phase": phase.value, "raw": raw or phase.value, "at": utc_timestamp()}
        write_whole(self._folder / STATUS, {**about, "error": error, "result": result or {}})


def append_report(folder: Path, line: JsonObject) -> None:
    """Add a line to the metrics file, behind the torn end of a writer that was killed, if there is one."""
    # One write of the whole line, so that a reader never sees lines of two writers mixed.
    with open_private(folder / METRICS, "ab+", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        torn = size > 0 and file.read(1) != b"\n"
        text = json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n"
        file.write((b"\n" if torn else b"") + text.encode("utf-8", "replace"))


def read_reports(folder: Path, after: int = 0) -> list[Report]:
    """The whole lines that end behind this place, oldest first. Torn lines are left out."""
    try:
        with (folder / METRICS).open("rb") as file:
            file.seek(after)
            new = file.read()
    except FileNotFoundError:
        return []
    reports: list[Report] = []
    end = after
    for line in new.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break  # still being written
        end += len(line)
        report = _report(line, end)
        if report is not None:
            reports.append(report)
    return reports


def seconds_at_work(reports: Sequence[Report], now: datetime | None = None) -> float:
    """How long all starts worked, as far as their reports tell.

    Args:
        now: The child works until now; `None`: it ended with its last report, as far as is known.
    """
    moments = [(datetime.fromisoformat(report.at), report.start) for report in reports]
    if moments and now is not None:
        moments.append((now, None))
    # What lies between the last report of one start and the next start is no work.
    return sum(
        (moment - before).total_seconds()
        for (before, _), (moment, start) in pairwise(moments)
        if start is None
    )


def read_status(folder: Path) -> Status | None:
    """The last word, if it was left."""
    about = read_whole(folder / STATUS)
    if about is None:
        return None
    error: Json = about.get("error")
    return Status(
        phase=Phase(about["phase"]),
        raw=str(about["raw"]),
        at=str(about["at"]),
        error=None if error is None else str(error),
        result=cast("JsonObject", about.get("result") or {}),
    )


def write_whole(path: Path, value: JsonObject) -> None:
    """Replace the file in one step: whoever reads it, even after a crash, sees the old value or the new."""
    with whole_file(path) as file:
        file.write(f"{json.dumps(value, ensure_ascii=False, indent=2)}\n".encode())


def read_whole(path: Path) -> JsonObject | None:
    """What `write_whole` wrote; `None` if there is no such file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def _report(line: bytes, end: int) -> Report | None:
    try:
        about: Json = json.loads(line)
    except ValueError:
        return None
    if not isinstance(about, dict):
        return None
    about = cast("JsonObject", about)
    metrics = cast("JsonObject", about.get("metrics") or {})
    start: Json = about.get(STARTED)
    return Report(
        end=end,
        at=str(about.get("at", "")),
        message=str(about.get("message", "")),
        metrics={str(name): float(value) for name, value in metrics.items()},
        start=start if isinstance(start, int) else None,
    )
