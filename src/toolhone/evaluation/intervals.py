"""How far a mean over queries could be off: 95 % bootstrap intervals (Efron 1979, percentile method).

Queries are drawn again with replacement, so an interval says what other queries of the same kind would have
given. Rankers are compared by the interval of their difference on the same queries: two intervals that
overlap say little. The same values and seed give the same interval.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolhone.exceptions import InvalidRequestError

DRAWS = 1000

TAILS = (2.5, 97.5)
"""In percent: what is cut off at both ends."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


def bootstrap_mean(values: Sequence[float], *, draws: int = DRAWS, seed: int = 0) -> Interval:
    """The mean of one figure over queries.

    Raises:
        InvalidRequestError: There is no value, or one is not a finite number.
    """
    column = _column(values)
    return bootstrap(lambda rows: float(column[rows].mean()), len(column), draws=draws, seed=seed)


def paired_difference(
    a: Sequence[float], b: Sequence[float], *, draws: int = DRAWS, seed: int = 0
) -> Interval:
    """The mean of `a - b`, where both hold the figure of the same queries in the same order.

    Raises:
        InvalidRequestError: They are empty or differ in length, or a value is not a finite number.
    """
    first, second = _paired(a, b)
    return bootstrap_mean((first - second).tolist(), draws=draws, seed=seed)


def bootstrap_ratio(
    numerators: Sequence[float], denominators: Sequence[float], *, draws: int = DRAWS, seed: int = 0
) -> Interval:
    """The sum of the first over the sum of the second, both by query: what one unit cost.

    It is infinite where nothing was got for what was paid.

    Raises:
        InvalidRequestError: They are empty or differ in length, or a value is not a finite number.
    """
    above, below = _paired(numerators, denominators)

    def ratio(rows: NDArray[np.int64]) -> float:
        got = float(below[rows].sum())
        return float(above[rows].sum()) / got if got else float("inf")

    return bootstrap(ratio, len(above), draws=draws, seed=seed)


def bootstrap(
    figure: Callable[[NDArray[np.int64]], float], count: int, *, draws: int = DRAWS, seed: int = 0
) -> Interval:
    """Any figure over `count` rows: over all of them, and how it varies when they are drawn anew.

    Args:
        figure: Given the numbers of the rows to use, some of them several times.
    """
    generator = np.random.default_rng(seed)
    # Row by row and not as one matrix: 1,000 draws of 8,000 queries would take 64 MB.
    drawn = [figure(generator.integers(0, count, count)) for _ in range(draws)]
    # Of infinite figures an interpolated percentile would be NaN.
    low, high = np.percentile(drawn, TAILS, method="nearest")
    return Interval(figure(np.arange(count)), float(low), float(high))


def _paired(
    first: Sequence[float], second: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if len(first) != len(second):
        raise InvalidRequestError(
            f"Figures of {len(first)} and of {len(second)} queries cannot be paired; "
            "give both for the same queries."
        )
    return _column(first), _column(second)


def _column(values: Sequence[float]) -> NDArray[np.float64]:
    column = np.asarray(values, np.float64)
    if not len(column):
        raise InvalidRequestError("There are no figures to average.")
    if not np.isfinite(column).all():
        raise InvalidRequestError("A figure is not a finite number, so there is no mean.")
    return column
