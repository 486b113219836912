"""How well one number tells two kinds apart: the area under the ROC curve.

It is the probability that a random member of the first kind has the higher number, ties counting half
(the Mann-Whitney statistic): 0.5 says nothing, 1 separates them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from toolhone.evaluation.intervals import DRAWS, TAILS, Interval
from toolhone.exceptions import InvalidRequestError


def auroc(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """The area under the ROC curve of numbers that should be higher for the positives.

    Raises:
        InvalidRequestError: One of the kinds is empty, or a number is NaN.
    """
    return _area(*_columns(positives, negatives))


def auroc_interval(
    positives: Sequence[float], negatives: Sequence[float], *, draws: int = DRAWS, seed: int = 0
) -> Interval:
    """The same with its 95 % bootstrap interval; both kinds are drawn anew, each by itself.

    Raises:
        InvalidRequestError: One of the kinds is empty, or a number is NaN.
    """
    first, second = _columns(positives, negatives)
    generator = np.random.default_rng(seed)
    areas = [
        _area(generator.choice(first, len(first)), generator.choice(second, len(second)))
        for _ in range(draws)
    ]
    low, high = np.percentile(areas, TAILS)
    return Interval(_area(first, second), float(low), float(high))


def _area(positives: NDArray[np.float64], negatives: NDArray[np.float64]) -> float:
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, "left")
    not_above = np.searchsorted(ordered, positives, "right")
    return float((below + not_above).sum()) / (2 * len(positives) * len(negatives))


def _columns(
    positives: Sequence[float], negatives: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = np.asarray(positives, np.float64), np.asarray(negatives, np.float64)
    if not len(first) or not len(second):
        raise InvalidRequestError(
            f"There are {len(first)} numbers of one kind and {len(second)} of the other; give both."
        )
    if np.isnan(first).any() or np.isnan(second).any():
        raise InvalidRequestError("A number is NaN, which is neither higher nor lower than another.")
    return first, second
