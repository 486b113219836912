"""From held-out rows to questions, and from answers to scores: by a function, or by a model that judges.

The gate of a job and a comparison of models go this one way, so both score alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from pathlib import Path
from typing import Protocol

from anyio import to_thread

from toolhone.evaluation.exchanges import Exchange, all_exchanges
from toolhone.evaluation.scored import Scores, score_answers
from toolhone.evaluation.scorers import JUDGE, Scorers, default_scorer
from toolhone.exceptions import InvalidRequestError
from toolhone.json_values import encoded, minified
from toolhone.models import JsonObject
from toolhone.records.datasets import Row
from toolhone.training.providers.provider import Answer, Question

FEWEST_TOKENS, MOST_TOKENS = 256, 4_096
"""Bounds on what a model may answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An answer to be judged."""

    key: str
    asked: tuple[JsonObject, ...]
    expected: JsonObject
    given: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a judge made of some cases, and what it took."""

    scores: Mapping[str, float]
    """By key; a case that could not be judged is missing."""
    failures: tuple[str, ...] = ()
    """Why, for the first of them."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    """Of these verdicts, also of those that were paid for earlier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingCost:
    """What it takes to have answers judged, before it is done."""

    most_usd: tuple[float, ...] = ()
    """What each verdict that is missing costs at most."""
    paid_usd: float = 0.0
    """What was paid until now by way of this workspace."""
    at_once: int = 1
    """So many may be under way, and so be charged unseen, when the judging is cut off."""

    @property
    def upper_bound_usd(self) -> float:
        return sum(self.most_usd)

    @property
    def under_way_usd(self) -> float:
        """What can be charged at most for verdicts that were never seen."""
        return sum(nlargest(self.at_once, self.most_usd))


class Judge(Protocol):
    """Says how right answers are, by asking somebody."""

    @property
    def name(self) -> str: ...

    def check(self) -> None:
        """Raises ProviderRefusedError if what it costs is not known."""
        ...

    def most_usd(self, question: Question) -> float:
        """What a verdict on any answer to this question costs at most."""
        ...

    def verdicts(self, workspace: Path) -> "Verdicts":
        """What was judged until now."""
        ...

    async def judge(self, cases: Sequence[Case], workspace: Path) -> Judged:
        """Judge all cases. What was judged in this workspace before is not asked again."""
        ...


class Verdicts(Protocol):
    """The verdicts that a workspace has of one judge."""

    @property
    def paid_usd(self) -> float: ...

    @property
    def at_once(self) -> int: ...

    def has(self, case: Case) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredAnswers:
    """Scores of one or more models' answers to the same rows."""

    models: tuple[Scores, ...]
    """In the order asked."""
    why: str
    """Why it was scored so."""
    judged: tuple[Judged, ...] = ()
    """What judging took, if a model judged."""


class AnswerScoring:
    """The scorers that are to be had here."""

    def __init__(self, scorers: Scorers | None = None, judge: Judge | None = None) -> None:
        self._scorers = scorers or Scorers()
        self._judge = judge

    def check(self, name: str | None) -> None:
        """Make sure that there is a scorer of this name, before anything is paid for.

        Raises:
            InvalidRequestError: There is none.
        """
        if name != JUDGE:
            if name is not None:
                self._scorers.named(name)
        elif self._judge is None:
            raise InvalidRequestError(
                "No judge model is configured, so nothing can be scored by 'judge'. Configure one, or choose "
                f"among {', '.join(self._scorers.names)}."
            )
        else:
            self._judge.check()

    def judging_cost(
        self,
        rows: Sequence[Row],
        answers: Sequence[Mapping[str, JsonObject | None]],
        name: str | None,
        workspace: Path,
    ) -> JudgingCost:
        """What `score` would take now; blocks.

        Args:
            answers: As far as they are known: others may turn out to be anything.

        Raises:
            InvalidRequestError: There is no such scorer, or a row has no answer.
            ProviderRefusedError: The price of the judge is not known.
        """
        self.check(name)
        if name != JUDGE or self._judge is None:
            return JudgingCost()
        verdicts = self._judge.verdicts(workspace)
        questions = questions_of(rows)
        most: list[float] = []
        for given in answers:
            known = {case.key: verdicts.has(case) for case in _cases(rows, given)}
            for question in questions:
                unanswered = question.row_id in given and given[question.row_id] is None
                if not unanswered and not known.get(question.row_id, False):
                    most.append(self._judge.most_usd(question))
        return JudgingCost(most_usd=tuple(most), paid_usd=verdicts.paid_usd, at_once=verdicts.at_once)

    async def score(
        self,
        rows: Sequence[Row],
        answers: Sequence[Mapping[str, JsonObject | None]],
        name: str | None = None,
        *,
        workspace: Path,
    ) -> ScoredAnswers:
        """Score the answers of each model; by default as suits the rows.

        Args:
            answers: A model each: its messages by the key of their exchange (`messages_of`).
            workspace: Where verdicts that were paid for are kept.

        Raises:
            InvalidRequestError: There is no such scorer, it failed, or a row has no answer.
            ProviderError: The judge refuses to work.
        """
        self.check(name)
        if name == JUDGE and self._judge is not None:
            judged = [await self._judge.judge(_cases(rows, given), workspace) for given in answers]
            scores = [
                _judged_scores(rows, given, one, self._judge.name)
                for given, one in zip(answers, judged, strict=True)
            ]
            why = f"{self._judge.name} judged each answer beside the recorded one."
            return ScoredAnswers(models=tuple(scores), why=why, judged=tuple(judged))

        def work() -> ScoredAnswers:
            if name is None:
                scorer, why = default_scorer(rows)
            else:
                scorer, why = self._scorers.named(name), "It was asked for."
            return ScoredAnswers(
                models=tuple(score_answers(rows, given, scorer) for given in answers), why=why
            )

        return await to_thread.run_sync(work)


def questions_of(rows: Sequence[Row]) -> list[Question]:
    """What a model is asked for these rows; the id of a question is the key of its exchange.

    Raises:
        InvalidRequestError: A row has no answer.
    """
    return [
        Question(
            row_id=exchange.key,
            messages=exchange.asked,
            tools=exchange.tools,
            max_tokens=_room(exchange),
        )
        for exchange in all_exchanges(rows)
    ]


def messages_of(answers: Sequence[Answer]) -> dict[str, JsonObject | None]:
    """The messages by the ids of their questions; `None` where a model could not answer."""
    return {answer.row_id: None if answer.error is not None else answer.message for answer in answers}


def _room(exchange: Exchange) -> int:
    """Tokens enough for the recorded answer even at one a byte, as in the smallest vocabularies."""
    return min(MOST_TOKENS, FEWEST_TOKENS + len(encoded(minified(exchange.expected))))


def _cases(rows: Sequence[Row], given: Mapping[str, JsonObject | None]) -> list[Case]:
    cases: list[Case] = []
    for exchange in all_exchanges(rows):
        message = given.get(exchange.key)
        if message is not None:
            cases.append(
                Case(key=exchange.key, asked=exchange.asked, expected=exchange.expected, given=message)
            )
    return cases


def _judged_scores(
    rows: Sequence[Row], given: Mapping[str, JsonObject | None], judged: Judged, name: str
) -> Scores:
    errors = frozenset(exchange.key for exchange in all_exchanges(rows) if given.get(exchange.key) is None)
    return Scores(scorer=name, by_key={**judged.scores, **dict.fromkeys(errors, 0.0)}, errors=errors)
