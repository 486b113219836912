"""The promotion gate: whether a candidate may take the place of what is served now.

A ranker learned from a log is judged on later requests, an encoder on tools it never saw; the rule is the
same. It must order better by more than chance (nDCG@5) and find no less (recall@5), and tools without use
must not pay for it: a gain on average that buries every new tool is no gain.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

import numpy as np

from toolhone.evaluation.intervals import Interval, bootstrap
from toolhone.exceptions import InvalidRequestError
from toolhone.models import JsonObject


class Decision(StrEnum):
    """What the gate says."""

    PROMOTED = "promoted"
    REJECTED = "rejected"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One figure a request for each ranker, in the order of the requests, 0..1."""

    recall: Sequence[float]
    """Recall@5."""
    ndcg: Sequence[float]
    """nDCG@5."""
    weights: Sequence[float] = ()
    """How many requests each stands for; empty: one."""

    def __len__(self) -> int:
        return len(self.recall)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRules:
    """When a difference counts."""

    fewest: int = 50
    """Requests below which nothing can be said."""
    fewest_cold: int = 30
    """The same for requests whose tools have no use."""
    recall_slack: float = 0.03
    """By how much the interval of the recall may reach below 0 if its mean does not. A log mostly holds calls
    of tools that were shown, so what showed them has nearly full recall on it, and what would be better can
    hardly gain there: the order must surely be better, the recall must not be worse."""
    cold_loss: float = 0.02
    """The mean that requests for tools without use may lose, if the loss is not certain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The decision with all that it rests on. Differences are candidate minus current, 0..1."""

    decision: Decision
    why: str
    requests: int
    recall: Interval | None = None
    ndcg: Interval | None = None
    cold_requests: int = 0
    cold_recall: Interval | None = None
    cold_ndcg: Interval | None = None
    current_recall: float = 0.0
    current_ndcg: float = 0.0
    current_cold_recall: float = 0.0
    current_cold_ndcg: float = 0.0

    @property
    def promoted(self) -> bool:
        return self.decision is Decision.PROMOTED

    def as_json(self) -> JsonObject:
        return {**asdict(self), "decision": self.decision.value}


DEFAULT_RULES = GateRules()


def judge(
    candidate: Figures,
    current: Figures,
    *,
    cold_candidate: Figures,
    cold_current: Figures,
    rules: GateRules = DEFAULT_RULES,
) -> Verdict:
    """Compare two rankers on the same requests.

    Args:
        candidate: Its figures on held-out requests.
        current: The figures on the same requests of what is served now.
        cold_candidate: Its figures on requests whose right tools it has no use of.
        cold_current: On those, the figures of the ranking without any use.

    Raises:
        InvalidRequestError: The figures of a pair differ in number.
    """
    requests, cold_requests = len(candidate), len(cold_candidate)
    if requests < rules.fewest or cold_requests < rules.fewest_cold:
        missing = (
            f"{requests} later requests, {rules.fewest} are needed"
            if requests < rules.fewest
            else f"{cold_requests} requests for tools without use, {rules.fewest_cold} are needed"
        )
        return Verdict(
            decision=Decision.INCONCLUSIVE,
            why=f"Too little to judge by: {missing}.",
            requests=requests,
            cold_requests=cold_requests,
        )
    recall, ndcg = _differences(candidate, current)
    cold_recall, cold_ndcg = _differences(cold_candidate, cold_current)
    decision, why = _decide(recall, ndcg, cold_recall, cold_ndcg, rules=rules)
    return Verdict(
        decision=decision,
        why=why,
        requests=requests,
        recall=recall,
        ndcg=ndcg,
        cold_requests=cold_requests,
        cold_recall=cold_recall,
        cold_ndcg=cold_ndcg,
        current_recall=float(np.average(current.recall, weights=current.weights or None)),
        current_ndcg=float(np.average(current.ndcg, weights=current.weights or None)),
        current_cold_recall=float(np.average(cold_current.recall, weights=cold_current.weights or None)),
        current_cold_ndcg=float(np.average(cold_current.ndcg, weights=cold_current.weights or None)),
    )


def _differences(candidate: Figures, current: Figures) -> tuple[Interval, Interval]:
    """Of recall and nDCG: the weighted mean of what the same requests gained, and how far it may be off."""
    if len(candidate) != len(current):
        raise InvalidRequestError(
            f"Figures of {len(candidate)} and of {len(current)} requests cannot be compared; "
            "give both for the same requests."
        )
    weights = np.array(candidate.weights or [1.0] * len(candidate))

    def difference(after: Sequence[float], before: Sequence[float]) -> Interval:
        gained = np.array(after) - np.array(before)
        return bootstrap(lambda rows: float(np.average(gained[rows], weights=weights[rows])), len(gained))

    return difference(candidate.recall, current.recall), difference(candidate.ndcg, current.ndcg)


def _decide(
    recall: Interval,
    ndcg: Interval,
    cold_recall: Interval,
    cold_ndcg: Interval,
    *,
    rules: GateRules,
) -> tuple[Decision, str]:
    for name, difference in (("recall@5", cold_recall), ("nDCG@5", cold_ndcg)):
        if difference.high < 0 or difference.mean < -rules.cold_loss:
            return Decision.REJECTED, f"Tools without use lose {name}: {_points(difference)}."
    for name, difference in (("recall@5", recall), ("nDCG@5", ndcg)):
        if difference.high < 0:
            return Decision.REJECTED, f"It loses {name}: {_points(difference)}."
    if ndcg.low <= 0:
        return Decision.INCONCLUSIVE, f"nDCG@5 is not surely better: {_points(ndcg)}."
    if recall.mean < 0 or recall.low < -rules.recall_slack:
        return Decision.INCONCLUSIVE, f"recall@5 may be worse: {_points(recall)}."
    return (
        Decision.PROMOTED,
        f"recall@5 {_points(recall)}, nDCG@5 {_points(ndcg)}; tools without use: "
        f"recall@5 {_points(cold_recall)}, nDCG@5 {_points(cold_ndcg)}.",
    )


def _points(difference: Interval) -> str:
    low, mean, high = (f"{100 * value:+.1f}" for value in (difference.low, difference.mean, difference.high))
    return f"{mean} points (95 %: {low} to {high})"
