"""A remembered task as the selector scores it today, without anything learned."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from toolhone.models import content_hash
from toolhone.selection.encoder import EncodedTask, Encoder
from toolhone.selection.evidence import RememberedTask
from toolhone.selection.index import ToolIndex
from toolhone.selection.learned import Tools
from toolhone.selection.scoring import Weights, score

REMEMBERED_CANDIDATES = 30
"""How many tools' scores are remembered of a task whose text is not."""


@dataclass(frozen=True, slots=True, eq=False)
class TaskScores:
    """One task; arrays have one value a tool of the index."""

    vector: NDArray[np.float32]
    base: NDArray[np.float64]
    cosine: NDArray[np.float32]
    lexical: NDArray[np.float32]


class TaskScorer(Protocol):
    """Blocking. Belongs to one state of the catalog."""

    @property
    def encoder(self) -> str: ...

    @property
    def index(self) -> Tools: ...

    def vector(self, task: RememberedTask) -> NDArray[np.float32] | None:
        """The task's vector; `None` if it was remembered as that of another encoder."""
        ...

    def scores(self, task: RememberedTask) -> TaskScores | None:
        """How each tool scores; `None` in the same case."""
        ...


class IndexScorer:
    """Scores tasks over an index exactly as the selector does.

    Args:
        checkpoint: Called before each task is encoded; may raise to stop.
    """

    def __init__(
        self,
        index: ToolIndex,
        encoder: Encoder,
        weights: Weights,
        *,
        checkpoint: Callable[[], None] = lambda: None,
    ) -> None:
        self._index = index
        self._encoder = encoder
        self._weights = weights
        self._checkpoint = checkpoint
        self._all = np.arange(len(index), dtype=np.int64)

    @property
    def encoder(self) -> str:
        return self._encoder.name

    @property
    def dimensions(self) -> int:
        return self._encoder.dimensions

    @property
    def index(self) -> ToolIndex:
        return self._index

    def vector(self, task: RememberedTask) -> NDArray[np.float32] | None:
        if task.text is None:
            return _remembered(task, self._encoder)
        self._checkpoint()
        return self._encoder.encode_task(task.text).parts[0]

    def scores(self, task: RememberedTask) -> TaskScores | None:
        if task.text is not None:
            self._checkpoint()
            return self._scored(task.text, self._encoder.encode_task(task.text))
        vector = _remembered(task, self._encoder)
        if vector is None:
            return None
        cosine = self._index.cosine(vector[None])[0]
        base, lexical = np.zeros(len(self._all)), np.zeros(len(self._all), np.float32)
        listed = [
            (self._index.positions[name], *scores)
            for name, scores in task.candidates.items()
            if name in self._index.positions
        ]
        least = min((score for _, score, _ in listed), default=1.0)
        # All that is known of the others is that they were behind, and how near they are in meaning.
        base += least * np.clip(cosine, 0.0, 1.0)
        for position, score_, words in listed:
            base[position], lexical[position] = score_, words
        return TaskScores(vector, base, cosine, lexical)

    def remembered(self, task: str) -> tuple[list[int], list[tuple[str, float, float]]]:
        """What stands for the task where its text is not to be kept: vector and candidates."""
        scored = self._scored(task, self._encoder.encode_task(task))
        first: list[int] = np.lexsort((self._all, -scored.base))[:REMEMBERED_CANDIDATES].tolist()
        candidates = [
            (self._index.definitions[row].name, float(scored.base[row]), round(float(scored.lexical[row]), 3))
            for row in first
        ]
        return pack(scored.vector).tolist(), candidates

    def _scored(self, text: str, encoded: EncodedTask) -> TaskScores:
        found = score(self._index, text, self._all, encoded, self._weights)
        return TaskScores(encoded.parts[0], found.scores, found.cosine, found.lexical)


class RememberingScorer:
    """Another scorer that does not encode a task whose vector is known.

    Args:
        scorer: The other.
        known: Vectors as `pack` makes them, by the hash of the task's text.
    """

    def __init__(self, scorer: IndexScorer, known: Mapping[str, bytes]) -> None:
        self._scorer = scorer
        self._known = known
        self.new: dict[str, bytes] = {}
        """The vectors that were not known before."""

    @property
    def encoder(self) -> str:
        return self._scorer.encoder

    @property
    def index(self) -> ToolIndex:
        return self._scorer.index

    def vector(self, task: RememberedTask) -> NDArray[np.float32] | None:
        if task.text is None:
            return self._scorer.vector(task)
        key = content_hash(task.text)
        raw = self._known.get(key) or self.new.get(key)
        if raw is None or len(raw) != self._scorer.dimensions:
            vector = self._scorer.vector(task)
            assert vector is not None
            raw = self.new[key] = pack(vector).tobytes()
        # Also of a new one what is kept, so that the same log teaches the same whenever it is read.
        return unpack(np.frombuffer(raw, np.int8))

    def scores(self, task: RememberedTask) -> TaskScores | None:
        return self._scorer.scores(task)


def pack(vector: NDArray[np.float32]) -> NDArray[np.int8]:
    """A unit vector as it is remembered: its direction, in whole numbers up to 127."""
    return np.rint(vector * (127.0 / float(np.abs(vector).max()))).astype(np.int8)


def unpack(packed: NDArray[np.int8]) -> NDArray[np.float32]:
    """The unit vector; the same for the same numbers, wherever they were kept."""
    vector = packed.astype(np.float32)
    return vector / np.float32(max(float(np.linalg.norm(vector)), 1.0))


def _remembered(task: RememberedTask, encoder: Encoder) -> NDArray[np.float32] | None:
    if task.encoder != encoder.name or len(task.vector) != encoder.dimensions:
        return None
    return unpack(np.array(task.vector, np.int8))
