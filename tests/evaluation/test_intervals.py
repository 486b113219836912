"""Bootstrap intervals: bounded, repeatable, and wide where there is little to go by."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.evaluation.intervals import Interval, bootstrap_mean, bootstrap_ratio, paired_difference
from toolhone.exceptions import InvalidRequestError

figures = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def coin(count: int, share: float) -> list[float]:
    return [float(number < share * count) for number in range(count)]


@settings(deadline=None, max_examples=50)
@given(values=figures, seed=st.integers(0, 9))
def test_an_interval_lies_within_its_values(values: list[float], seed: int):
    found = bootstrap_mean(values, draws=50, seed=seed)
    assert found.mean == pytest.approx(np.mean(values))
    assert min(values) - 1e-12 <= found.low <= found.high <= max(values) + 1e-12


@settings(deadline=None, max_examples=50)
@given(values=figures, seed=st.integers(0, 9))
def test_the_same_values_and_seed_give_the_same_interval(values: list[float], seed: int):
    assert bootstrap_mean(values, draws=50, seed=seed) == bootstrap_mean(values, draws=50, seed=seed)


@settings(deadline=None, max_examples=50)
@given(values=figures)
def test_a_ranker_does_not_differ_from_itself(values: list[float]):
    assert paired_difference(values, values, draws=50) == Interval(0.0, 0.0, 0.0)


@settings(deadline=None, max_examples=50)
@given(a=figures, b=figures, seed=st.integers(0, 9))
def test_a_difference_changes_its_sign_with_its_sides(a: list[float], b: list[float], seed: int):
    both = min(len(a), len(b))
    one = paired_difference(a[:both], b[:both], draws=50, seed=seed)
    other = paired_difference(b[:both], a[:both], draws=50, seed=seed)
    assert other.mean == pytest.approx(-one.mean)


def test_the_interval_is_that_of_theory():
    found = bootstrap_mean(coin(400, 0.3), draws=4000)
    deviation = math.sqrt(0.3 * 0.7 / 400)
    assert found.low == pytest.approx(0.3 - 1.96 * deviation, abs=0.006)
    assert found.high == pytest.approx(0.3 + 1.96 * deviation, abs=0.006)


def test_more_queries_make_it_narrower():
    few, many = bootstrap_mean(coin(50, 0.5)), bootstrap_mean(coin(5000, 0.5))
    assert many.high - many.low < (few.high - few.low) / 5


def test_pairing_sees_what_two_intervals_hide():
    easy = coin(200, 0.5)
    better = [*easy[:100], *coin(100, 0.1)]
    alone, paired = bootstrap_mean(better), paired_difference(better, easy)
    assert alone.low < bootstrap_mean(easy).high
    assert paired.low > 0


def test_a_ratio_is_of_the_sums_and_not_of_the_queries():
    # Two queries cost 100 tokens each; one of them found both tools that were found.
    found = bootstrap_ratio([100, 100], [2, 0], draws=50)
    assert found.mean == 100.0
    assert found.high == math.inf  # both draws may be the one that found nothing


@pytest.mark.parametrize("values", [[], [math.nan], [1.0, math.inf]])
def test_what_has_no_mean_is_refused(values: list[float]):
    with pytest.raises(InvalidRequestError):
        bootstrap_mean(values)


def test_figures_of_different_queries_are_not_paired():
    with pytest.raises(InvalidRequestError, match="Figures of 2 and of 1 queries"):
        paired_difference([1, 0], [1])
    with pytest.raises(InvalidRequestError, match="Figures of 1 and of 2 queries"):
        bootstrap_ratio([1], [1, 0])
