"""Which part of a dataset each group of rows goes to: 80/10/10, and no group to two of them. Pure.

By group, its hash decides. The hash is that of the oldest request of the group, so a group stays where it
is in every later dataset in which that request is still there, and what a model was trained on does not turn
up among the rows that a later one is tested with. By time, the newest groups are the test.

A group that holds more than a fifth of all rows is always trained on: as a test it would be one question.
Each held-out part gets at least half and at most twice its share of the groups, if need be out of turn, so
that none is empty from ten groups on; with fewer, the test comes first, then training, then validation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from toolhone.records.datasets import Split, SplitBy

HELD_OUT = 0.1
"""The share of each, validation and test."""
LARGE = 0.2
"""Of all rows."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that are nearly the same."""

    name: str
    rows: int
    newest: int
    """The number of its newest row."""


def split(groups: Mapping[str, Group], by: SplitBy) -> dict[str, Split]:
    """The part of each group, by its name."""
    total = sum(group.rows for group in groups.values())
    small = [group for group in groups.values() if group.rows <= LARGE * total] or list(groups.values())
    parts = dict.fromkeys(groups, Split.TRAIN)
    if len(groups) < 2:
        return parts
    ordered = sorted(small, key=_by_time if by is SplitBy.TIME else _by_hash, reverse=True)
    taken = 0
    for part, least_place in ((Split.TEST, 1 - HELD_OUT), (Split.VALIDATION, 1 - 2 * HELD_OUT)):
        if part is Split.VALIDATION and len(groups) < 3:
            break
        waiting = ordered[taken:]
        if by is SplitBy.TIME:
            wanted = _first_rows(waiting, HELD_OUT * total)
        else:
            wanted = sum(position(group.name) >= least_place for group in waiting)
        share = HELD_OUT * len(groups)
        # The last group of all is left to be trained on, and one to be tested with comes before that.
        room = len(waiting) - (1 if len(small) == len(groups) else 0)
        number = min(max(wanted, int(share / 2), 1), max(int(share * 2), 1), max(room, 0))
        for group in waiting[:number]:
            parts[group.name] = part
        taken += number
    return parts


def position(name: str) -> float:
    """Where the hash of a name lies between 0 and 1."""
    return int.from_bytes(sha256(name.encode()).digest()[:6], "big") / 2**48


def _by_hash(group: Group) -> tuple[float, str]:
    return (position(group.name), group.name)


def _by_time(group: Group) -> tuple[int, str]:
    return (group.newest, group.name)


def _first_rows(groups: list[Group], rows: float) -> int:
    """How many groups together have so many rows."""
    seen = 0
    for number, group in enumerate(groups, 1):
        seen += group.rows
        if seen >= rows:
            return number
    return len(groups)
