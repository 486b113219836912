"""The course of a job, as lists and curves show it: what was said, and figures that are drawn."""

from collections.abc import Iterable
from dataclasses import dataclass

from toolhone.records.jobs import JobEvent

DRAWN = ("metrics", "cost")
"""Kinds of events that are drawn, not said: there may be a hundred thousand of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCourse:
    """What a page shows of the events of a job."""

    said: list[JobEvent]
    """The last of those that are not drawn, the newest first."""
    earlier: int
    """How many were said before these."""
    drawn: list[JobEvent]
    """Figures of one attempt, oldest first: some of them, with its ends."""


def losses(events: Iterable[JobEvent], name: str, *, attempt: int) -> list[tuple[int, float]]:
    """A curve of an attempt: the loss of this name by step."""
    return [
        (int(event.data["step"]), float(event.data[name]))
        for event in events
        if event.kind == "metrics"
        and event.data.get("attempt") == attempt
        and event.data.get("step") is not None
        and name in event.data
    ]
