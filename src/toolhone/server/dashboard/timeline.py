"""A request's calls over time: from audit rows to a drawing of bars and arrows. Pure.

A row of a call is written when the call has ended, so its bar ends at the row's timestamp and is as long as
the call took; time in queues is not in that, and stands before the bar. A repair or a retry is a mark on the
line of its call. An arrow leads from the call that a reference names to the call that waited for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from toolhone.exceptions import InvalidRequestError
from toolhone.execution.plan import references
from toolhone.json_values import is_object
from toolhone.models import EventKind, Json, JsonObject
from toolhone.server.dashboard.formats import milliseconds

LABELS = 240.0
WIDTH = 960.0
ASIDE = 110.0
"""Room on the right, for what is said behind a bar."""
LINE = 30.0
BAR = 14.0
TOP = 26.0
LEAST = 3.0
"""So that what took no time is seen."""

LABEL_CHARACTERS = 34

MOST_LINES = 200
"""More are in the table only."""

CALLS = frozenset({EventKind.CALL, EventKind.REFUSAL})
MARKS = frozenset({EventKind.REPAIR, EventKind.RETRY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something that happened on the way of a call."""

    x: float
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One call, or one other event of the request."""

    id: str
    """The anchor of its details on the page."""
    slot: str | None
    label: str
    y: float
    """The middle of its bar."""
    x: float
    width: float
    tone: str
    """`""`, `failed`, or `other` for what is no call."""
    started_ms: float
    """After the request's first moment."""
    took_ms: float
    said: str
    """Behind the bar."""
    row: JsonObject
    needs: tuple[str, ...] = ()
    """The slots of the calls whose answers it waited for."""
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """From the end of a call to the start of one that needed its answer, as an SVG path."""

    path: str
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    x: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """What the template draws; sizes are in units of its view box."""

    width: float
    height: float
    left: float
    lines: tuple[Line, ...]
    arrows: tuple[Arrow, ...]
    ticks: tuple[Tick, ...]
    total_ms: float
    drawn: int
    """How many lines are drawn; the table has all."""


@dataclass(slots=True)
class _Span:
    row: JsonObject
    start: float
    end: float
    """Seconds since the epoch."""
    marks: list[JsonObject] = field(default_factory=list[JsonObject])


def timeline(rows: Sequence[JsonObject]) -> Timeline:
    """The drawing of one request's rows, in whatever order they come."""
    spans = sorted(_spans(rows), key=lambda span: (span.start, span.row["seq"]))
    first = min((span.start for span in spans), default=0.0)
    last = max((span.end for span in spans), default=0.0)
    total = max(last - first, 0.001)
    room = WIDTH - LABELS - ASIDE

    def x_of(moment: float) -> float:
        return round(LABELS + (moment - first) / total * room, 1)

    lines = tuple(
        _line(span, TOP + LINE * index + LINE / 2, x_of, (span.start - first) * 1000)
        for index, span in enumerate(spans)
    )
    drawn = min(len(lines), MOST_LINES)
    return Timeline(
        width=WIDTH,
        height=TOP + LINE * drawn + 6,
        left=LABELS,
        lines=lines,
        arrows=tuple(_arrows(lines[:drawn])),
        ticks=tuple(
            Tick(x=x_of(first + moment / 1000), text=milliseconds(moment)) for moment in _ticks(total * 1000)
        ),
        total_ms=round((last - first) * 1000, 3),
        drawn=drawn,
    )


def _spans(rows: Sequence[JsonObject]) -> list[_Span]:
    spans: list[_Span] = []
    calls: dict[str, _Span] = {}
    for row in rows:
        if row["kind"] in MARKS:
            continue
        end = _seconds(row["timestamp"])
        span = _Span(row, end - (row["execution_time_ms"] or 0.0) / 1000, end)
        spans.append(span)
        if row["call_id"]:
            calls[row["call_id"]] = span
    for row in rows:
        if row["kind"] in MARKS:
            span = calls.get(row["call_id"] or "")
            if span is None:  # its call has not ended, or the process did before it
                moment = _seconds(row["timestamp"])
                spans.append(_Span(row, moment, moment))
            else:
                span.marks.append(row)
    return spans


def _line(span: _Span, y: float, x_of: Callable[[float], float], started_ms: float) -> Line:
    row = span.row
    is_call = row["kind"] in CALLS
    failed = row["success"] is False
    x = x_of(span.start)
    label = row["tool_name"] if is_call else row["kind"].replace("_", " ")
    name = str(label or row["kind"])
    said = milliseconds(row["execution_time_ms"]) if row["execution_time_ms"] is not None else ""
    if failed:
        said = str(row["error_code"] or "failed")
    return Line(
        id=f"row-{row['seq']}",
        slot=row["slot"],
        label=name if len(name) <= LABEL_CHARACTERS else f"{name[: LABEL_CHARACTERS - 1]}…",
        y=y,
        x=x,
        width=max(LEAST, round(x_of(span.end) - x, 1)),
        tone="failed" if failed else ("" if is_call else "other"),
        started_ms=round(started_ms, 3),
        took_ms=round((span.end - span.start) * 1000, 3),
        said=said if len(said) <= 22 else f"{said[:21]}…",
        row=row,
        needs=_needs(row["parameters"]),
        marks=tuple(
            Mark(x=min(max(x_of(_seconds(mark["timestamp"])), LABELS), WIDTH - ASIDE), what=_marked(mark))
            for mark in span.marks
        ),
    )


def _marked(row: JsonObject) -> str:
    details: JsonObject = row["details"]
    if row["kind"] == EventKind.REPAIR:
        return f"repaired: {details.get('repair', '')}"
    return f"tried again: {row['error'] or row['error_code'] or ''}"


def _needs(arguments: Json) -> tuple[str, ...]:
    """The slots that the recorded arguments refer to; what was redacted or left out refers to none."""
    if not is_object(arguments):
        return ()
    try:
        return tuple(sorted({one.source for one in references(arguments)}))
    except InvalidRequestError:  # the call was refused for it, and its row says so
        return ()


def _arrows(lines: Sequence[Line]) -> list[Arrow]:
    by_slot = {line.slot: line for line in lines if line.slot is not None}
    arrows: list[Arrow] = []
    for line in lines:
        for slot in line.needs:
            source = by_slot.get(slot)
            if source is None or source is line:
                continue
            start, end = source.x + source.width, line.x
            if end > start + 8:
                path = f"M{start:.1f} {source.y:.1f}h3V{line.y:.1f}H{end - 1:.1f}"
            else:  # no room to come from the left: from above, onto its bar
                path = f"M{start:.1f} {source.y:.1f}H{max(start, end) + 1:.1f}V{line.y - BAR / 2:.1f}"
            arrows.append(Arrow(path=path, told=f"{line.slot or line.label} needs {slot}"))
    return arrows


def _ticks(total_ms: float) -> list[float]:
    """Round moments, four to eight of them."""
    step = 1.0
    while total_ms / step < 4:
        step /= 10
    for factor in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000):
        if total_ms / (step * factor) <= 8:
            step *= factor
            break
    else:
        step = total_ms / 6
    return [index * step for index in range(int(total_ms / step) + 1)]


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
