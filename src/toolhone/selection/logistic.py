"""Logistic regression in a few lines of numpy: small, convex, solved by Newton's method, no randomness."""

import numpy as np
from numpy.typing import NDArray

STEPS = 50
CLOSE_ENOUGH = 1e-8


def conditional_logit(
    rows: NDArray[np.float64],
    starts: NDArray[np.int64],
    credit: NDArray[np.float64],
    presence: NDArray[np.float64],
    *,
    prior: NDArray[np.float64],
    steadiness: float,
) -> NDArray[np.float64]:
    """The weights under which the right rows of each group were most likely chosen from it (McFadden 1974).

    Args:
        rows: One a candidate, one column a feature; the candidates of a group stand together.
        starts: The first row of each group.
        credit: How much each row was chosen; 0 for the others of its group.
        presence: How surely each row was there to be chosen, above 0 to 1.
        prior: What the weights are without data; they are drawn to it as by a normal distribution.
        steadiness: The inverse of its variance.
    """
    weights = prior.astype(np.float64)
    group = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(rows))))
    total = np.add.reduceat(credit, starts)
    penalty = steadiness * np.eye(len(prior))
    for _ in range(STEPS):
        sums = rows @ weights
        sums -= np.maximum.reduceat(sums, starts)[group]
        odds = presence * np.exp(sums)
        expected = odds / np.add.reduceat(odds, starts)[group] * total[group]
        gradient = rows.T @ (credit - expected) - steadiness * (weights - prior)
        means = np.add.reduceat(rows * (expected / np.maximum(total, 1e-12)[group])[:, None], starts)
        curvature = (rows * expected[:, None]).T @ rows - (means * total[:, None]).T @ means + penalty
        step = np.linalg.solve(curvature, gradient)
        weights = weights + step
        if np.abs(step).max() < CLOSE_ENOUGH:
            break
    return weights
