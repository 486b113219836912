"""What the lessons of a log say about each tool, added up: mean task vectors and how much they rest on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolhone.models import ToolDefinition
from toolhone.selection.evidence import Lesson, Outcome
from toolhone.selection.learned import Learned, tool_hash

COHERENT = 0.5
"""The length of the mean of a tool's task vectors from which on they are about one thing. A tool that was
called for everything has a shorter one, and its use says less about when to call it."""

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
    served: NDArray[np.float64]
    amount: NDArray[np.float64]
    refused: NDArray[np.float64]
    refusals: NDArray[np.float64]
    until: str

    def learned(
        self, *, encoder: str, since: Mapping[str, str], shrinkage: float, weights: NDArray[np.float64]
    ) -> Learned:
        """The content of a version: centroids shrunk by their evidence, n / (n + `shrinkage`)."""
        lengths = np.linalg.norm(self.served, axis=1)
        coherence = np.minimum(lengths / np.maximum(self.amount, 1e-9) / COHERENT, 1.0)
        reliability = self.amount / (self.amount + shrinkage) * coherence
        return Learned(
            encoder=encoder,
            until=self.until,
            names=tuple(definition.name for definition in self.definitions),
            hashes=tuple(tool_hash(definition) for definition in self.definitions),
            since=tuple(since.get(definition.name, "") for definition in self.definitions),
            served=_directions(self.served),
            reliability=reliability.astype(np.float32),
            refused=_directions(self.refused),
            refusals=(self.refusals / (self.refusals + AGAINST_K)).astype(np.float32),
            evidence=(self.amount + self.refusals).astype(np.float32),
            weights=np.round(weights, 6),
        )


def add_up(tasks: Sequence[TaughtTask], definitions: Mapping[str, ToolDefinition]) -> Centroids:
    """Add up what was seen of the tools that are in `definitions`."""
    seen: dict[str, list[tuple[Outcome, NDArray[np.float32]]]] = {}
    for task in tasks:
        for outcome in task.lesson.outcomes:
            if outcome.tool in definitions:
                seen.setdefault(outcome.tool, []).append((outcome, task.vector))
    names = sorted(seen)
    width = len(tasks[0].vector) if tasks else 0
    served, refused = np.zeros((len(names), width)), np.zeros((len(names), width))
    amount, refusals = np.zeros(len(names)), np.zeros(len(names))
    for row, name in enumerate(names):
        for outcome, vector in seen[name]:
            if outcome.credit > 0:
                served[row] += outcome.credit * vector
                amount[row] += outcome.credit
            else:
                refused[row] -= outcome.credit * vector
                refusals[row] -= outcome.credit
    return Centroids(
        definitions=[definitions[name] for name in names],
        served=served,
        amount=amount,
        refused=refused,
        refusals=refusals,
        until=max((task.lesson.asked_at for task in tasks), default=""),
    )


def _directions(sums: NDArray[np.float64]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    # As they are kept, so that a version works the same before and after it was stored.
    return (sums / np.maximum(lengths, 1e-9)).astype(np.float16).astype(np.float32)
