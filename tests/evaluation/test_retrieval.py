"""The figures of a ranking: as the README of the labelled sets defines them."""

from collections.abc import Callable, Collection, Sequence
from math import log2
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.evaluation.retrieval import all_gold_at, hit_at, ndcg_at, recall_at, reciprocal_rank
from toolhone.exceptions import InvalidRequestError

Figure: TypeAlias = Callable[[Sequence[str], Collection[str], int], float]

FIGURES: list[Figure] = [recall_at, hit_at, all_gold_at, ndcg_at, reciprocal_rank]
EVERY_FIGURE = pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.__name__)

names = st.lists(st.sampled_from("abcdefghijklmnop"), unique=True, max_size=14)
golds = st.sets(st.sampled_from("abcdefghijklmnopq"), min_size=1, max_size=14)
depths = st.integers(1, 15)


def test_recall_is_the_share_of_the_right_tools_that_are_shown():
    assert recall_at(["a", "x", "b", "c"], {"a", "b", "c"}, 3) == pytest.approx(2 / 3)


def test_one_right_tool_is_a_hit():
    assert hit_at(["x", "a"], {"a", "b"}, 1) == 0.0
    assert hit_at(["x", "a"], {"a", "b"}, 2) == 1.0


def test_all_gold_wants_every_right_tool():
    assert all_gold_at(["a", "b", "x"], {"a", "b"}, 2) == 1.0
    assert all_gold_at(["a", "x", "b"], {"a", "b"}, 2) == 0.0
    assert all_gold_at(["a", "b"], {"a", "b", "c"}, 2) == 0.0


def test_ndcg_discounts_by_place_and_is_judged_by_the_best_ranking():
    assert ndcg_at(["a", "x", "b"], {"a", "b"}, 10) == pytest.approx((1 + 1 / 2) / (1 + 1 / log2(3)))
    # With more right tools than places, a full house of right ones is the best there is.
    assert ndcg_at(["a", "b"], {"a", "b", "c"}, 2) == 1.0


def test_the_reciprocal_rank_counts_from_the_first_right_tool():
    assert reciprocal_rank(["x", "y", "a", "b"], {"a", "b"}) == pytest.approx(1 / 3)
    assert reciprocal_rank([*"0123456789", "a"], {"a"}) == 0.0


def test_a_name_ranked_twice_counts_once():
    assert recall_at(["a", "a"], {"a", "b"}, 2) == 0.5
    assert ndcg_at(["a", "a"], {"a", "b"}, 2) == pytest.approx(1 / (1 + 1 / log2(3)))


@EVERY_FIGURE
def test_a_query_without_right_tools_has_no_figure(figure: Figure):
    with pytest.raises(InvalidRequestError, match="without right tools"):
        figure(["a"], [], 5)


@EVERY_FIGURE
def test_a_depth_below_one_is_refused(figure: Figure):
    with pytest.raises(InvalidRequestError, match="k is 0"):
        figure(["a"], ["a"], 0)


@EVERY_FIGURE
@settings(deadline=None)
@given(ranked=names, gold=golds, k=depths)
def test_every_figure_is_a_share(figure: Figure, ranked: list[str], gold: set[str], k: int):
    assert 0.0 <= figure(ranked, gold, k) <= 1.0


@EVERY_FIGURE
@settings(deadline=None)
@given(ranked=names, gold=golds, k=depths)
def test_what_stands_below_the_depth_does_not_count(
    figure: Figure, ranked: list[str], gold: set[str], k: int
):
    assert figure(ranked, gold, k) == figure(ranked[:k], gold, k)


@EVERY_FIGURE
@settings(deadline=None)
@given(gold=golds, others=st.lists(st.text("xyz", min_size=2), unique=True, max_size=5))
def test_right_tools_first_is_perfect(figure: Figure, gold: set[str], others: list[str]):
    assert figure([*sorted(gold), *others], gold, len(gold)) == 1.0


@EVERY_FIGURE
@settings(deadline=None)
@given(ranked=names, gold=golds, k=depths, data=st.data())
def test_moving_a_right_tool_up_never_costs(
    figure: Figure, ranked: list[str], gold: set[str], k: int, data: st.DataObject
):
    pairs = [i for i in range(1, len(ranked)) if ranked[i] in gold and ranked[i - 1] not in gold]
    if not pairs:
        return
    at = data.draw(st.sampled_from(pairs))
    better = [*ranked[: at - 1], ranked[at], ranked[at - 1], *ranked[at + 1 :]]
    assert figure(better, gold, k) >= figure(ranked, gold, k) - 1e-12


@settings(deadline=None)
@given(ranked=names, gold=golds, k=depths)
def test_a_deeper_look_never_finds_less(ranked: list[str], gold: set[str], k: int):
    assert recall_at(ranked, gold, k + 1) >= recall_at(ranked, gold, k)
    assert hit_at(ranked, gold, k + 1) >= hit_at(ranked, gold, k)


@settings(deadline=None)
@given(ranked=names, gold=golds, k=depths)
def test_the_figures_agree_on_all_and_on_nothing(ranked: list[str], gold: set[str], k: int):
    recall = recall_at(ranked, gold, k)
    assert all_gold_at(ranked, gold, k) == (recall == 1.0)
    assert hit_at(ranked, gold, k) == (recall > 0.0)
    assert (ndcg_at(ranked, gold, k) > 0.0) == (reciprocal_rank(ranked, gold, k) > 0.0) == (recall > 0.0)
