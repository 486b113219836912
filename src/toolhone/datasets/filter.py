"""Which snapshots a model may learn from, which ones only judge it, and which are left out. Pure."""

from enum import StrEnum

from toolhone.records.snapshots import Snapshot

BELOW = "below the quality threshold"


class Use(StrEnum):
    """What a snapshot is good for."""

    TARGET = "target"
    """Its answer may be learned."""
    FAILURE = "failure"
    """Its answer must never be learned; it is kept to judge by, and as the worse answer of a pair."""
    NONE = "none"
    """It succeeded, but not well enough: neither an example nor a warning."""


def use_of(snapshot: Snapshot, quality_threshold: float) -> Use:
    """What a snapshot is good for. A failure stays one, however well it was scored."""
    if not snapshot.success:
        return Use.FAILURE
    return Use.TARGET if snapshot.performance_score >= quality_threshold else Use.NONE
