"""The gate of a fine-tuned model: does it answer held-out requests well enough, and better than its base?

Token accuracy is no measure of that: a model that gets 97 of 100 tokens right when it is shown the right ones
before each can get every whole answer wrong. So answers are generated, scored against the recorded ones, and
paired with the base model's answers to the same requests. `docs/gate.md` explains how to read a verdict.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from toolhone.evaluation.exchanges import all_exchanges
from toolhone.evaluation.intervals import Interval, bootstrap_mean
from toolhone.evaluation.paired import PairedResult, compare_paired, units_needed
from toolhone.evaluation.scored import Scores, Unit, row_scores, score_answers, units
from toolhone.evaluation.scorers import Scorer
from toolhone.exceptions import InvalidRequestError
from toolhone.models import JsonObject
from toolhone.records.datasets import Row

FEWEST = 20
"""Rows below which nothing is decided, however clear they look."""

MOST_MISSING = 0.1
"""The share of rows without a fair pair (no judgement, or no answer of the base) above which nothing is
decided: what is missing may not be missing by chance."""

EXAMPLES = 20


class AnswerDecision(StrEnum):
    """What the gate says. Only `passed` lets a model be used."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTypeScore:
    """How both did on one task type."""

    task_type: str
    n: int
    tuned: float
    base: float
    paired: PairedResult


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerVerdict:
    """The decision with all that it rests on. Scores are 0 to 1, differences tuned minus base."""

    decision: AnswerDecision
    why: str
    """In words, and what to do about it."""
    scorer: str
    min_score: float
    n: int
    """Rows that count: a group of near-duplicates is one."""
    tuned_score: Interval | None = None
    base_score: Interval | None = None
    paired: PairedResult | None = None
    by_task_type: tuple[TaskTypeScore, ...] = ()
    tuned_errors: int = 0
    """Turns that the tuned model did not answer; each counts as wrong."""
    base_errors: int = 0
    """Turns that the base model did not answer. Their rows are in no pair: an endpoint that was down must not
    make the other model look better."""
    unjudged: int = 0
    """Turns of either model that the scorer could say nothing about."""
    wrong: tuple[str, ...] = ()
    """Ids of some rows that the tuned model did not get wholly right, the worst first."""
    warnings: tuple[str, ...] = ()
    """What does not decide and should be known: a task type that lost, say."""

    @property
    def passed(self) -> bool:
        return self.decision is AnswerDecision.PASSED

    def as_json(self) -> JsonObject:
        return {
            "decision": self.decision.value,
            "why": self.why,
            "tuned_score": self.tuned_score and interval_json(self.tuned_score),
            "base_score": self.base_score and interval_json(self.base_score),
            "difference": self.paired and self.paired.as_json(),
            "min_score": self.min_score,
            "n": self.n,
            "scorer": self.scorer,
            "by_task_type": {
                one.task_type: {
                    "n": one.n,
                    "tuned": one.tuned,
                    "base": one.base,
                    "difference": one.paired.as_json(),
                }
                for one in self.by_task_type
            },
            "tuned_errors": self.tuned_errors,
            "base_errors": self.base_errors,
            "unjudged": self.unjudged,
            "wrong": list(self.wrong),
            "warnings": list(self.warnings),
        }


def judge_answers(
    rows: Sequence[Row],
    base: Mapping[str, JsonObject | None],
    tuned: Mapping[str, JsonObject | None],
    *,
    scorer: Scorer,
    min_score: float,
    fewest: int = FEWEST,
) -> AnswerVerdict:
    """Score both models' answers and decide.

    Args:
        rows: Held-out rows that succeeded. A recorded failure is no such row: nobody wrote down what would
            have been right.
        base: The base model's messages by the key of their exchange (`exchanges`); `None`: no answer.
        tuned: Likewise of the tuned model.

    Raises:
        InvalidRequestError: A row cannot be asked, is there twice, or the scorer failed.
    """
    return judge_scores(
        rows,
        score_answers(rows, base, scorer),
        score_answers(rows, tuned, scorer),
        min_score=min_score,
        fewest=fewest,
    )


def judge_scores(
    rows: Sequence[Row], base: Scores, tuned: Scores, *, min_score: float, fewest: int = FEWEST
) -> AnswerVerdict:
    """Decide by scores that were taken before, by a judge model for instance.

    Raises:
        InvalidRequestError: A row cannot be asked or is there twice, or the scores are of two scorers.
    """
    if base.scorer != tuned.scorer:
        raise InvalidRequestError(
            f"Scores by {base.scorer!r} and by {tuned.scorer!r} cannot be compared; score both alike."
        )
    if not 0 <= min_score <= 1:
        raise InvalidRequestError(f"min_score is {min_score!r}; a score to reach is from 0 to 1.")
    tuned_rows = row_scores(rows, tuned)
    found = units(rows, tuned_rows, row_scores(rows, base, without_errors=True))
    scored = [unit.a for unit in found if unit.a is not None]
    pairs = [(unit.a, unit.b) for unit in found if unit.a is not None and unit.b is not None]
    paired = compare_paired([a for a, _ in pairs], [b for _, b in pairs]) if pairs else None
    tuned_score = bootstrap_mean(scored) if scored else None
    by_task_type = _by_task_type(found)
    decision, why = _decide(
        len(found),
        len(pairs),
        tuned_score,
        paired,
        [a - b for a, b in pairs],
        min_score=min_score,
        fewest=fewest,
    )
    return AnswerVerdict(
        decision=decision,
        why=why,
        scorer=tuned.scorer,
        min_score=min_score,
        n=len(pairs),
        tuned_score=tuned_score,
        base_score=bootstrap_mean([b for _, b in pairs]) if pairs else None,
        paired=paired,
        by_task_type=by_task_type,
        tuned_errors=len(tuned.errors),
        base_errors=len(base.errors),
        unjudged=sum(
            exchange.key not in scores.by_key for exchange in all_exchanges(rows) for scores in (base, tuned)
        ),
        wrong=tuple(sorted((row for row in tuned_rows if tuned_rows[row] < 1), key=tuned_rows.__getitem__))[
            :EXAMPLES
        ],
        warnings=_warnings(by_task_type, tuned, base),
    )


def interval_json(interval: Interval) -> JsonObject:
    """The form of an interval in every report."""
    return {"mean": interval.mean, "low": interval.low, "high": interval.high}


def _decide(
    rows: int,
    pairs: int,
    tuned: Interval | None,
    paired: PairedResult | None,
    differences: Sequence[float],
    *,
    min_score: float,
    fewest: int,
) -> tuple[AnswerDecision, str]:
    if rows < fewest:
        return (
            AnswerDecision.INCONCLUSIVE,
            f"{rows} held-out rows are too few to judge by; {fewest} are needed. About a tenth of a dataset "
            f"is held out, so collect about {10 * fewest} snapshots that differ and prepare a dataset anew.",
        )
    if tuned is None or paired is None or pairs < fewest or rows - pairs > MOST_MISSING * rows:
        return (
            AnswerDecision.INCONCLUSIVE,
            f"Only {pairs} of {rows} held-out rows could be compared: for the others the base model gave no "
            "answer or the scorer no judgement. Look at the job's events for what failed there, and retry.",
        )
    reached = f"the tuned model scores {_figure(tuned)}"
    better = f"against its base {_points(paired)}"
    if tuned.mean < min_score:
        return (
            AnswerDecision.FAILED,
            f"Not good enough: {reached}, {min_score:.2f} are asked for ({better}). Collect more and better "
            "examples of what it gets wrong, train longer or a larger model; lower min_validation_accuracy "
            "only if such a score does in practice.",
        )
    if paired.surely_better:
        return AnswerDecision.PASSED, f"Good enough and better: {reached}, {better}."
    if paired.difference.mean <= 0:
        return (
            AnswerDecision.FAILED,
            f"No better than its base: {reached}, {better}. Use the base model, or train on what it "
            "gets wrong.",
        )
    needed = units_needed(paired, pairs, differences)
    return (
        AnswerDecision.INCONCLUSIVE,
        f"Not surely better than its base: {reached}, {better}. If the difference stays as it is, about "
        f"{needed} held-out rows would show it; there are {pairs}.",
    )


def _by_task_type(found: Sequence[Unit]) -> tuple[TaskTypeScore, ...]:
    pairs: dict[str, list[tuple[float, float]]] = {}
    for unit in found:
        if unit.a is not None and unit.b is not None:
            pairs.setdefault(unit.task_type, []).append((unit.a, unit.b))
    scores: list[TaskTypeScore] = []
    for task_type, scored in sorted(pairs.items()):
        tuned, base = [a for a, _ in scored], [b for _, b in scored]
        scores.append(
            TaskTypeScore(
                task_type=task_type,
                n=len(scored),
                tuned=sum(tuned) / len(scored),
                base=sum(base) / len(scored),
                paired=compare_paired(tuned, base),
            )
        )
    return tuple(scores)


def _warnings(by_task_type: Sequence[TaskTypeScore], tuned: Scores, base: Scores) -> tuple[str, ...]:
    found = [
        f"On {one.task_type!r} it surely scores lower than its base: {one.tuned:.2f} against {one.base:.2f} "
        f"({one.n} rows)."
        for one in by_task_type
        if one.paired.surely_worse
    ]
    if tuned.errors:
        found.append(f"The tuned model gave no answer in {len(tuned.errors)} turns; they count as wrong.")
    if base.errors:
        found.append(
            f"The base model gave no answer in {len(base.errors)} turns; their rows are not compared."
        )
    return tuple(found)


def _figure(interval: Interval) -> str:
    return f"{interval.mean:.2f} (95 %: {interval.low:.2f} to {interval.high:.2f})"


def _points(paired: PairedResult) -> str:
    difference = paired.difference
    low, mean, high = (f"{100 * one:+.1f}" for one in (difference.low, difference.mean, difference.high))
    return (
        f"{mean} points (95 %: {low} to {high}; {paired.p_text}; {paired.wins} won, "
        f"{paired.ties} tied, {paired.losses} lost)"
    )
