"""The gate lets through what finds more and orders better, and nothing that new tools pay for."""

import random
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.evaluation.gate import Decision, Figures, GateRules, judge

SAME = [0.5] * 100


def both(values: Sequence[float]) -> Figures:
    return Figures(recall=values, ndcg=values)


def mixed(better: int, worse: int, same: int) -> list[float]:
    """What is added to 0.5, in an order that says nothing."""
    values = [0.75] * better + [0.25] * worse + [0.5] * same
    random.Random(0).shuffle(values)
    return values


def test_what_finds_more_and_costs_new_tools_nothing_is_promoted() -> None:
    verdict = judge(both(mixed(60, 10, 30)), both(SAME), cold_candidate=both(SAME), cold_current=both(SAME))

    assert verdict.decision is Decision.PROMOTED
    assert verdict.promoted
    assert verdict.recall is not None and verdict.recall.low > 0
    assert verdict.requests == verdict.cold_requests == 100
    assert "+12.5 points" in verdict.why
    assert verdict.as_json()["decision"] == "promoted"


def test_tools_without_use_must_not_pay_for_it() -> None:
    verdict = judge(
        both(mixed(90, 0, 10)), both(SAME), cold_candidate=both(mixed(0, 40, 60)), cold_current=both(SAME)
    )

    assert verdict.decision is Decision.REJECTED
    assert verdict.why.startswith("Tools without use lose recall@5: -10.0 points")


def test_a_loss_of_new_tools_that_may_be_chance_is_bounded_too() -> None:
    rules = GateRules(cold_loss=0.02)
    judged = {"candidate": both(mixed(60, 10, 30)), "current": both(SAME), "cold_current": both(SAME)}

    small = judge(**judged, cold_candidate=both(mixed(10, 14, 76)), rules=rules)
    large = judge(**judged, cold_candidate=both(mixed(20, 30, 50)), rules=rules)

    assert small.decision is Decision.PROMOTED
    assert large.cold_ndcg is not None and large.cold_ndcg.high > 0
    assert large.decision is Decision.REJECTED


def test_what_surely_loses_is_rejected() -> None:
    verdict = judge(both(mixed(0, 50, 50)), both(SAME), cold_candidate=both(SAME), cold_current=both(SAME))

    assert verdict.decision is Decision.REJECTED
    assert verdict.why.startswith("It loses recall@5")


def test_what_may_be_chance_is_not_promoted() -> None:
    verdict = judge(both(mixed(30, 25, 45)), both(SAME), cold_candidate=both(SAME), cold_current=both(SAME))

    assert verdict.decision is Decision.INCONCLUSIVE
    assert not verdict.promoted


def test_too_few_requests_say_nothing_however_good() -> None:
    few, enough = [1.0] * 49, [0.5] * 100
    verdict = judge(both(few), both([0.0] * 49), cold_candidate=both(enough), cold_current=both(enough))
    assert (verdict.decision, verdict.recall) == (Decision.INCONCLUSIVE, None)
    assert "49 later requests, 50 are needed" in verdict.why

    verdict = judge(both(enough), both(enough), cold_candidate=both([1.0]), cold_current=both([0.0]))
    assert "1 requests for tools without use, 30 are needed" in verdict.why

    nothing = both([])
    assert not judge(nothing, nothing, cold_candidate=nothing, cold_current=nothing).promoted


def test_where_everything_is_found_already_a_better_order_is_enough() -> None:
    found = [1.0] * 100
    verdict = judge(
        Figures(recall=found, ndcg=mixed(60, 10, 30)),
        Figures(recall=found, ndcg=SAME),
        cold_candidate=both(SAME),
        cold_current=both(SAME),
    )

    assert verdict.promoted


def test_a_better_order_does_not_make_up_for_tools_that_are_not_found() -> None:
    verdict = judge(
        Figures(recall=mixed(0, 6, 94), ndcg=mixed(60, 10, 30)),
        both(SAME),
        cold_candidate=both(SAME),
        cold_current=both(SAME),
    )

    assert not verdict.promoted


figures = st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=50, max_size=80)


@settings(deadline=None, max_examples=25)
@given(figures)
def test_nothing_is_promoted_over_itself(values: list[float]) -> None:
    same = both(values)

    assert judge(same, same, cold_candidate=same, cold_current=same).decision is Decision.INCONCLUSIVE
