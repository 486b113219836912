"""Scores as probabilities, and how many tools are worth showing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.selection.bundle import BundleEncoder
from toolhone.selection.calibration import Calibration, Logistic, by_words
from toolhone.selection.certainty import (
    TASK_FEATURES,
    TOOL_FEATURES,
    task_features,
    task_probability,
    tool_features,
    tool_probabilities,
)
from toolhone.selection.placing import enough
from toolhone.selection.scoring import Evidence

NOTHING = Logistic(intercept=0, coefficients={})


def calibration(tool: Logistic = NOTHING, task: Logistic = NOTHING, least: float = 0.2) -> Calibration:
    return Calibration(tool=tool, task=task, nothing_below=0.5, least=least)


def evidence(scores: list[float], late: list[float] | None = None) -> Evidence:
    values = np.array(scores, np.float32)
    return Evidence(
        scores=np.array(scores),
        cosine=values,
        best_cosine=values,
        lexical=10 * values,
        coverage=np.float32(0.5) * values,
        late=np.full(len(scores), np.nan, np.float32) if late is None else np.array(late, np.float32),
        embedded=np.ones(len(scores), np.bool_),
    )


@pytest.mark.parametrize(
    ("fits", "shown"),
    [
        ([0.9, 0.8, 0.1, 0.05], 2),
        ([0.9, 0.1, 0.8, 0.1], 3),
        ([0.1, 0.1], 1),
        ([0.2, 0.2], 2),
        ([0.0], 1),
        ([], 0),
    ],
)
def test_shown_is_up_to_the_last_tool_that_is_likely_enough(fits: list[float], shown: int) -> None:
    assert enough(calibration().least, fits) == shown


def test_every_feature_of_a_tool_has_its_column() -> None:
    features = tool_features(evidence([0.2, 0.9, 0.5], [0.1, np.nan, 0.4]), np.array([0.2, 0.9, 0.5]), [1, 2])

    named = [dict(zip(TOOL_FEATURES, row, strict=True)) for row in features.tolist()]
    assert named[0]["score"] == 0.9
    assert named[0]["behind first"] == 0
    assert named[1]["behind first"] == pytest.approx(0.4)
    assert named[0]["place"] < named[1]["place"]
    assert named[1]["best cosine"] == pytest.approx(0.5)
    assert named[1]["coverage"] == pytest.approx(0.25)
    assert (named[0]["late"], named[0]["behind best late"]) == pytest.approx((0, 0.4))


def test_every_feature_of_a_task_has_its_column() -> None:
    named = dict(zip(TASK_FEATURES, task_features(evidence([0.2, 0.8]), 2).tolist(), strict=True))

    assert named["best cosine"] == pytest.approx(0.8)
    assert named["coverage"] == pytest.approx(0.4)
    assert named["late"] == 0
    assert named["lead"] == pytest.approx(0.3)
    assert named["log tools"] == pytest.approx(np.log(2))


def test_features_that_a_calibration_does_not_name_count_nothing() -> None:
    one = calibration(
        Logistic(intercept=-1, coefficients={"score": 2}), Logistic(intercept=3, coefficients={})
    )
    features = tool_features(evidence([0.5, 1.0]), np.array([0.5, 1.0]), [1, 0])

    assert tool_probabilities(one, features).tolist() == pytest.approx([1 / (1 + np.exp(-1)), 0.5])
    assert task_probability(one, task_features(evidence([0.5]), 1)) == pytest.approx(1 / (1 + np.exp(-3)))


@settings(deadline=None)
@given(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20), st.floats(-1e9, 1e9), st.floats(-1e9, 1e9)
)
def test_a_probability_is_one_whatever_the_coefficients(
    scores: list[float], intercept: float, coefficient: float
) -> None:
    fitted = Logistic(
        intercept=intercept, coefficients=dict.fromkeys((*TOOL_FEATURES, *TASK_FEATURES), coefficient)
    )
    one, seen = calibration(fitted, fitted), evidence(scores)

    tools = tool_probabilities(one, tool_features(seen, seen.scores, range(len(scores))))

    assert ((tools >= 0) & (tools <= 1)).all()
    assert 0 <= task_probability(one, task_features(seen, len(scores))) <= 1


def test_ours_name_only_features_that_exist(shipped: BundleEncoder) -> None:
    for one in (by_words(), shipped.calibration):
        assert one is not None
        assert set(one.tool.coefficients) <= set(TOOL_FEATURES)
        assert set(one.task.coefficients) <= set(TASK_FEATURES)


def test_a_better_match_is_surer(shipped: BundleEncoder) -> None:
    for one in (by_words(), shipped.calibration):
        assert one is not None
        sure = [
            task_probability(one, task_features(evidence([best, best / 3, best / 3]), 100))
            for best in (0.1, 0.4, 0.7, 1.0)
        ]
        assert sure == sorted(sure)
