"""The area under the ROC curve: what it is by definition, and what it must not depend on."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.evaluation.discrimination import auroc, auroc_interval
from toolhone.exceptions import InvalidRequestError

# Few distinct numbers, so that there are ties.
numbers = st.lists(st.integers(0, 6), min_size=1, max_size=25)


@settings(deadline=None)
@given(positives=numbers, negatives=numbers)
def test_it_is_the_share_of_pairs_in_the_right_order_with_ties_half(
    positives: list[int], negatives: list[int]
):
    pairs = [1.0 if p > n else 0.5 if p == n else 0.0 for p in positives for n in negatives]
    assert auroc(positives, negatives) == pytest.approx(sum(pairs) / len(pairs))


@settings(deadline=None)
@given(positives=numbers, negatives=numbers)
def test_the_other_way_round_is_the_rest(positives: list[int], negatives: list[int]):
    assert auroc(positives, negatives) + auroc(negatives, positives) == pytest.approx(1.0)


@settings(deadline=None)
@given(positives=numbers, negatives=numbers)
def test_only_the_order_of_the_numbers_counts(positives: list[int], negatives: list[int]):
    stretched = auroc([math.exp(p) for p in positives], [math.exp(n) for n in negatives])
    assert stretched == auroc(positives, negatives)


def test_separated_kinds_give_one_and_a_constant_a_half():
    assert auroc([3, 4], [1, 2]) == 1.0
    assert auroc([1, 1], [1, 1, 1]) == 0.5


@settings(deadline=None, max_examples=30)
@given(positives=numbers, negatives=numbers)
def test_an_interval_is_repeatable_and_within_bounds(positives: list[int], negatives: list[int]):
    found = auroc_interval(positives, negatives, draws=50)
    assert found == auroc_interval(positives, negatives, draws=50)
    assert found.mean == auroc(positives, negatives)
    assert 0.0 <= found.low <= found.high <= 1.0


@pytest.mark.parametrize(("positives", "negatives"), [([], [1.0]), ([1.0], []), ([math.nan], [1.0])])
def test_what_cannot_be_compared_is_refused(positives: list[float], negatives: list[float]):
    with pytest.raises(InvalidRequestError):
        auroc(positives, negatives)
    with pytest.raises(InvalidRequestError):
        auroc_interval(positives, negatives)
