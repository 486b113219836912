"""From audit rows to lessons: for which task a tool was shown, at which place, and what came of it. Pure.

What a log can say is biased, and each bias is met by one rule:

- Only shown tools can be called. So tools that were neither shown nor called are no evidence at all, neither
  for nor against; a call of a tool that was not shown (its name stood in the roster, say) counts half.
- Tools further down are seen less. A call counts by the inverse of how likely its place is looked at
  (inverse propensity, Joachims, Swaminathan and Schnabel 2017), 1 / sqrt(place), clipped so that no call
  weighs more than twice another. Being ignored counts only above the last called tool ("skip above", Joachims
  2002): what stood below was perhaps not read.
- What is served looks perfect in its own log: where it missed the tool, mostly nothing was called. So when
  rankings are judged, a request whose tool was found otherwise stands for such without a call too.
- Who calls most would decide for all. Of one caller only the newest requests count for each tool.
"""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from sys import intern
from typing import TypeAlias, cast

from toolhone.models import EventKind, Json, JsonObject

WITHIN = timedelta(minutes=30)
"""A later call is not counted as made for the task."""

WITHIN_OTHERWISE = timedelta(minutes=5)
"""The same for a call of a tool that was not shown: only the time says that they belong together."""

SUCCEEDED = 1.0
CALLED = 0.5
"""The outcome is unknown, or says nothing about the tool: it was cancelled, its server was down."""
FOUND_OTHERWISE = 0.5
"""The share of a call's credit if the tool was not shown."""

FAILED = -1.0
IGNORED = -0.25

MOST_BY_PLACE = 2.0
"""Where the inverse propensity is clipped."""

MISSED = 0.5
"""The share of the requests without a call that is taken for missed tools; the others needed none."""

MOST_STANDS_FOR = 3.0

MOST_OF_A_CALLER = 50
"""Requests of one caller that count for one tool."""

MOST_OPEN = 1_000
"""Requests of one caller that a call may belong to: a program may ask hundreds of times a second."""

UNFIT = frozenset({"tool_failed", "invalid_output"})
"""Errors of the tool itself. All others (a timeout, a refused argument) are met by tools that fit too."""

Caller: TypeAlias = tuple[Json, Json]
"""Principal and session."""

KINDS = (EventKind.SELECTION.value, EventKind.CALL.value)
"""The rows that `gather` reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberedTask:
    """What the audit kept of a task: its redacted text, or else its vector and how the first tools scored."""

    text: str | None = None
    vector: tuple[int, ...] = ()
    """Its direction, in whole numbers from -127 to 127."""
    encoder: str = ""
    candidates: Mapping[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    """Score without use and BM25 by tool, because without the text they cannot be computed again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one request says about one tool."""

    tool: str
    place: int | None
    """1 is the first; `None` if it was not shown."""
    credit: float
    """Above 0 speaks for it, below against it. Tools that a task needed together share the credit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """One request that led to a call."""

    id: str
    """Of the audit row."""
    asked_at: str
    principal: str
    task: RememberedTask
    shown: tuple[str, ...]
    """Best first."""
    outcomes: tuple[Outcome, ...]
    stands_for: float = 1.0
    """How many requests like it there were, if those without a call are counted in."""

    @property
    def called(self) -> tuple[str, ...]:
        """The tools that served the task."""
        return tuple(outcome.tool for outcome in self.outcomes if outcome.credit > 0)


@dataclass(slots=True)
class _Request:
    """A selection and the calls that belong to it, while the rows are read."""

    number: int
    """Later requests have higher ones."""
    id: str
    asked_at: str
    moment: datetime
    principal: str
    task: RememberedTask
    shown: tuple[str, ...]
    roster: tuple[str, ...]
    """Named, but not described."""
    pinned: frozenset[str]
    best: dict[str, float] = field(default_factory=dict[str, float])
    """The best outcome of each tool that was called for it."""


class Gathering:
    """What audit rows teach, taken in as they are read, oldest first.

    A call belongs to the latest request of the same principal and session that showed or named its tool; if
    none did, to the latest. Requests without a call say nothing: perhaps none was needed. Time and memory
    are in proportion to the rows that have something to say, however many a caller asks for in a minute.
    """

    def __init__(self) -> None:
        self._open: dict[Caller, deque[_Request]] = defaultdict(deque)
        """Requests that may still get a call, by who made them."""
        self._showing: dict[tuple[Caller, str], _Request] = {}
        """The latest of them that showed or named a tool."""
        self._lessons: list[tuple[int, Lesson]] = []
        self._without_call = 0
        self._number = 0

    def take(self, rows: Iterable[JsonObject]) -> None:
        """Read on."""
        for row in rows:
            caller = (row["user_id"], row["session"])
            moment = datetime.fromisoformat(row["timestamp"])
            if row["kind"] == EventKind.SELECTION:
                self._number += 1
                request = _request(row, moment, self._number)
                if request is not None:
                    self._begin(caller, request)
            elif row["kind"] == EventKind.CALL and isinstance(row["tool_name"], str):
                owner = self._owner(caller, row["tool_name"], moment)
                if owner is not None:
                    worth = _worth(row)
                    owner.best[row["tool_name"]] = max(worth, owner.best.get(row["tool_name"], worth))

    def lessons(self) -> list[Lesson]:
        """What all of it taught; nothing more is taken in."""
        for caller, open_ in self._open.items():
            while open_:
                self._end(caller, open_.popleft())
        lessons = [lesson for _, lesson in sorted(self._lessons, key=lambda numbered: numbered[0])]
        found_otherwise = sum(_is_found_otherwise(lesson) for lesson in lessons)
        stands_for = min(1.0 + MISSED * self._without_call / max(found_otherwise, 1), MOST_STANDS_FOR)
        return [
            replace(lesson, stands_for=stands_for) if _is_found_otherwise(lesson) else lesson
            for lesson in lessons
        ]

    def _begin(self, caller: Caller, request: _Request) -> None:
        open_ = self._open[caller]
        while open_ and (len(open_) >= MOST_OPEN or request.moment - open_[0].moment > WITHIN):
            self._end(caller, open_.popleft())
        open_.append(request)
        for tool in (*request.shown, *request.roster):
            self._showing[caller, tool] = request

    def _owner(self, caller: Caller, tool: str, moment: datetime) -> _Request | None:
        showing = self._showing.get((caller, tool))
        if showing is not None and moment - showing.moment <= WITHIN:
            return showing
        open_ = self._open.get(caller)
        return open_[-1] if open_ and moment - open_[-1].moment <= WITHIN_OTHERWISE else None

    def _end(self, caller: Caller, request: _Request) -> None:
        for tool in (*request.shown, *request.roster):
            if self._showing.get((caller, tool)) is request:
                del self._showing[caller, tool]
        lesson = _lesson(request)
        if lesson is not None:
            self._lessons.append((request.number, lesson))
        self._without_call += bool(request.shown) and not request.best


def gather(rows: Iterable[JsonObject]) -> list[Lesson]:
    """What audit rows teach; both are oldest first."""
    gathering = Gathering()
    gathering.take(rows)
    return gathering.lessons()


def bounded(lessons: Sequence[Lesson]) -> list[Lesson]:
    """The same without what one caller says for or against one tool more than `MOST_OF_A_CALLER` times.

    The newest stay. So a caller that uses one tool for everything cannot outvote the others, nor itself.
    """
    seen: Counter[tuple[str, str, bool]] = Counter()
    kept: list[Lesson] = []
    for lesson in reversed(lessons):
        outcomes: list[Outcome] = []
        for outcome in lesson.outcomes:
            said = (lesson.principal, outcome.tool, outcome.credit > 0)
            seen[said] += 1
            if seen[said] <= MOST_OF_A_CALLER:
                outcomes.append(outcome)
        if any(outcome.credit not in (0, IGNORED) for outcome in outcomes):
            kept.append(replace(lesson, outcomes=tuple(outcomes)))
    return kept[::-1]


def weight_of_place(place: int) -> float:
    """What a call from this place counts: the inverse of how likely the place is looked at, clipped."""
    return min(math.sqrt(place), MOST_BY_PLACE)


def _request(row: JsonObject, moment: datetime, number: int) -> _Request | None:
    """The row's request; `None` if its payload was erased or nothing of its task is remembered."""
    details = cast("JsonObject", row["details"] or {})
    task = _task(details)
    selected = cast("list[list[Json]]", details.get("selected") or [])
    if task is None:
        return None
    # The same few names in each row: kept once.
    names = tuple(intern(str(entry[0])) for entry in selected)
    return _Request(
        number=number,
        id=str(row["audit_id"]),
        asked_at=str(row["timestamp"]),
        moment=moment,
        principal=intern(str(row["user_id"])),
        task=task,
        shown=names[: int(details.get("shown") or 0)],
        roster=tuple(map(intern, cast("list[str]", details.get("roster") or []))),
        pinned=frozenset(cast("list[str]", details.get("pinned") or [])),
    )


def _task(details: JsonObject) -> RememberedTask | None:
    task: Json = details.get("task")
    if isinstance(task, str):
        return RememberedTask(text=task)
    vector: Json = details.get("task_vector")
    if not isinstance(vector, list):
        return None
    numbers = cast("list[Json]", vector)
    if not all(isinstance(number, int) and -127 <= number <= 127 for number in numbers):
        return None
    candidates = cast("list[list[Json]]", details.get("candidates") or [])
    return RememberedTask(
        vector=tuple(cast("list[int]", numbers)),
        encoder=str(details.get("encoder")),
        candidates={str(name): (float(base), float(lexical)) for name, base, lexical in candidates},
    )


def _worth(row: JsonObject) -> float:
    if row["success"] is True:
        return SUCCEEDED
    return FAILED if row["error_code"] in UNFIT else CALLED


def _is_found_otherwise(lesson: Lesson) -> bool:
    """Whether what served was not among what was shown."""
    served = [outcome for outcome in lesson.outcomes if outcome.credit > 0]
    return bool(served) and all(outcome.place is None for outcome in served)


def _lesson(request: _Request) -> Lesson | None:
    served = [tool for tool, worth in request.best.items() if worth > 0]
    if not request.best:
        return None
    places = {tool: place for place, tool in enumerate(request.shown, 1)}
    last = max((places.get(tool, 0) for tool in served), default=0)
    outcomes: list[Outcome] = []
    for tool, worth in request.best.items():
        place = places.get(tool)
        if worth > 0:
            worth *= FOUND_OTHERWISE if place is None else weight_of_place(place)
            worth /= len(served)
        outcomes.append(Outcome(tool, place, worth))
    outcomes += [
        Outcome(tool, place, IGNORED)
        for tool, place in places.items()
        if place < last and tool not in request.best and tool not in request.pinned
    ]
    return Lesson(
        id=request.id,
        asked_at=request.asked_at,
        principal=request.principal,
        task=request.task,
        shown=request.shown,
        outcomes=tuple(outcomes),
    )
