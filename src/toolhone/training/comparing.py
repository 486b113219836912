"""Comparing two models by their names, and what that costs before it is done."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from toolhone.exceptions import InvalidRequestError
from toolhone.models import Category
from toolhone.records.datasets import Row
from toolhone.training.answer_scoring import AnswerScoring, JudgingCost, messages_of, questions_of
from toolhone.training.contestants import Contestant, Contestants
from toolhone.training.model_comparison import ModelComparison, Report, compare
from toolhone.training.providers.provider import AnswersCost


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonCost:
    """What a comparison takes from a certain moment on."""

    answers: tuple[AnswersCost, ...]
    """Of each model."""
    judging: JudgingCost

    @property
    def upper_bound_usd(self) -> float:
        return sum(one.upper_bound_usd for one in self.answers) + self.judging.upper_bound_usd

    @property
    def under_way_usd(self) -> float:
        """What can be charged unseen at most if it is cut off: first one model is asked, then the other."""
        return max(one.under_way_usd for one in (*self.answers, self.judging))

    def paid_since(self, before: "ComparisonCost") -> float:
        """What was paid between two moments, by what has been kept."""
        answers = sum(
            answer.cost_usd
            for earlier, now in zip(before.answers, self.answers, strict=True)
            for row_id, answer in now.kept.items()
            if row_id not in earlier.kept
        )
        return answers + self.judging.paid_usd - before.judging.paid_usd


class ModelComparing:
    """Compares models by name. Belongs to one event loop.

    Args:
        contestants: Finds a model by what it is called.
        scoring: The scorers there are.
        workspace: The folder for the answers of a comparison, by its name; kept, so that a comparison that
            was cut off does not pay twice.
        now: The present moment, in the form of the records.
    """

    def __init__(
        self,
        contestants: Contestants,
        scoring: AnswerScoring,
        workspace: Callable[[str], Path],
        now: Callable[[], str],
    ) -> None:
        self._contestants = contestants
        self._scoring = scoring
        self._workspace = workspace
        self._now = now

    async def compare(
        self,
        a: str,
        b: str,
        rows: Sequence[Row],
        scorer: str | None = None,
        *,
        dataset_id: str | None = None,
        category: Category | None = None,
        report: Report | None = None,
    ) -> ModelComparison:
        """Let two models answer the rows, and compare.

        Args:
            a: What is there: the id of a model, `category/alias`, or a base model as `provider:name`; beside
                a model that was trained here, the bare name of a base model of its provider.
            b: What might take its place; likewise.
            dataset_id: Whose rows they are, for the report and to warn of rows that were trained on.
            report: Is told of each stage when it begins.

        Raises:
            InvalidRequestError: A model or the scorer is not known, there are no rows, or both are one model.
            ProviderError: A provider or the judge cannot be used now.
        """
        sides = await self._sides(a, b, rows, scorer)
        return await compare(
            *sides,
            rows,
            scoring=self._scoring,
            scorer=scorer,
            workspace=self._workspace(dataset_id or "rows"),
            at=self._now(),
            dataset_id=dataset_id,
            category=category or next((side.category for side in sides if side.category), None),
            report=report,
        )

    async def cost(
        self,
        a: str,
        b: str,
        rows: Sequence[Row],
        scorer: str | None = None,
        *,
        dataset_id: str | None = None,
    ) -> ComparisonCost:
        """What `compare` would take now. Nothing is asked or paid for.

        Raises:
            InvalidRequestError: As of `compare`.
            ProviderError: A model cannot be asked, or a price is not known.
        """
        sides = await self._sides(a, b, rows, scorer)
        workspace = self._workspace(dataset_id or "rows")
        questions = questions_of(rows)
        answers = [await side.provider.answers_cost(side.model, questions, workspace) for side in sides]
        given = [messages_of(list(one.kept.values())) for one in answers]
        judging = await anyio.to_thread.run_sync(self._scoring.judging_cost, rows, given, scorer, workspace)
        return ComparisonCost(answers=tuple(answers), judging=judging)

    async def _sides(
        self, a: str, b: str, rows: Sequence[Row], scorer: str | None
    ) -> tuple[Contestant, Contestant]:
        self._scoring.check(scorer)
        if not rows:
            raise InvalidRequestError(
                "There are no held-out rows to compare models by; prepare a larger dataset."
            )
        return await self._contestants.pair(a, b)
