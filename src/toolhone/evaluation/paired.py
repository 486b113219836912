"""Two sets of scores of the same units, compared: an interval, and how likely chance alone is. Pure.

The interval is the bootstrap of the mean difference (`intervals`). The p value is of the paired
randomization test (Fisher 1935, "The Design of Experiments", 21; Dror et al. 2018, "The Hitchhiker's Guide to
Testing Statistical Significance in NLP", ACL): if both were equally good, each difference could as well have
the other sign. It is exact where that can be counted, as for right or wrong (the sign test, McNemar's exact
test); else signs are drawn, and the p value is (hits + 1) / (draws + 1) (Phipson and Smyth 2010).

Both are asked for: with four wins and no loss among twenty the interval already leaves zero out, while
chance alone does as much once in eight times.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from toolhone.evaluation.intervals import Interval, paired_difference
from toolhone.models import JsonObject

SIGNIFICANCE = 0.05
DRAWS = 20_000
COUNTED = 16
"""Differences up to which all assignments of signs are gone through: 65,536."""

_SAME = 1e-9
"""Differences and sums that are nearer than this are equal: scores are ratios of small numbers."""


class Method(StrEnum):
    """How a p value came about."""

    SIGN_TEST = "exact sign test"
    COUNTED = "exact sign-flip test"
    DRAWN = "sign-flip test, signs drawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedResult:
    """What became of `a - b` over the same units."""

    difference: Interval
    p_value: float
    """Two-sided."""
    method: Method
    wins: int
    """Units in which `a` scored higher."""
    ties: int
    losses: int

    @property
    def surely_better(self) -> bool:
        """By the interval and by the test."""
        return self.difference.low > 0 and self.p_value < SIGNIFICANCE

    @property
    def surely_worse(self) -> bool:
        """By the interval and by the test."""
        return self.difference.high < 0 and self.p_value < SIGNIFICANCE

    @property
    def p_text(self) -> str:
        """As it is written: drawn signs say nothing of how small a small one is."""
        return "p < 0.001" if self.p_value < 0.001 else f"p = {self.p_value:.2g}"

    def as_json(self) -> JsonObject:
        return {
            "mean": self.difference.mean,
            "low": self.difference.low,
            "high": self.difference.high,
            "p_value": self.p_value,
            "method": self.method.value,
            "wins": self.wins,
            "ties": self.ties,
            "losses": self.losses,
        }


def compare_paired(a: Sequence[float], b: Sequence[float], *, seed: int = 0) -> PairedResult:
    """Compare scores of the same units in the same order; the same scores and seed give the same result.

    Raises:
        InvalidRequestError: They are empty or differ in length, or a score is not a finite number.
    """
    difference = paired_difference(a, b, seed=seed)
    differences = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    p_value, method = sign_flip_p(differences, seed=seed)
    wins, losses = int((differences > _SAME).sum()), int((differences < -_SAME).sum())
    return PairedResult(
        difference=difference,
        p_value=p_value,
        method=method,
        wins=wins,
        ties=len(differences) - wins - losses,
        losses=losses,
    )


def sign_flip_p(differences: NDArray[np.float64], *, seed: int = 0) -> tuple[float, Method]:
    """How often random signs bring the sum as far from zero as it is; units without a difference are moot."""
    moved = differences[np.abs(differences) > _SAME]
    sizes = np.abs(moved)
    if not len(moved) or float(np.ptp(sizes)) <= _SAME:
        return _sign_test(int((moved > 0).sum()), len(moved)), Method.SIGN_TEST
    reached = abs(float(moved.sum())) - _SAME * len(moved)
    if len(moved) <= COUNTED:
        signs = _all_signs(len(moved))
        return float((np.abs(signs @ sizes) >= reached).mean()), Method.COUNTED
    generator = np.random.default_rng(seed)
    hits = 0
    # In portions: signs for 20,000 draws of 10,000 units would take 1.6 GB.
    portion = max(1, 1_000_000 // len(moved))
    for start in range(0, DRAWS, portion):
        shape = (min(portion, DRAWS - start), len(moved))
        signs = 1 - 2 * generator.integers(0, 2, shape, dtype=np.int8)
        hits += int((np.abs(signs @ sizes) >= reached).sum())
    return (hits + 1) / (DRAWS + 1), Method.DRAWN


def units_needed(result: PairedResult, count: int, differences: Sequence[float]) -> int | None:
    """About how many units would show this difference four times in five; `None` if there is none to show.

    By the normal approximation, for a difference that stays as it is: a hint, no promise.
    """
    mean = result.difference.mean
    if mean <= 0:
        return None
    spread = float(np.std(np.asarray(differences, np.float64)))
    needed = math.ceil(((1.96 + 0.84) * spread / mean) ** 2)
    return max(needed, count + 1)


def _all_signs(count: int) -> NDArray[np.int8]:
    """A row for each way of giving `count` numbers a sign."""
    signs = np.ones((2**count, count), np.int8)
    for column in range(count):
        signs[:, column] = np.tile(
            np.repeat(np.array((1, -1), np.int8), 2**column), 2 ** (count - column - 1)
        )
    return signs


def _sign_test(wins: int, count: int) -> float:
    # In whole numbers: their quotient is right where floats would overflow.
    tail = ways = 1
    for chosen in range(min(wins, count - wins)):
        ways = ways * (count - chosen) // (chosen + 1)
        tail += ways
    return min(1.0, 2 * tail / 2**count)
