"""Mixing two kinds of evidence, and preferences among near-equals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.selection.ranking import NEAR_EQUAL, blend, prefer
from toolhone.stores import ToolUsage

UNIT = st.floats(0, 1, width=32)


def used(mean_ms: float = 10, mean_tokens: float = 10, calls: int = 100, failures: int = 0) -> ToolUsage:
    return ToolUsage(calls=calls, failures=failures, mean_ms=mean_ms, mean_tokens=mean_tokens)


def preferred(
    scores: list[float], usage: list[ToolUsage | None], *, fast: bool = False, cheap: bool = False
) -> list[int]:
    order = list(range(len(scores)))
    return prefer(order, np.array(scores), usage, count=len(scores), fast=fast, cheap=cheap)


def test_both_kinds_of_evidence_are_stretched_and_mixed() -> None:
    cosine = np.array([0.1, 0.5, 0.3], np.float32)
    lexical = np.array([4, 0, 2], np.float32)

    scores = blend(cosine, np.ones(3, np.bool_), lexical, 0.6)

    assert scores.tolist() == pytest.approx([0.4, 0.6, 0.5])


def test_tools_that_hardly_differ_stay_near_equals() -> None:
    scores = blend(
        np.array([0.41, 0.42], np.float32), np.ones(2, np.bool_), np.array([3.0, 2.9], np.float32), 0.6
    )

    assert abs(scores[0] - scores[1]) < NEAR_EQUAL


def test_a_tool_without_a_vector_is_judged_by_its_words_but_not_below_the_middle() -> None:
    cosine = np.array([0.0, 0.4, 0.8, 0.0, 0.0], np.float32)
    embedded = np.array([True, True, True, False, False])
    lexical = np.array([0, 0, 0, 3, 0], np.float32)

    *_, with_words, without = blend(cosine, embedded, lexical, 0.6).tolist()

    assert with_words == 1
    assert without == pytest.approx(0.6 * 0.5)


@settings(deadline=None)
@given(st.lists(st.tuples(UNIT, st.booleans(), UNIT), min_size=1), UNIT)
def test_scores_are_never_outside_of_0_to_1(rows: list[tuple[float, bool, float]], weight: float) -> None:
    cosine, embedded, lexical = (np.array(column) for column in zip(*rows, strict=True))

    scores = blend(cosine.astype(np.float32), embedded, lexical.astype(np.float32), weight)

    assert ((scores >= 0) & (scores <= 1)).all()


def test_among_near_equals_the_faster_tool_comes_first() -> None:
    assert preferred([0.8, 0.79, 0.78], [used(900), used(50), used(300)], fast=True) == [1, 2, 0]


def test_among_near_equals_the_cheaper_tool_comes_first() -> None:
    usage = [used(mean_tokens=900), used(mean_tokens=50)]

    assert preferred([0.8, 0.79], list(usage), cheap=True) == [1, 0]


def test_with_both_preferences_the_tool_that_is_best_at_both_comes_first() -> None:
    usage: list[ToolUsage | None] = [used(10, 30), used(20, 20), used(9, 19)]

    assert preferred([0.8, 0.79, 0.78], usage, fast=True, cheap=True)[0] == 2


def test_the_only_fitting_tool_stays_first_however_slow_it_is() -> None:
    assert preferred([0.9, 0.9 - NEAR_EQUAL - 0.01], [used(90_000), used(1)], fast=True) == [0, 1]


def test_failures_count_against_a_fast_tool() -> None:
    usage: list[ToolUsage | None] = [used(100, failures=90), used(200)]

    assert preferred([0.8, 0.8], usage, fast=True) == [1, 0]


def test_a_tool_without_records_keeps_its_place() -> None:
    usage: list[ToolUsage | None] = [used(900), None, used(0, calls=0), used(50)]

    assert preferred([0.8, 0.8, 0.8, 0.8], usage, fast=True) == [3, 1, 2, 0]


@settings(deadline=None)
@given(
    st.lists(st.tuples(UNIT, st.none() | st.builds(used, st.floats(0, 1e6), st.floats(0, 1e6)))),
    st.integers(1, 8),
    st.booleans(),
    st.booleans(),
)
def test_a_preference_moves_no_tool_past_one_that_fits_clearly_better(
    rows: list[tuple[float, ToolUsage | None]], count: int, fast: bool, cheap: bool
) -> None:
    rows.sort(key=lambda row: -row[0])
    scores = np.array([score for score, _ in rows])

    order = prefer(
        range(len(rows)), scores, [usage for _, usage in rows], count=count, fast=fast, cheap=cheap
    )

    assert sorted(order) == list(range(len(rows)))
    ordered = scores[order]
    assert all(ordered[i] >= ordered[i:].max() - NEAR_EQUAL for i in range(len(ordered)))
