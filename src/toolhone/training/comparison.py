"""Compares two encoders on the requests of a log: what each finds, and whether its certainty still holds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from toolhone.evaluation.gate import Figures, Verdict, judge
from toolhone.evaluation.retrieval import ndcg_at, recall_at
from toolhone.selection.calibration import Calibration
from toolhone.selection.certainty import task_features, task_probability
from toolhone.selection.encoder import Encoder
from toolhone.selection.index import ToolIndex
from toolhone.selection.scoring import Weights, score
from toolhone.selection.text import embedded_text, tool_text
from toolhone.training.recorded import JudgedRequest, Recorded

SHOWN = 5
"""What is judged: recall and nDCG among so many tools."""

NEAR_COPY = 0.85
"""Tools this similar to those that served are taken out with them, to ask what then still fits."""

SLACK = 0.05
"""By how much the shares of `Certainty` may be worse with another encoder."""

Progress = Callable[[str, int, int], None]
"""Receives what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certainty:
    """What a calibration makes of an encoder's scores."""

    wrongly_nothing: float
    """The share of the requests of which it says that nothing fits."""
    rightly_nothing: float
    """The same of these requests without the tools that served them."""

    def holds_as(self, other: "Certainty") -> bool:
        """Whether it is about as good as this one."""
        return (
            self.wrongly_nothing <= other.wrongly_nothing + SLACK
            and self.rightly_nothing >= other.rightly_nothing - SLACK
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The gate's verdict, and the certainty of both with the calibration of the encoder in use."""

    verdict: Verdict
    certainty: Certainty | None
    """`None` if the encoder in use has no calibration."""
    current_certainty: Certainty | None

    @property
    def calibration_holds(self) -> bool:
        return (
            self.certainty is not None
            and self.current_certainty is not None
            and self.certainty.holds_as(self.current_certainty)
        )


def compare(
    candidate: Encoder,
    current: Encoder,
    recorded: Recorded,
    weights: Weights,
    progress: Progress = lambda what, done, of: None,
) -> Comparison:
    """Let both find the tools as the selector does, without anything that was learned from use."""
    calibration = current.calibration
    seen = [
        _look(encoder, recorded, weights, calibration, partial(progress, f"Judging {what}"))
        for what, encoder in (("the new encoder", candidate), ("the encoder in use", current))
    ]
    verdict = judge(seen[0].later, seen[1].later, cold_candidate=seen[0].unseen, cold_current=seen[1].unseen)
    return Comparison(verdict=verdict, certainty=seen[0].certainty, current_certainty=seen[1].certainty)


@dataclass(frozen=True, slots=True)
class _Seen:
    later: Figures
    unseen: Figures
    certainty: Certainty | None


def _look(
    encoder: Encoder,
    recorded: Recorded,
    weights: Weights,
    calibration: Calibration | None,
    report: Callable[[int, int], None],
) -> _Seen:
    index = ToolIndex(recorded.catalog)
    index.use_encoder(encoder.name, encoder.dimensions)
    missing = index.missing()
    steps = len(missing) + len(recorded.later) + len(recorded.unseen)
    for done, (key, text) in enumerate(missing.items()):
        report(done, steps)
        index.add({key: encoder.encode_texts([text])[0]})
    judged = _Judged(index, encoder, weights, calibration)
    figures: list[Figures] = []
    for requests in (recorded.later, recorded.unseen):
        recall: list[float] = []
        ndcg: list[float] = []
        for request in requests:
            order = judged.order(request)
            recall.append(recall_at(order, request.served, SHOWN))
            ndcg.append(ndcg_at(order, request.served, SHOWN))
            report(len(missing) + judged.requests, steps)
        figures.append(Figures(recall=recall, ndcg=ndcg))
    return _Seen(figures[0], figures[1], judged.certainty)


class _Judged:
    """Finds tools for one request after the other, and counts how often it would say that nothing fits."""

    def __init__(
        self, index: ToolIndex, encoder: Encoder, weights: Weights, calibration: Calibration | None
    ) -> None:
        self.requests = 0
        self._index = index
        self._encoder = encoder
        self._weights = weights
        self._calibration = calibration
        self._all = np.arange(len(index), dtype=np.int64)
        self._names = [definition.name for definition in index.definitions]
        self._nothing = [0, 0]
        self._vectors: dict[str, NDArray[np.float32]] = {}

    def order(self, request: JudgedRequest) -> list[str]:
        self.requests += 1
        encoded = self._encoder.encode_task(request.task)
        found = score(self._index, request.task, self._all, encoded, self._weights)
        first: list[int] = np.lexsort((self._all, -found.scores))[:SHOWN].tolist()
        if self._calibration is not None:
            rest = self._without(request.served)
            without = score(self._index, request.task, rest, encoded, self._weights) if len(rest) else found
            for place, evidence in enumerate((found, without)):
                sure = task_probability(self._calibration, task_features(evidence, len(evidence.scores)))
                self._nothing[place] += sure < self._calibration.nothing_below
        return [self._names[place] for place in first]

    @property
    def certainty(self) -> Certainty | None:
        if self._calibration is None or not self.requests:
            return None
        wrongly, rightly = (count / self.requests for count in self._nothing)
        return Certainty(wrongly_nothing=wrongly, rightly_nothing=rightly)

    def _without(self, served: Sequence[str]) -> NDArray[np.int64]:
        """All tools but those that served and their near copies."""
        gold = [self._index.positions[name] for name in served]
        alike = self._index.cosine(np.stack([self._vector(name) for name in served])).max(axis=0) >= NEAR_COPY
        alike[gold] = True
        return self._all[~alike]

    def _vector(self, name: str) -> NDArray[np.float32]:
        if name not in self._vectors:
            text = embedded_text(tool_text(self._index.definitions[self._index.positions[name]]))
            self._vectors[name] = self._encoder.encode_texts([text])[0].vector
        return self._vectors[name]
