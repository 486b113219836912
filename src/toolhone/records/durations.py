"""How long things took, as counts in buckets of a logarithmic scale, and percentiles read off them. Pure.

A percentile here is a nearest rank: of n times in order, the one at place ceil(n x share). What is read off
the buckets differs from it by at most `ERROR` of its value, for times from `SHORTEST_MS` on; shorter ones
count as that. Buckets of several times and tools are simply added.
"""

import math
from collections.abc import Mapping, Sequence

GROWTH = 1.05
"""Each bucket's upper end is so many times its lower end."""

ERROR = (GROWTH - 1) / (GROWTH + 1)
"""2.4 %: how far the middle of a bucket is from its ends, as a share of the value."""

SHORTEST_MS = 0.01

_LOG = math.log(GROWTH)
_FIRST = math.ceil(math.log(SHORTEST_MS) / _LOG)
_LAST = math.ceil(math.log(86_400_000 * 365) / _LOG)


def bucket_of(ms: float) -> int:
    """The number of the bucket that holds a time: those in it are at most `GROWTH ** number`."""
    if not ms > SHORTEST_MS:  # not a number, too
        return _FIRST
    if ms == math.inf:
        return _LAST
    return min(_LAST, max(_FIRST, math.ceil(math.log(ms) / _LOG)))


def value_of(bucket: int) -> float:
    """The time in milliseconds that is as far, relatively, from the one end of a bucket as from the other."""
    return 2 * GROWTH**bucket / (GROWTH + 1)


def percentiles(buckets: Mapping[int, int], shares: Sequence[float]) -> tuple[float | None, ...]:
    """The times that so large a share of all times do not exceed; `None` without any.

    Args:
        buckets: Counts by number of the bucket.
        shares: Above 0, at most 1, in rising order.
    """
    total = sum(buckets.values())
    if total == 0:
        return (None,) * len(shares)
    found: list[float] = []
    numbers = iter(sorted(buckets))
    bucket, seen = 0, 0
    for share in shares:
        rank = max(1, math.ceil(total * share))
        while seen < rank:
            bucket = next(numbers)
            seen += buckets[bucket]
        found.append(value_of(bucket))
    return tuple(found)
