"""Which rows stay where there are too many: a cap a task type, and a number in all. Pure, never by chance.

What stays is chosen by the hash of the rows' ids, so the same snapshots give the same dataset.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from statistics import median

MOST_OF_A_TYPE = 4
"""Times the median number of rows of a task type."""


def rank(row_id: str) -> int:
    """A number that is drawn once and for all for a row."""
    return int.from_bytes(blake2b(row_id.encode(), digest_size=8).digest(), "big")


def balanced(by_type: Mapping[str, Sequence[int]], ranks: Mapping[int, int], *, least: int) -> list[int]:
    """The rows that stay when no task type may have more than four times the median of all types.

    Args:
        by_type: The rows of each task type.
        least: So many of a type always stay: there is no use in balance if too few rows are left of it.
    """
    if not by_type:
        return []
    cap = max(least, int(MOST_OF_A_TYPE * median(len(rows) for rows in by_type.values())))
    return sorted(row for rows in by_type.values() for row in _lowest(rows, ranks, cap))


def at_most(by_type: Mapping[str, Sequence[int]], ranks: Mapping[int, int], most: int) -> list[int]:
    """So many rows, in the proportions of the task types; of each type one at least, if there is room."""
    total = sum(len(rows) for rows in by_type.values())
    if total <= most:
        return sorted(row for rows in by_type.values() for row in rows)
    # The largest remainders get what rounding down has left over; names decide between equal ones.
    shares = {name: len(rows) * most / total for name, rows in by_type.items()}
    given = {name: int(share) for name, share in shares.items()}
    if len(by_type) <= most:
        given = {name: max(1, number) for name, number in given.items()}
    by_remainder = sorted(shares, key=lambda name: (given[name] - shares[name], name))
    place = 0
    while sum(given.values()) < most:
        name = by_remainder[place % len(by_remainder)]
        if given[name] < len(by_type[name]):
            given[name] += 1
        place += 1
    while sum(given.values()) > most:
        given[max(given, key=lambda name: (given[name], name))] -= 1
    return sorted(row for name, rows in by_type.items() for row in _lowest(rows, ranks, given[name]))


def _lowest(rows: Sequence[int], ranks: Mapping[int, int], number: int) -> list[int]:
    if len(rows) <= number:
        return list(rows)
    return sorted(rows, key=lambda row: (ranks[row], row))[:number]
