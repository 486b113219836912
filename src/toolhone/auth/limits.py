"""How often: a bucket of tokens for each caller, in memory of bounded size."""

import time
from collections import OrderedDict
from collections.abc import Callable

MOST_KEYS = 10_000
"""Callers remembered. Past that the one that asked longest ago starts anew with a full bucket."""


class Rates:
    """So many at once, and as many again over each minute.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, *, most_keys: int = MOST_KEYS, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_keys = most_keys
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """What was left in each bucket, and when that was."""

    def take(self, key: str, per_minute: int) -> float | None:
        """Take one; `None` if there was one, else the seconds until there is."""
        left, now = self._left(key, per_minute)
        if left < 1:
            self._keep(key, left, now)
            return (1 - left) * 60 / per_minute
        self._keep(key, left - 1, now)
        return None

    def wait(self, key: str, per_minute: int) -> float | None:
        """The same without taking one."""
        left, _ = self._left(key, per_minute)
        return None if left >= 1 else (1 - left) * 60 / per_minute

    def _left(self, key: str, per_minute: int) -> tuple[float, float]:
        now = self._clock()
        left, at = self._buckets.get(key, (float(per_minute), now))
        return min(float(per_minute), left + (now - at) * per_minute / 60), now

    def _keep(self, key: str, left: float, now: float) -> None:
        self._buckets[key] = left, now
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._most_keys:
            self._buckets.popitem(last=False)
