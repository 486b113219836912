"""How likely a tool serves a task: scores turned into probabilities that compare across questions.

Two logistic regressions over what the texts say: one for each of the first tools, one for whether any tool
fits at all. `calibration.py` says where their coefficients come from.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from toolhone.selection.calibration import Calibration, Logistic
from toolhone.selection.scoring import Evidence

TOOL_FEATURES = ("score", "behind first", "place", "best cosine", "coverage", "late", "behind best late")
TASK_FEATURES = ("best cosine", "coverage", "late", "lead", "log tools")


def tool_probabilities(calibration: Calibration, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """How likely each tool serves the task; one row of `tool_features` a tool."""
    return _probabilities(calibration.tool, features, TOOL_FEATURES)


def task_probability(calibration: Calibration, features: NDArray[np.float64]) -> float:
    """How likely any tool serves the task, from `task_features`."""
    return float(_probabilities(calibration.task, features[None], TASK_FEATURES)[0])


def _probabilities(
    fitted: Logistic, features: NDArray[np.float64], names: Sequence[str]
) -> NDArray[np.float64]:
    weights = np.array([fitted.coefficients.get(name, 0.0) for name in names])
    return 1.0 / (1.0 + np.exp(-np.clip(features @ weights + fitted.intercept, -30, 30)))


def tool_features(
    evidence: Evidence, scores: NDArray[np.float64], order: Sequence[int]
) -> NDArray[np.float64]:
    """One row a place of the order, columns as in `TOOL_FEATURES`."""
    places = np.array(order, np.int64)
    of_first = scores[places]
    late = np.nan_to_num(evidence.late[places].astype(np.float64), nan=0.0)
    return np.stack(
        [
            of_first,
            of_first.max() - of_first,
            np.log1p(np.arange(len(places))),
            evidence.best_cosine[places].astype(np.float64),
            evidence.coverage[places].astype(np.float64),
            late,
            late.max() - late,
        ],
        axis=1,
    )


def without_place(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """The features of tools as if all were first: what tells equals apart must not be their order."""
    even = features.copy()
    even[:, TOOL_FEATURES.index("place")] = 0.0
    return even


def task_features(evidence: Evidence, considered: int) -> NDArray[np.float64]:
    """Columns as in `TASK_FEATURES`."""
    late = evidence.late[~np.isnan(evidence.late)]
    scores = np.sort(evidence.scores)[::-1]
    return np.array(
        [
            float(evidence.best_cosine.max()),
            float(evidence.coverage.max()),
            float(late.max()) if late.size else 0.0,
            float(scores[0] - scores[: min(10, len(scores))].mean()),
            float(np.log(considered)),
        ]
    )
