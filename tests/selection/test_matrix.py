"""Vectors in a matrix that grows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.selection.matrix import MOST_ROWS, ROWS_OF_A_THREAD, VectorMatrix, believable

PARTS = np.eye(3, dtype=np.float32)


@settings(deadline=None)
@given(st.lists(st.integers(0, 300), max_size=6), st.booleans())
def test_products_are_those_of_all_rows_in_order(sizes: list[int], stored: bool) -> None:
    rows = np.arange(3 * (sum(sizes) + 5), dtype=np.float32).reshape(-1, 3)
    matrix = VectorMatrix(3, rows[:5]) if stored else VectorMatrix(3)
    first = 5
    if not stored:
        matrix.add(rows[:5])

    for size in sizes:
        assert matrix.add(rows[first : first + size]) == first
        first += size

    assert matrix.used == len(rows)
    assert (matrix.times(PARTS) == rows.T).all()
    assert (matrix.times(PARTS[:1]) == rows.T[:1]).all()
    some = np.arange(len(rows), dtype=np.int32)[::-3]
    assert (matrix.rows(some) == rows[some]).all()


def test_more_rows_than_are_added_at_once_are_added_in_steps() -> None:
    matrix = VectorMatrix(3)
    rows = np.arange(3 * (MOST_ROWS + 10), dtype=np.float32).reshape(-1, 3)

    matrix.add(rows)

    assert (matrix.times(PARTS) == rows.T).all()


def test_a_product_that_is_shared_among_threads_is_the_same() -> None:
    rows = np.arange(3 * (4 * ROWS_OF_A_THREAD + 1), dtype=np.float32).reshape(-1, 3)
    matrix = VectorMatrix(3, rows[:1000])
    matrix.add(rows[1000:])

    assert (matrix.times(PARTS) == rows.T).all()
    assert (matrix.times(np.tile(PARTS, (2, 1))) == np.tile(rows.T, (2, 1))).all()


@pytest.mark.parametrize(
    ("vector", "good"),
    [
        ([0.6, 0.8], True),
        ([0.6, 0.795], True),
        ([0, 0], False),
        ([6, 8], False),
        ([0.6, np.nan], False),
        ([np.inf, 0], False),
        ([1e38, 1e38], False),
    ],
)
def test_only_finite_vectors_of_length_1_are_believed(vector: list[float], good: bool) -> None:
    assert believable(np.array([vector, [1, 0]], np.float32)).tolist() == [good, True]
