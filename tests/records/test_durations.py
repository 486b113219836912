"""Percentiles read off logarithmic buckets, against exact ones."""

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.records.durations import ERROR, SHORTEST_MS, bucket_of, percentiles, value_of

times = st.lists(st.floats(min_value=SHORTEST_MS, max_value=1e9), min_size=1, max_size=200)


@settings(deadline=None)
@given(times, st.lists(st.floats(min_value=0.001, max_value=1.0), min_size=1, max_size=4).map(sorted))
def test_percentiles_are_as_near_as_is_said(values: list[float], shares: list[float]) -> None:
    exact = [sorted(values)[math.ceil(len(values) * share) - 1] for share in shares]

    read = percentiles(Counter(map(bucket_of, values)), shares)

    for ours, true in zip(read, exact, strict=True):
        assert ours is not None
        assert abs(ours - true) <= ERROR * true * (1 + 1e-9)


@settings(deadline=None)
@given(times, times)
def test_buckets_of_two_spans_are_those_of_both(one: list[float], other: list[float]) -> None:
    added = Counter(map(bucket_of, one)) + Counter(map(bucket_of, other))

    assert added == Counter(map(bucket_of, [*one, *other]))


@pytest.mark.parametrize("odd", [0.0, -1.0, math.nan, SHORTEST_MS / 2])
def test_what_takes_no_time_counts_as_the_shortest(odd: float) -> None:
    assert value_of(bucket_of(odd)) == pytest.approx(SHORTEST_MS, rel=2 * ERROR)


def test_what_takes_for_ever_has_a_bucket() -> None:
    assert value_of(bucket_of(math.inf)) > 1e10


def test_of_nothing_there_is_no_percentile() -> None:
    assert percentiles({}, (0.5, 0.99)) == (None, None)
