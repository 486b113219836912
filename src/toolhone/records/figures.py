"""Figures over time: what is read of an audit row for them, how they are kept, and how they are shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class AuditFact(NamedTuple):
    """What of an audit row is counted. A tuple: a million of them pass through at a time."""

    seq: int
    row_hash: str
    timestamp: str
    kind: str
    principal: str
    session: str | None
    tool: str | None
    server: str | None
    success: bool | None
    error_code: str | None
    execution_time_ms: float | None
    tokens_used: int | None
    tokens_of_all: int | None
    """Of a selection: what all schemas in JSON would have taken. `None` if the payload was erased."""
    tokens_of_available: int | None
    """Likewise, of the tools that it could choose from."""


ReadFacts = Callable[[int, int], Sequence[AuditFact]]
"""Receives (after, limit): the facts of the rows after this `seq`, oldest first."""

MINUTE, QUARTER, HOUR, DAY, WEEK = 60, 900, 3_600, 86_400, 604_800
"""Widths of spans, in seconds. Each ends where one of the next width ends, sooner or later."""

ALL = "*"
"""What a row is about: of everything, also of what is about no tool."""

TOOL, SERVER = "tool ", "server "
"""Or of one tool or server: this and its name. `SERVER` alone is what is no server's."""


class Count(NamedTuple):
    """One row of counts: a span of time, what it is about, and how it went."""

    about: str
    start: int
    """Seconds since the epoch."""
    server: str
    """Of a tool: whose it is."""
    kind: str
    code: str
    """The code of the error; empty for what worked."""
    events: int
    tokens: int
    of_all: int


class Durations(NamedTuple):
    """How long the events of a span took: counts by bucket (see `durations.py`)."""

    about: str
    start: int
    kind: str
    buckets: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the audit has been counted."""

    seq: int
    timestamp: str | None
    """When the last event that is counted happened."""
    complete: bool
    """Whether that was the last there was."""


class FigureStore(Protocol):
    """Counts by spans of time, made from the audit and made again if they are lost. All methods block."""

    def catch_up(self, facts: ReadFacts, *, now: float) -> Progress:
        """Count what came since, up to a bounded number of rows; several processes may do so at once."""
        ...

    def counts(self, width: int, about: str, *, since: int) -> Sequence[Count]:
        """Of spans of `width` seconds that start at `since` or later."""
        ...

    def sums(self, width: int, prefix: str, *, since: int, until: int | None = None) -> Sequence[Count]:
        """Likewise, of all whose `about` begins so: summed over the spans, with `start` being 0."""
        ...

    def durations(
        self, width: int, abouts: Sequence[str], *, since: int, until: int | None = None
    ) -> Sequence[Durations]: ...

    def savings(self) -> tuple[int, int]:
        """How many selections are counted, and what they saved in tokens; see `Savings`."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Savings:
    """All selections that there ever were. Token figures are o200k tokens."""

    selections: int
    """Of every caller, by every way in; also those that found nothing."""
    tokens_saved: int
    """What the schemas of the tools that each could choose from would have taken, without what it answered.

    A selection that found nothing saved nothing: its task may have needed a tool. Neither did one whose
    payload was erased before it was counted, because nobody knows.
    """
    complete: bool
    """False while a large audit is being counted for the first time: the figures are still growing."""

    @property
    def tokens_saved_each(self) -> float:
        return self.tokens_saved / self.selections if self.selections else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Percentiles in milliseconds, within 2.4 % (see `durations.py`); `None` where nothing took time."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A span of time in numbers; the whole window is one too."""

    start: str
    """UTC, ISO 8601."""
    calls: int = 0
    """That reached their tool."""
    errors: int = 0
    """Of the calls."""
    refusals: int = 0
    """Calls and requests that were turned away before anything ran."""
    selections: int = 0
    latency: Latency = Latency()
    """Of calls."""
    selection_latency: Latency = Latency()
    tokens_of_calls: int = 0
    """o200k tokens of arguments and results."""
    tokens_sent: int = 0
    """Of selections: what find_tools answered."""
    tokens_of_all: int = 0
    """What all schemas in JSON would have taken, once a session and day."""

    @property
    def tokens_saved(self) -> int:
        """Negative where the selections took more than all schemas would have."""
        return self.tokens_of_all - self.tokens_sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one tool, or one server, had in a window."""

    name: str
    server: str | None
    """`None` for tools that are no server's, and for those together."""
    calls: int
    errors: int
    refusals: int
    tokens: int
    latency: Latency

    @property
    def error_share(self) -> float:
        return self.errors / self.calls if self.calls else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A window of time, as a series ready to plot and as sums."""

    since: str
    until: str
    width_seconds: int
    points: Sequence[Point]
    """One for each span in order, empty ones too; the first may begin a little before the window."""
    total: Point
    errors: Mapping[str, int] = field(default_factory=dict[str, int])
    """Of calls, by code, the most frequent first."""
    refusals: Mapping[str, int] = field(default_factory=dict[str, int])
    tools: Sequence[Share] = ()
    """The most called first, at most `MOST_TOOLS`; of one server `MOST_OF_SERVER`."""
    servers: Sequence[Share] = ()
    counted_until: str | None = None
    """When the last event happened that is in these figures; `None` if there never was one."""
    complete: bool = True
    """False while a large audit is being counted for the first time: the figures are still growing."""


MOST_TOOLS, MOST_OF_SERVER = 20, 100
"""Tools in the list of an overview, and of one server; each costs its times of the whole window."""
