"""What the lessons of a log say about each tool, added up: mean task vectors and how much they rest on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolhone.models import ToolDefinition
from toolhone.selection.evidence import IGNORED, Lesson, Outcome
from toolhone.selection.learned import Learned, from_middle, tool_hash

COHERENT = 0.5
"""The tasks of a tool are about one thing if they are at least half as much alike as those of other tools. A
tool that is called for everything gains nothing by that: seen from the middle, its tasks are not alike."""

ALIKE = 0.25
"""How much alike the tasks of one tool are, where the log is too short to say."""

FEWEST_TOOLS = 5

AGAINST_K = 2.0
"""The credit against a tool at which it counts half."""


@dataclass(frozen=True, slots=True, eq=False)
class TaughtTask:
    """A lesson and the vector of its task."""

    lesson: Lesson
    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Centroids:
    """Sums over lessons, one row a tool, in the order of their names."""

    definitions: Sequence[ToolDefinition]
    middle: NDArray[np.float32]
    served: NDArray[np.float64]
    amount: NDArray[np.float64]
    refused: NDArray[np.float64]
    refusals: NDArray[np.float64]
    tried: NDArray[np.float64]
    """How much of what was seen are calls of it, successful or not."""
    coherence: NDArray[np.float64]
    """0..1, whether the tasks that it served are about one thing."""
    until: str

    def learned(
        self,
        *,
        encoder: str,
        changed: Mapping[str, tuple[str, str]],
        shrinkage: float,
        weights: NDArray[np.float64],
    ) -> Learned:
        """The content of a version: centroids shrunk by their evidence, n / (n + `shrinkage`)."""
        certainty = self.amount / (self.amount + shrinkage)
        return Learned(
            encoder=encoder,
            until=self.until,
            names=tuple(definition.name for definition in self.definitions),
            hashes=tuple(tool_hash(definition) for definition in self.definitions),
            changed=dict(sorted(changed.items())),
            middle=self.middle,
            served=_directions(self.served),
            certainty=certainty.astype(np.float32),
            reliability=(certainty * self.coherence).astype(np.float32),
            refused=_directions(self.refused),
            refusals=(self.refusals / (self.refusals + AGAINST_K)).astype(np.float32),
            evidence=self.tried.astype(np.float32),
            weights=np.round(weights, 6),
        )


def add_up(
    tasks: Sequence[TaughtTask], definitions: Mapping[str, ToolDefinition], dimensions: int
) -> Centroids:
    """Add up what was seen of the tools that are in `definitions`."""
    vectors = np.array([task.vector for task in tasks], np.float32).reshape(len(tasks), dimensions)
    middle = vectors.sum(axis=0, dtype=np.float64).astype(np.float32) / np.float32(max(len(tasks), 1))
    seen: dict[str, list[tuple[Outcome, NDArray[np.float32]]]] = {}
    for task in tasks:
        away = from_middle(task.vector, middle)
        for outcome in task.lesson.outcomes:
            if outcome.tool in definitions:
                seen.setdefault(outcome.tool, []).append((outcome, away))
    names = sorted(seen)
    served, refused = np.zeros((len(names), dimensions)), np.zeros((len(names), dimensions))
    amount, refusals = np.zeros(len(names)), np.zeros(len(names))
    squares, tried = np.zeros(len(names)), np.zeros(len(names))
    for row, name in enumerate(names):
        for outcome, vector in seen[name]:
            if outcome.credit > 0:
                served[row] += outcome.credit * vector
                amount[row] += outcome.credit
                squares[row] += outcome.credit**2
            else:
                refused[row] -= outcome.credit * vector
                refusals[row] -= outcome.credit
            # To be passed over is no use: it says something about tasks of that kind only.
            if outcome.credit != IGNORED:
                tried[row] += abs(outcome.credit)
    return Centroids(
        definitions=[definitions[name] for name in names],
        middle=middle,
        served=served,
        amount=amount,
        refused=refused,
        refusals=refusals,
        tried=tried,
        coherence=_coherence(served, amount, squares),
        until=max((task.lesson.asked_at for task in tasks), default=""),
    )


def _directions(sums: NDArray[np.float64]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    # As they are kept, so that a version works the same before and after it was stored.
    return (sums / np.maximum(lengths, 1e-9)).astype(np.float16).astype(np.float32)


def _coherence(
    served: NDArray[np.float64], amount: NDArray[np.float64], squares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How alike the tasks of each tool are: 0 as any two of the log, 1 from half as much as usual on."""
    coherence = np.ones(len(amount))
    pairs = amount**2 - squares
    several = pairs > 1e-9
    if several.any():
        # The mean cosine of two different tasks: the squared length of a sum less what each has with itself.
        alike = ((served**2).sum(axis=1) - squares)[several] / pairs[several]
        usual = float(np.median(alike)) if several.sum() >= FEWEST_TOOLS else ALIKE
        coherence[several] = np.clip(alike / max(COHERENT * usual, 0.05), 0.0, 1.0)
    return coherence
