"""Figures over time: calls, errors, refusals, latency and tokens, by spans of time, tools and servers.

They are read from counts (`storage/figures.py`) that follow the audit: while a server runs they are brought
up to date now and then, and each question counts what came since. So a question costs the same with a
thousand audit rows as with a million.
"""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import anyio
import anyio.to_thread

from toolhone.exceptions import InvalidRequestError, StorageError
from toolhone.models import EventKind
from toolhone.records.durations import percentiles
from toolhone.records.figures import (
    ALL,
    DAY,
    HOUR,
    MINUTE,
    MOST_OF_SERVER,
    MOST_TOOLS,
    QUARTER,
    SERVER,
    TOOL,
    WEEK,
    Count,
    Durations,
    FigureStore,
    Latency,
    Overview,
    Point,
    Progress,
    Savings,
    Share,
)
from toolhone.stores import AuditStore

logger = logging.getLogger(__name__)

T = TypeVar("T")

WIDTHS = (
    (timedelta(hours=2), MINUTE, MINUTE),
    (timedelta(hours=36), QUARTER, QUARTER),
    (timedelta(days=8), HOUR, 2 * HOUR),
    (timedelta(days=16), HOUR, 4 * HOUR),
    (timedelta(days=3_660), DAY, DAY),
)
"""Up to which window which width of spans is read, and which is shown, in seconds: about a hundred points,
and years by days."""

WIDER = {MINUTE: QUARTER, QUARTER: HOUR, HOUR: DAY, DAY: WEEK}

PAUSE = 10.0
"""Seconds between two looks of the background at the audit."""


class Figures:
    """Answers for a window of time. Belongs to one event loop.

    Args:
        open_store: Called in a worker thread when figures are first asked for; likewise `open_audit`.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        open_store: Callable[[], FigureStore],
        open_audit: Callable[[], AuditStore],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._open_store = open_store
        self._open_audit = open_audit
        self._clock = clock
        self._stores: tuple[FigureStore, AuditStore] | None = None
        self._counting = anyio.Lock()
        self._thread = anyio.CapacityLimiter(1)

    async def run(self) -> None:
        """Follow the audit until cancelled."""
        while True:
            try:
                while not (await self.catch_up()).complete:
                    pass
            except StorageError as exc:
                logger.warning("Figures are not brought up to date: %s", exc.message)
            await anyio.sleep(PAUSE)

    async def catch_up(self) -> Progress:
        """Count what came since, at most so much that nobody waits long.

        Raises:
            StorageError: The audit cannot be read, or the counts cannot be written.
        """
        async with self._counting:
            return await self._with(lambda store, audit: store.catch_up(audit.facts, now=self._clock()))

    async def overview(self, window: timedelta, *, most_tools: int = MOST_TOOLS) -> Overview:
        """Everything, with the tools that were called most and with the servers.

        Args:
            window: Until now.
            most_tools: How many of the tools; each costs its times of the whole window.

        Raises:
            InvalidRequestError: The window is not above zero, or longer than ten years.
        """
        width, shown, since = self._span(window)
        progress = await self.catch_up()

        def read(store: FigureStore, _: AuditStore) -> Overview:
            return self._overview(
                progress,
                shown,
                since,
                store.counts(width, ALL, since=since),
                store.durations(width, [ALL], since=since),
                tools=_shares(store, width, since, TOOL, most=most_tools) if most_tools else (),
                servers=_shares(store, width, since, SERVER),
            )

        return await self._with(read)

    async def tool(self, name: str, window: timedelta = timedelta(days=1)) -> Overview:
        """The calls of one tool; without any, all is zero."""
        width, shown, since = self._span(window)
        progress = await self.catch_up()
        about = TOOL + name
        return await self._with(
            lambda store, _: self._overview(
                progress,
                shown,
                since,
                store.counts(width, about, since=since),
                store.durations(width, [about], since=since),
            )
        )

    async def server(self, name: str, window: timedelta = timedelta(days=1)) -> Overview:
        """The calls of one server's tools, and which; `""` is what is no server's."""
        width, shown, since = self._span(window)
        progress = await self.catch_up()
        about = SERVER + name

        def read(store: FigureStore, _: AuditStore) -> Overview:
            return self._overview(
                progress,
                shown,
                since,
                store.counts(width, about, since=since),
                store.durations(width, [about], since=since),
                tools=_shares(store, width, since, TOOL, most=MOST_OF_SERVER, of_server=name),
            )

        return await self._with(read)

    async def savings(self) -> Savings:
        """How many selections there ever were, and what they saved.

        Raises:
            StorageError: The audit cannot be read, or the counts cannot be written.
        """
        progress = await self.catch_up()
        selections, saved = await self._with(lambda store, _: store.savings())
        return Savings(selections=selections, tokens_saved=saved, complete=progress.complete)

    async def aclose(self) -> None:
        """Close what was opened."""
        stores, self._stores = self._stores, None
        if stores is not None:
            for store in stores:
                await anyio.to_thread.run_sync(store.close, limiter=self._thread)

    async def _with(self, work: Callable[[FigureStore, AuditStore], T]) -> T:
        def run() -> T:
            if self._stores is None:
                self._stores = self._open_store(), self._open_audit()
            return work(*self._stores)

        return await anyio.to_thread.run_sync(run, limiter=self._thread)

    def _span(self, window: timedelta) -> tuple[int, int, int]:
        """The widths of spans for a window, read and shown, and when the first of them begins."""
        if window <= timedelta(0) or window > WIDTHS[-1][0]:
            raise InvalidRequestError(
                f"Figures are of a window that is not empty, and of ten years at most; got {str(window)!r}."
            )
        width, shown = next((read, shown) for longest, read, shown in WIDTHS if window <= longest)
        since = max(0, int(self._clock() - window.total_seconds()))
        return width, shown, since - since % shown

    def _overview(
        self,
        progress: Progress,
        width: int,
        since: int,
        counts: Sequence[Count],
        times: Sequence[Durations],
        *,
        tools: Sequence[Share] = (),
        servers: Sequence[Share] = (),
    ) -> Overview:
        now = int(self._clock())
        by_start: dict[int, tuple[list[Count], list[Durations]]] = {
            start: ([], []) for start in range(since, now + 1, width)
        }
        # What another machine dated into the future is in the sums, and has no place in the plot.
        for count in counts:
            by_start.get(count.start - count.start % width, ([], []))[0].append(count)
        for duration in times:
            by_start.get(duration.start - duration.start % width, ([], []))[1].append(duration)
        return Overview(
            since=_utc(since),
            until=_utc(now),
            width_seconds=width,
            points=[_point(start, *rows) for start, rows in by_start.items()],
            total=_point(since, counts, _summed(times)),
            errors=_codes(counts, EventKind.CALL),
            refusals=_codes(counts, EventKind.REFUSAL),
            tools=tools,
            servers=servers,
            counted_until=progress.timestamp,
            complete=progress.complete,
        )


def _summed(times: Iterable[Durations]) -> list[Durations]:
    """All spans as one."""
    buckets: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in times:
        buckets[row.kind].update(row.buckets)
    return [Durations(ALL, 0, kind, summed) for kind, summed in buckets.items()]


def _point(start: int, counts: Iterable[Count], times: Iterable[Durations]) -> Point:
    events: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    errors = of_all = 0
    for count in counts:
        events[count.kind] += count.events
        tokens[count.kind] += count.tokens
        of_all += count.of_all
        if count.kind == EventKind.CALL and count.code:
            errors += count.events
    buckets: dict[str, Mapping[str, int]] = {}
    for row in times:
        present = buckets.get(row.kind)
        if present is None:
            buckets[row.kind] = row.buckets  # mostly there is one row: it is not worth a copy
        else:
            merged = buckets[row.kind] = present if isinstance(present, Counter) else Counter(present)
            merged.update(row.buckets)
    return Point(
        start=_utc(start),
        calls=events[EventKind.CALL],
        errors=errors,
        refusals=events[EventKind.REFUSAL],
        selections=events[EventKind.SELECTION],
        latency=_latency(buckets.get(EventKind.CALL, {})),
        selection_latency=_latency(buckets.get(EventKind.SELECTION, {})),
        tokens_of_calls=tokens[EventKind.CALL],
        tokens_sent=tokens[EventKind.SELECTION],
        tokens_of_all=of_all,
    )


def _shares(
    store: FigureStore,
    width: int,
    since: int,
    prefix: str,
    *,
    most: int | None = None,
    of_server: str | None = None,
) -> list[Share]:
    """What each tool or server had, the most called first; times are read of those that are shown only.

    The window is covered by wider spans from where one begins, so that a week is some thirty spans a tool.
    """
    wider = WIDER[width]
    middle = since + -since % wider
    parts = ((width, since, middle), (wider, middle, None))
    counts: defaultdict[tuple[str, str], list[Count]] = defaultdict(list)
    for span, first, end in parts:
        for count in store.sums(span, prefix, since=first, until=end):
            if of_server is None or count.server == of_server:
                counts[count.about, count.server].append(count)
    points = {key: _point(0, rows, ()) for key, rows in counts.items()}
    shown = sorted(points, key=lambda key: (-points[key].calls, -points[key].refusals, key))[:most]
    buckets: defaultdict[str, Counter[str]] = defaultdict(Counter)
    abouts = list(dict.fromkeys(about for about, _ in shown))
    for span, first, end in parts:
        for row in store.durations(span, abouts, since=first, until=end):
            buckets[row.about].update(row.buckets)
    return [
        Share(
            name=about.partition(" ")[2],
            server=server or None,
            calls=points[about, server].calls,
            errors=points[about, server].errors,
            refusals=points[about, server].refusals,
            tokens=points[about, server].tokens_of_calls,
            latency=_latency(buckets[about]),
        )
        for about, server in shown
    ]


def _latency(buckets: Mapping[str, int]) -> Latency:
    numbered = {int(bucket): events for bucket, events in buckets.items()}
    p50, p95, p99 = percentiles(numbered, (0.5, 0.95, 0.99))
    return Latency(p50=p50, p95=p95, p99=p99)


def _codes(counts: Iterable[Count], kind: EventKind) -> dict[str, int]:
    codes: Counter[str] = Counter()
    for count in counts:
        if count.kind == kind and count.code:
            codes[count.code] += count.events
    return dict(codes.most_common())


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
