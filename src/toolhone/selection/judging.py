"""How a learned ranking does on requests of the log: also as if their tools had never been used."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolhone.evaluation.gate import Figures, Verdict, judge
from toolhone.evaluation.retrieval import ndcg_at, recall_at
from toolhone.selection.centroids import TaughtTask
from toolhone.selection.evidence import Lesson
from toolhone.selection.learned import Features, LearnedRanker
from toolhone.selection.task_scores import TaskScorer

SHOWN = 5
"""What is judged: recall and nDCG among so many tools."""

FOLDS = 5
"""A fifth of the tools at a time plays the tools without use."""


@dataclass(frozen=True, slots=True, eq=False)
class LoggedRequest:
    """A request of the log, the candidates that are looked at and how they score without use."""

    lesson: Lesson
    scorer: TaskScorer
    vector: NDArray[np.float32]
    among: NDArray[np.int64]
    base: NDArray[np.float64]
    cosine: NDArray[np.float32]
    lexical: NDArray[np.float32]

    def features(self, ranker: LearnedRanker) -> Features:
        return ranker.features(
            self.scorer.index, self.vector, self.base, self.cosine, self.lexical, self.among
        )

    def order(self, ranker: LearnedRanker | None) -> list[str]:
        """The candidates by name, as they would be shown; `None` is the ranking without use."""
        index = self.scorer.index
        places = np.arange(len(self.among))
        positions: list[int] = self.among.tolist()
        order: list[int] = np.lexsort((places, -self.base)).tolist()
        names = [index.definitions[position].name for position in positions]
        if ranker is not None:
            scores = ranker.apply(index, self.vector, self.base, self.cosine, self.lexical, self.among)
            learned: list[int] = np.lexsort((places, -scores)).tolist()
            order = ranker.guard(learned, order, dict(enumerate(names)), self.cosine, SHOWN)
        return [names[place] for place in order]


def logged_requests(
    tasks: Sequence[TaughtTask], scorer: TaskScorer, rankers: Sequence[LearnedRanker], *, candidates: int
) -> list[LoggedRequest]:
    """The requests with the best candidates without use and by each ranker, and all that were shown."""
    index = scorer.index
    everything = np.arange(len(index.definitions), dtype=np.int64)
    requests: list[LoggedRequest] = []
    for task in tasks:
        scores = scorer.scores(task.lesson.task)
        if scores is None:
            continue
        orders = [scores.base]
        orders += [
            ranker.apply(index, task.vector, scores.base, scores.cosine, scores.lexical, everything)
            for ranker in rankers
        ]
        chosen = {int(scores.lexical.argmax())} if len(everything) else set[int]()
        for order in orders:
            chosen.update(np.lexsort((everything, -order))[:candidates].tolist())
        chosen.update(index.positions[outcome.tool] for outcome in task.lesson.outcomes)
        among = np.array(sorted(chosen), np.int64)
        requests.append(
            LoggedRequest(
                lesson=task.lesson,
                scorer=scorer,
                vector=task.vector,
                among=among,
                base=scores.base[among],
                cosine=scores.cosine[among],
                lexical=scores.lexical[among],
            )
        )
    return requests


def figures(requests: Sequence[LoggedRequest], ranker: LearnedRanker | None) -> Figures:
    """Of requests that led to a call, the tools that served being the right ones."""
    return _figures(
        [(request.order(ranker), request.lesson.called) for request in requests], _weights(requests)
    )


def cold_figures(requests: Sequence[LoggedRequest], ranker: LearnedRanker) -> tuple[Figures, Figures]:
    """By the ranker, and without use, as if the tools that served had never been used.

    With them a fifth of all tools counts as new, so that it is one of several.
    """
    names = ranker.learned.names
    hidden = [ranker.without([name for name in names if _fold(name) == fold]) for fold in range(FOLDS)]
    learned: list[tuple[list[str], tuple[str, ...]]] = []
    unlearned: list[tuple[list[str], tuple[str, ...]]] = []
    for request in requests:
        fold = _fold(request.lesson.called[0])
        served = tuple(name for name in request.lesson.called if _fold(name) == fold)
        learned.append((request.order(hidden[fold]), served))
        unlearned.append((request.order(None), served))
    return _figures(learned, _weights(requests)), _figures(unlearned, _weights(requests))


def compare(
    candidate: LearnedRanker, current: LearnedRanker | None, requests: Sequence[LoggedRequest]
) -> Verdict:
    """The gate's verdict on the candidate, by requests that neither learned from."""
    cold, cold_without_use = cold_figures(requests, candidate)
    return judge(
        figures(requests, candidate),
        figures(requests, current),
        cold_candidate=cold,
        cold_current=cold_without_use,
    )


def _figures(orders: Sequence[tuple[list[str], tuple[str, ...]]], weights: Sequence[float]) -> Figures:
    return Figures(
        recall=[recall_at(order, called, SHOWN) for order, called in orders],
        ndcg=[ndcg_at(order, called, SHOWN) for order, called in orders],
        weights=weights,
    )


def _weights(requests: Sequence[LoggedRequest]) -> list[float]:
    return [request.lesson.stands_for for request in requests]


def _fold(name: str) -> int:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[0] % FOLDS
