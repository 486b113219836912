"""Preferences and health among tools that fit alike: what may move, how far, and for what."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.selection.preference import NEAR_EQUAL, NEAR_ODDS, prefer
from toolhone.stores import ToolUsage

UNIT = st.floats(0, 1, width=32)
COST = st.floats(0, 1e6)


def used(mean_ms: float = 10, mean_tokens: float = 10, calls: int = 100, failures: int = 0) -> ToolUsage:
    return ToolUsage(calls=calls, failures=failures, mean_ms=mean_ms, mean_tokens=mean_tokens)


def preferred(
    scores: list[float],
    usage: list[ToolUsage | None],
    *,
    fits: list[float] | None = None,
    count: int | None = None,
    fast: bool = False,
    cheap: bool = False,
    unhealthy: set[int] | frozenset[int] = frozenset(),
) -> list[int]:
    return prefer(
        range(len(scores)),
        scores,
        fits or [0.5] * len(scores),
        {tool: record for tool, record in enumerate(usage) if record is not None},
        count=count or len(scores),
        fast=fast,
        cheap=cheap,
        unhealthy=unhealthy,
    )


def test_among_near_equals_the_faster_tool_comes_first() -> None:
    assert preferred([0.8, 0.79, 0.78], [used(900), used(50), used(300)], fast=True) == [1, 2, 0]


def test_among_near_equals_the_cheaper_tool_comes_first() -> None:
    usage = [used(mean_tokens=900), used(mean_tokens=50)]

    assert preferred([0.8, 0.79], list(usage), cheap=True) == [1, 0]


def test_without_a_preference_cost_moves_nothing() -> None:
    assert preferred([0.8, 0.8, 0.79], [used(900, 900), used(1, 1), None]) == [0, 1, 2]


def test_a_small_saving_does_not_outweigh_a_small_lead() -> None:
    # Half the time is worth 0.015 of score.
    assert preferred([0.80, 0.79], [used(100), used(50)], fast=True) == [1, 0]
    assert preferred([0.80, 0.78], [used(100), used(50)], fast=True) == [0, 1]


def test_ten_times_as_fast_outweighs_any_lead_that_may_be_outweighed() -> None:
    calls = 10_000  # so that nothing is doubted

    usage: list[ToolUsage | None] = [used(1_000, calls=calls), used(99, calls=calls)]

    assert preferred([0.8, 0.8 - NEAR_EQUAL + 1e-9], usage, fast=True) == [1, 0]


def test_with_both_preferences_the_tool_that_is_best_at_both_comes_first() -> None:
    usage: list[ToolUsage | None] = [used(10, 300), used(200, 20), used(9, 19)]

    assert preferred([0.8, 0.79, 0.78], usage, fast=True, cheap=True)[0] == 2


def test_the_only_fitting_tool_stays_first_however_slow_and_ill_it_is() -> None:
    usage: list[ToolUsage | None] = [used(90_000, failures=99), used(1)]

    by_score = preferred([0.9, 0.9 - NEAR_EQUAL - 0.01], usage, fast=True, unhealthy={0})
    by_fit = preferred([0.9, 0.9], usage, fits=[0.8, 0.4], fast=True, unhealthy={0})

    assert by_score == by_fit == [0, 1]


def test_a_tool_between_two_that_fit_is_no_bridge_for_one_that_does_not() -> None:
    usage: list[ToolUsage | None] = [used(900), used(800), used(1)]

    assert preferred([0.8, 0.8, 0.8], usage, fits=[0.5, 0.8, 0.4], fast=True)[-1] == 2


def test_failures_count_against_a_fast_tool() -> None:
    usage: list[ToolUsage | None] = [used(100, failures=90), used(200)]

    assert preferred([0.8, 0.8], usage, fast=True) == [1, 0]


def test_a_tool_that_was_never_called_is_taken_to_be_in_the_middle() -> None:
    usage: list[ToolUsage | None] = [used(900), None, used(0, calls=0), used(50), used(200)]

    assert preferred([0.8] * 5, usage, fast=True) == [3, 1, 2, 4, 0]


def test_one_odd_call_decides_nothing_that_many_calls_tell_otherwise() -> None:
    usage: list[ToolUsage | None] = [used(100), used(20, calls=1), used(110)]

    assert preferred([0.80, 0.78, 0.78], usage, fast=True)[0] == 0


@pytest.mark.parametrize("fast", [False, True])
def test_a_tool_that_fails_now_goes_behind_its_equals_and_no_further(fast: bool) -> None:
    usage: list[ToolUsage | None] = [used(1), used(900), used(900)]

    assert preferred([0.8, 0.79, 0.6], usage, fast=fast, unhealthy={0}) == [1, 0, 2]


def test_what_is_not_shown_is_not_rearranged() -> None:
    usage: list[ToolUsage | None] = [used(900), used(800), used(9)]

    assert preferred([0.8, 0.7, 0.69], usage, count=1, fast=True) == [0, 1, 2]


def test_nothing_to_order_is_nothing() -> None:
    assert prefer([], [], [], {}, count=5, fast=True, cheap=True) == []


@settings(deadline=None)
@given(
    st.lists(st.tuples(UNIT, UNIT, st.none() | st.builds(used, COST, COST, st.just(9), st.integers(0, 9)))),
    st.integers(1, 8),
    st.booleans(),
    st.booleans(),
    st.sets(st.integers(0, 20)),
)
def test_a_preference_moves_no_tool_past_one_that_fits_clearly_better(
    rows: list[tuple[float, float, ToolUsage | None]],
    count: int,
    fast: bool,
    cheap: bool,
    unhealthy: set[int],
) -> None:
    rows.sort(key=lambda row: -row[0])
    scores, fits = [row[0] for row in rows], [row[1] for row in rows]

    order = preferred(
        scores,
        [row[2] for row in rows],
        fits=fits,
        count=count,
        fast=fast,
        cheap=cheap,
        unhealthy=unhealthy,
    )

    assert sorted(order) == list(range(len(rows)))
    odds = [fit / max(1 - fit, 1e-9) for fit in fits]
    for place, tool in enumerate(order):
        passed = [other for other in order[place + 1 :] if other < tool]
        assert all(scores[other] - scores[tool] <= NEAR_EQUAL for other in passed)
        assert all(odds[other] <= NEAR_ODDS * odds[tool] for other in passed)
