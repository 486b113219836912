"""A difference counts if its interval leaves zero out and chance alone would hardly bring it about."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.evaluation.paired import Method, compare_paired, sign_flip_p, units_needed
from toolhone.exceptions import InvalidRequestError

scores = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=9)


def right(wins: int, losses: int, ties: int) -> tuple[list[float], list[float]]:
    """Scores of right or wrong."""
    return [1.0] * wins + [0.0] * losses + [1.0] * ties, [0.0] * wins + [1.0] * losses + [1.0] * ties


@pytest.mark.parametrize(
    ("wins", "losses", "p"),
    # scipy.stats.binomtest(wins, wins + losses).pvalue
    [(5, 0, 0.0625), (6, 0, 0.03125), (9, 1, 0.021484375), (10, 10, 1.0), (60, 40, 0.05688793364098078)],
)
def test_right_or_wrong_is_the_exact_sign_test(wins: int, losses: int, p: float) -> None:
    result = compare_paired(*right(wins, losses, 7))

    assert result.method is Method.SIGN_TEST
    assert result.p_value == pytest.approx(p)
    assert (result.wins, result.ties, result.losses) == (wins, 7, losses)


@settings(deadline=None, max_examples=30)
@given(pairs=scores)
def test_few_differences_are_counted_to_the_last_assignment_of_signs(
    pairs: list[tuple[float, float]],
) -> None:
    differences = np.array([a - b for a, b in pairs])
    p, _ = sign_flip_p(differences)

    moved = [abs(one) for one in differences if abs(one) > 1e-9]
    reached = abs(sum(one for one in differences if abs(one) > 1e-9)) - 1e-9 * len(moved)
    sums = [
        abs(sum(sign * one for sign, one in zip(signs, moved, strict=True)))
        for signs in product((1, -1), repeat=len(moved))
    ]
    assert p == pytest.approx(sum(one >= reached for one in sums) / len(sums), abs=1e-3)


@settings(deadline=None, max_examples=30)
@given(pairs=scores)
def test_changing_places_changes_the_sign_and_nothing_else(pairs: list[tuple[float, float]]) -> None:
    a, b = [one for one, _ in pairs], [one for _, one in pairs]
    one, other = compare_paired(a, b), compare_paired(b, a)

    assert one.p_value == pytest.approx(other.p_value)
    assert one.difference.mean == pytest.approx(-other.difference.mean)
    assert (one.wins, one.ties, one.losses) == (other.losses, other.ties, other.wins)
    assert 0 < one.p_value <= 1


def test_many_differences_are_drawn_and_give_the_same_each_time() -> None:
    generator = np.random.default_rng(7)
    a = generator.random(200)
    b = np.clip(a - 0.05 + generator.normal(0, 0.2, 200), 0, 1)
    result = compare_paired(a.tolist(), b.tolist())

    assert result.method is Method.DRAWN
    assert result == compare_paired(a.tolist(), b.tolist())
    # A t test of paired scores says nearly the same where there are many of them.
    difference = a - b
    t = difference.mean() / (difference.std(ddof=1) / np.sqrt(200))
    assert t > 3
    assert result.p_value < 0.01
    assert result.surely_better


def test_chance_is_rarely_taken_for_a_difference() -> None:
    generator = np.random.default_rng(11)
    found = 0
    for _ in range(60):
        a, b = generator.random(14).round(1), generator.random(14).round(1)
        result = compare_paired(a.tolist(), b.tolist(), seed=1)
        found += result.surely_better or result.surely_worse
    # Of 60 tries at 5 %, 3 are expected; 10 or more come about once in 1,000 times.
    assert found < 10


def test_four_wins_among_twenty_are_not_sure_though_the_interval_says_so() -> None:
    result = compare_paired(*right(4, 0, 16))

    assert result.difference.low > 0
    assert result.p_value == 0.125
    assert not result.surely_better


def test_equal_scores_are_no_difference() -> None:
    result = compare_paired([0.5, 1.0], [0.5, 1.0])

    assert (result.p_value, result.ties) == (1.0, 2)
    assert not (result.surely_better or result.surely_worse)


def test_what_cannot_be_paired_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="cannot be paired"):
        compare_paired([1.0], [1.0, 0.0])
    with pytest.raises(InvalidRequestError, match="no figures"):
        compare_paired([], [])


def test_how_many_rows_a_difference_would_need() -> None:
    a, b = right(12, 8, 20)
    needed = units_needed(compare_paired(a, b), 40, [x - y for x, y in zip(a, b, strict=True)])

    # ((1.96 + 0.84) * sqrt(0.5 - 0.01) / 0.1) ** 2
    assert needed == 385
    assert units_needed(compare_paired(b, a), 40, []) is None
