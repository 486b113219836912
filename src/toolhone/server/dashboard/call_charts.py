"""Charts of an overview's points: calls, their times, and tokens."""

from collections.abc import Sequence
from datetime import datetime

from toolhone.records.figures import Overview
from toolhone.server.dashboard.charts import Chart, Series
from toolhone.server.dashboard.formats import compact, milliseconds


def over_time(figures: Overview) -> list[Chart]:
    """The figures of calls and of their times."""
    points = figures.points
    labels = moments([point.start for point in points], figures.width_seconds)
    calls = Chart(
        id="calls",
        caption="Calls",
        labels=labels,
        series=(
            Series(label="ok", values=[point.calls - point.errors for point in points], tone="first"),
            Series(label="failed", values=[point.errors for point in points], tone="bad"),
            Series(label="refused", values=[point.refusals for point in points], tone="warn"),
        ),
        stacked=True,
        whole=True,
    )
    latency = Chart(
        id="latency",
        caption="Time of calls",
        labels=labels,
        series=(
            Series(label="p50", values=[point.latency.p50 for point in points], tone="first"),
            Series(label="p95", values=[point.latency.p95 for point in points], tone="second"),
            Series(label="p99", values=[point.latency.p99 for point in points], tone="third"),
        ),
        kind="line",
        unit="ms",
        write=milliseconds,
    )
    return [calls, latency]


def tokens_over_time(figures: Overview) -> Chart:
    """What searches sent of tool definitions, and what that saved."""
    points = figures.points
    return Chart(
        id="tokens",
        caption="Tokens of tool definitions",
        labels=moments([point.start for point in points], figures.width_seconds),
        series=(
            Series(label="sent", values=[point.tokens_sent for point in points], tone="second"),
            Series(label="saved", values=[max(0, point.tokens_saved) for point in points], tone="good"),
        ),
        stacked=True,
        whole=True,
        write=compact,
    )


def moments(starts: Sequence[str], width_seconds: int) -> list[str]:
    """How the spans of a series are named: by the time of day, with the day, or by the day. In UTC."""
    parsed = [datetime.fromisoformat(start) for start in starts]
    if width_seconds >= 86_400:
        return [f"{moment:%b} {moment.day}" for moment in parsed]
    days = {moment.date() for moment in parsed}
    if len(days) <= 2:
        return [f"{moment:%H:%M}" for moment in parsed]
    return [f"{moment:%b} {moment.day} {moment:%H:%M}" for moment in parsed]
