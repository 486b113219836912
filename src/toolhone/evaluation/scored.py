"""Scores of answers to held-out rows, brought to the units that a decision may count. Pure.

Rows of one group are nearly the same, so they are one piece of evidence: a group counts once, with the mean
of its rows, and a row with the mean of its turns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from toolhone.evaluation.exchanges import exchanges
from toolhone.evaluation.scorers import Scorer
from toolhone.exceptions import InvalidRequestError
from toolhone.models import JsonObject
from toolhone.records.datasets import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """How right one model's answers are, turn by turn."""

    scorer: str
    by_key: Mapping[str, float]
    """By the key of the exchange. One that is missing could not be judged."""
    errors: frozenset[str] = frozenset()
    """Keys that were not answered at all; their score is 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A group of nearly the same rows, scored for both models; `None` where nothing can be said."""

    row_ids: tuple[str, ...]
    task_type: str
    """Of its first row."""
    a: float | None
    b: float | None


def score_answers(rows: Sequence[Row], answers: Mapping[str, JsonObject | None], scorer: Scorer) -> Scores:
    """Score what a model answered.

    Args:
        answers: The assistant's messages by the key of their exchange; `None`, or no entry, is no answer.

    Raises:
        InvalidRequestError: A row has no answer to compare with, or the scorer failed.
    """
    by_key: dict[str, float] = {}
    errors: set[str] = set()
    for row in rows:
        for exchange in exchanges(row):
            given = answers.get(exchange.key)
            if given is None:
                errors.add(exchange.key)
            by_key[exchange.key] = 0.0 if given is None else scorer.score(exchange.expected, given)
    return Scores(scorer=scorer.name, by_key=by_key, errors=frozenset(errors))


def row_scores(rows: Sequence[Row], scores: Scores, *, without_errors: bool = False) -> dict[str, float]:
    """The score of each row that has one.

    Args:
        without_errors: A row that was not answered has no score then, where it else has 0 for that.
    """
    found: dict[str, float] = {}
    for row in rows:
        keys = [exchange.key for exchange in exchanges(row)]
        if any(key not in scores.by_key or (without_errors and key in scores.errors) for key in keys):
            continue
        found[row.row_id] = fmean(scores.by_key[key] for key in keys)
    return found


def units(rows: Sequence[Row], a: Mapping[str, float], b: Mapping[str, float]) -> list[Unit]:
    """The groups of the rows, with the mean of those rows of each that have a score.

    For the pair to be a fair one, `a` and `b` are taken over the same rows where both have any.

    Raises:
        InvalidRequestError: A row comes twice.
    """
    groups: dict[str, list[Row]] = {}
    seen: set[str] = set()
    for row in rows:
        if row.row_id in seen:
            raise InvalidRequestError(f"The row {row.row_id!r} is there twice; prepare the dataset anew.")
        seen.add(row.row_id)
        groups.setdefault(row.group, []).append(row)
    found: list[Unit] = []
    for members in groups.values():
        ids = [row.row_id for row in members]
        both = [row_id for row_id in ids if row_id in a and row_id in b]
        found.append(
            Unit(
                row_ids=tuple(ids),
                task_type=members[0].task_type,
                a=_mean(a, both or ids),
                b=_mean(b, both or ids),
            )
        )
    return found


def _mean(scores: Mapping[str, float], row_ids: Sequence[str]) -> float | None:
    there = [scores[row_id] for row_id in row_ids if row_id in scores]
    return fmean(there) if there else None
