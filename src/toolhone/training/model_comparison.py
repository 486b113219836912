"""Two models on the same held-out rows: how right, how fast, how dear, and whether the difference is chance.

`a` is what is there, `b` what might take its place: differences are b minus a. The models answer one after
the other, so that two on one machine do not slow each other down.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toolhone.evaluation.answer_gate import interval_json
from toolhone.evaluation.exchanges import Exchange, exchanges
from toolhone.evaluation.intervals import Interval, bootstrap_mean
from toolhone.evaluation.paired import PairedResult, compare_paired
from toolhone.evaluation.scored import Unit, row_scores, units
from toolhone.exceptions import InvalidRequestError
from toolhone.models import Category, JsonObject
from toolhone.records.datasets import Row
from toolhone.records.jobs import FinetuningProvider
from toolhone.training.answer_scoring import AnswerScoring, Judged, messages_of, questions_of
from toolhone.training.contestants import Contestant
from toolhone.training.providers.provider import Answer

EXAMPLES = 12
"""Rows that a report shows at most."""

STAGES = 3
"""Of a comparison: one model answers, then the other, and then the answers are scored."""

Report = Callable[[str, int, int], None]
"""Receives what is being done, how many stages are done, and how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One model, over some rows."""

    name: str
    score: Interval
    latency_p50_ms: float | None
    """Of the turns that it answered; `None` if there is none."""
    latency_p95_ms: float | None
    cost_usd: float
    """Of all these answers."""
    prompt_tokens: int
    completion_tokens: int
    turns: int
    """What was asked."""
    errors: int
    """Turns without an answer; each counts as wrong."""

    def as_json(self) -> JsonObject:
        return {
            "name": self.name,
            "score": interval_json(self.score),
            "latency_ms": {"p50": self.latency_p50_ms, "p95": self.latency_p95_ms},
            "cost_usd": self.cost_usd,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "turns": self.turns,
            "errors": self.errors,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Both models over some rows, and the paired test."""

    n: int
    """Rows, a group of near-duplicates being one."""
    a: Side
    b: Side
    paired: PairedResult
    """Of b minus a: a win is b's."""

    def as_json(self) -> JsonObject:
        return {
            "n": self.n,
            "a": self.a.as_json(),
            "b": self.b.as_json(),
            "difference": self.paired.as_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A row on which the models differ most, or both fail: the turn in question."""

    row_id: str
    task_type: str
    asked: JsonObject
    """The last message before the answer."""
    expected: JsonObject
    a: JsonObject | None
    b: JsonObject | None
    a_score: float
    b_score: float

    def as_json(self) -> JsonObject:
        return {
            "row_id": self.row_id,
            "task_type": self.task_type,
            "asked": self.asked,
            "expected": self.expected,
            "a": self.a,
            "b": self.b,
            "a_score": self.a_score,
            "b_score": self.b_score,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelComparison:
    """What came of a comparison. Scores are 0 to 1, differences b minus a."""

    at: str
    category: Category | None
    dataset_id: str | None
    scorer: str
    scorer_why: str
    overall: Compared
    by_task_type: Mapping[str, Compared]
    differences: tuple[float, ...]
    """Of each row that counts, in the order of the dataset."""
    examples: tuple[Example, ...]
    conclusion: str
    notes: tuple[str, ...] = ()
    """What should be known before believing it."""
    judging: tuple[Judged, ...] = ()
    paid_usd: float = 0.0
    """What was paid for it now. What was answered or judged before, and kept, is not paid for again."""
    comparison_id: str | None = None
    """By which it can be read again; `None` if it is not kept."""

    def text(self) -> str:
        """What came of it in a few lines."""
        lines = [self.conclusion, f"scored by {self.scorer}: {self.scorer_why}"]
        if len(self.by_task_type) > 1:
            lines += [
                f"{name}: {one.a.score.mean:.2f} and {one.b.score.mean:.2f} on {one.n} rows "
                f"({100 * one.paired.difference.mean:+.1f} points, {one.paired.p_text})"
                for name, one in self.by_task_type.items()
            ]
        for side in (self.overall.a, self.overall.b):
            if side.latency_p50_ms is not None and side.latency_p95_ms is not None:
                lines.append(
                    f"{side.name}: {side.latency_p50_ms:,.0f} ms in the middle, {side.latency_p95_ms:,.0f} "
                    f"ms at the 95th percentile, USD {side.cost_usd:.4f} for {side.turns} turns"
                )
        lines.append(f"paid now: USD {self.paid_usd:.4f}")
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)

    def as_json(self) -> JsonObject:
        return {
            "comparison_id": self.comparison_id,
            "at": self.at,
            "category": self.category.value if self.category else None,
            "dataset_id": self.dataset_id,
            "scorer": self.scorer,
            "scorer_why": self.scorer_why,
            "conclusion": self.conclusion,
            **self.overall.as_json(),
            "by_task_type": {name: one.as_json() for name, one in self.by_task_type.items()},
            "differences": list(self.differences),
            "examples": [one.as_json() for one in self.examples],
            "notes": list(self.notes),
            "paid_usd": self.paid_usd,
            "judging": [
                {
                    "prompt_tokens": one.prompt_tokens,
                    "completion_tokens": one.completion_tokens,
                    "cost_usd": one.cost_usd,
                    "failures": list(one.failures),
                }
                for one in self.judging
            ],
        }


async def compare(
    a: Contestant,
    b: Contestant,
    rows: Sequence[Row],
    *,
    scoring: AnswerScoring,
    scorer: str | None,
    workspace: Path,
    at: str,
    dataset_id: str | None = None,
    category: Category | None = None,
    report: Report | None = None,
) -> ModelComparison:
    """Let two models answer the rows, and compare.

    Args:
        report: Is told of each stage when it begins.

    Raises:
        InvalidRequestError: There is nothing to compare by, or a row has no answer.
        ProviderError: A provider or the judge cannot be used now.
    """
    questions = questions_of(rows)
    answers: list[dict[str, Answer]] = []
    for side, one in zip("AB", (a, b), strict=True):
        if report is not None:
            report(f"{side} answers {len(questions):,} held-out requests", len(answers), STAGES)
        given = await one.provider.answer(one.model, one.path, questions, workspace)
        answers.append({answer.row_id: answer for answer in given})
    if report is not None:
        report("the answers are scored", len(answers), STAGES)
    messages = [messages_of(list(one.values())) for one in answers]
    scored = await scoring.score(rows, messages, scorer, workspace=workspace)
    by_row = [row_scores(rows, scores) for scores in scored.models]
    found = [unit for unit in units(rows, *by_row) if unit.a is not None and unit.b is not None]
    if not found:
        raise InvalidRequestError("Not one row could be scored for both models, so they cannot be compared.")
    names = (a.name, b.name)
    by_id = {row.row_id: exchanges(row) for row in rows}

    def compared(chosen: Sequence[Unit]) -> Compared:
        turns = [turn for unit in chosen for row_id in unit.row_ids for turn in by_id[row_id]]
        scores = [[unit.a or 0.0 for unit in chosen], [unit.b or 0.0 for unit in chosen]]
        first, second = (
            _side(name, values, [given[turn.key] for turn in turns if turn.key in given], len(turns))
            for name, values, given in zip(names, scores, answers, strict=True)
        )
        return Compared(n=len(chosen), a=first, b=second, paired=compare_paired(scores[1], scores[0]))

    overall = compared(found)
    task_types = sorted({unit.task_type for unit in found})
    return ModelComparison(
        at=at,
        category=category,
        dataset_id=dataset_id,
        scorer=scored.models[0].scorer,
        scorer_why=scored.why,
        overall=overall,
        by_task_type={
            name: compared([unit for unit in found if unit.task_type == name]) for name in task_types
        },
        differences=tuple((unit.b or 0.0) - (unit.a or 0.0) for unit in found),
        examples=_examples(rows, by_id, by_row, messages, [scores.by_key for scores in scored.models]),
        conclusion=_conclusion(overall),
        notes=_notes(a, b, overall, len(rows), len(found), dataset_id),
        judging=scored.judged,
    )


def _side(name: str, scores: Sequence[float], answers: Sequence[Answer], asked: int) -> Side:
    given = [answer for answer in answers if answer.error is None]
    latencies = [answer.latency_ms for answer in given]
    p50, p95 = np.percentile(latencies, (50, 95)).tolist() if latencies else (None, None)
    return Side(
        name=name,
        score=bootstrap_mean(scores),
        latency_p50_ms=p50,
        latency_p95_ms=p95,
        cost_usd=sum(answer.cost_usd for answer in answers),
        prompt_tokens=sum(answer.prompt_tokens for answer in answers),
        completion_tokens=sum(answer.completion_tokens for answer in answers),
        turns=asked,
        errors=asked - len(given),
    )


def _examples(
    rows: Sequence[Row],
    turns: Mapping[str, tuple[Exchange, ...]],
    by_row: Sequence[Mapping[str, float]],
    messages: Sequence[Mapping[str, JsonObject | None]],
    by_key: Sequence[Mapping[str, float]],
) -> tuple[Example, ...]:
    """Where b lost most, where it won most, and where both are wrong: a third each, as far as there are."""
    first, second = by_row
    both = [row for row in rows if row.row_id in first and row.row_id in second]
    change = {row.row_id: second[row.row_id] - first[row.row_id] for row in both}
    lost = sorted((row for row in both if change[row.row_id] < 0), key=lambda row: change[row.row_id])
    won = sorted((row for row in both if change[row.row_id] > 0), key=lambda row: -change[row.row_id])
    wrong = [row for row in both if change[row.row_id] == 0 and second[row.row_id] < 1]
    shown: list[Example] = []
    for row in [*lost[: EXAMPLES // 3], *won[: EXAMPLES // 3], *wrong[: EXAMPLES // 3]]:
        # Of several turns the one that makes the difference.
        turn = max(
            turns[row.row_id],
            key=lambda turn: (abs(by_key[1][turn.key] - by_key[0][turn.key]), -by_key[1][turn.key]),
        )
        shown.append(
            Example(
                row_id=row.row_id,
                task_type=row.task_type,
                asked=turn.asked[-1],
                expected=turn.expected,
                a=messages[0].get(turn.key),
                b=messages[1].get(turn.key),
                a_score=first[row.row_id],
                b_score=second[row.row_id],
            )
        )
    return tuple(shown)


def _conclusion(overall: Compared) -> str:
    paired = overall.paired
    figures = (
        f"{overall.b.score.mean:.2f} against {overall.a.score.mean:.2f} on {overall.n} rows "
        f"({100 * paired.difference.mean:+.1f} points, 95 %: {100 * paired.difference.low:+.1f} to "
        f"{100 * paired.difference.high:+.1f}; {paired.p_text}; {paired.wins} won, {paired.ties} "
        f"tied, {paired.losses} lost)"
    )
    if paired.surely_better:
        return f"{overall.b.name} is better than {overall.a.name}: {figures}."
    if paired.surely_worse:
        return f"{overall.b.name} is worse than {overall.a.name}: {figures}."
    return f"It cannot be told which of {overall.a.name} and {overall.b.name} is better: {figures}."


def _notes(
    a: Contestant, b: Contestant, overall: Compared, rows: int, compared: int, dataset_id: str | None
) -> tuple[str, ...]:
    notes: list[str] = []
    if compared < rows:
        notes.append(
            f"{rows} rows make {compared} that count: near-duplicates are one, and rows that could not be "
            "judged for both are left out."
        )
    for one, side in ((a, overall.a), (b, overall.b)):
        if side.errors:
            notes.append(
                f"{one.name} gave no answer in {side.errors} turns; they count as wrong. If its provider was "
                "down, compare again."
            )
        if one.tainted:
            notes.append(f"{one.name} is not to be used any more: {one.tainted}")
        if one.dataset_id is not None and dataset_id is not None and one.dataset_id != dataset_id:
            notes.append(
                f"{one.name} was trained on {one.dataset_id}; rows of {dataset_id} may have been among what "
                "it learned from, which would flatter it."
            )
    if a.kind is not b.kind and FinetuningProvider.LOCAL in {a.kind, b.kind}:
        notes.append("One of them runs on this machine: its cost leaves out electricity and hardware.")
    return tuple(notes)
