"""A ranking that was learned from the use of one installation, applied over the scores that need no use.

Of each tool that was called it knows the mean vector of the tasks it served (its centroid: Tool2Vec, Moon et
al. 2024), of each that failed or was passed over that of those tasks, and how much evidence each rests on.
A logistic model weighs them against what the texts say. Evidence by itself gives a tool nothing, only tasks
that resemble those it served do, and tools without use keep reserved places: a new tool must not starve.
"""

import io
import json
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from toolhone.exceptions import StorageError
from toolhone.models import ToolDefinition, content_hash
from toolhone.selection.text import tool_text

FORMAT = 1

FEATURES = ("base", "cosine", "words", "use", "use_for_cosine", "evidence", "against")
"""What a tool's place is computed from:

base            the score without use
cosine          of the task with the tool's text
words           BM25 as a share of the best
use             of the task with the tasks that the tool served, by how reliable that is
use_for_cosine  the cosine, by how reliable the use is: with much use the text matters less
evidence        how much use there is: below 0, or the best of many tools with use would push aside those
                without by chance
against         of the task with those for which it failed or was passed over, likewise
"""

WARM = 1.0
"""Evidence from which on a tool is no longer new."""

RESERVED_PLACES = 2
"""How many of the tools without use keep the place that their text gives them."""

ALIKE = 0.2
"""The cosine below which a tool's text has nothing to do with a task, so that it has no place to keep. Of
right tools more than nine in ten are above; the first of a catalog in which nothing fits is mostly below."""


class Tools(Protocol):
    """What is asked of a `ToolIndex`."""

    @property
    def definitions(self) -> Sequence[ToolDefinition]: ...

    @property
    def positions(self) -> Mapping[str, int]: ...


def tool_hash(definition: ToolDefinition) -> str:
    """Identifies what a tool says about itself; what was learned about another text is not believed."""
    return content_hash(tool_text(definition))[len("sha256:") :][:16]


def from_middle(vector: NDArray[np.float32], middle: NDArray[np.float32]) -> NDArray[np.float32]:
    """The direction in which a task differs from the mean of all."""
    away = vector - middle
    return away / np.float32(max(float(np.linalg.norm(away)), 1e-6))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Learned:
    """What was learned: the content of a version. Arrays have one row a tool."""

    encoder: str
    """Whose vectors these are; with those of another they cannot be compared."""
    until: str
    """The time of the newest request it learned from."""
    names: tuple[str, ...]
    hashes: tuple[str, ...]
    middle: NDArray[np.float32]
    """The mean vector of all tasks of the log. Tasks are compared by how they differ from it: what all have
    in common speaks for no tool."""
    served: NDArray[np.float32]
    """The direction of the mean of the tasks it served, from the middle; unit rows or 0."""
    certainty: NDArray[np.float32]
    """0..1, how much use that rests on."""
    reliability: NDArray[np.float32]
    """The same, less for a tool whose tasks are not about one thing."""
    refused: NDArray[np.float32]
    """The same of the tasks for which it failed or was passed over."""
    refusals: NDArray[np.float32]
    """0..1."""
    evidence: NDArray[np.float32]
    """How much the tool was called, successfully or not."""
    changed: Mapping[str, tuple[str, str]]
    """Of tools whose text changed at some time: its hash, and the time before which it was another."""
    weights: NDArray[np.float64]
    """Of `FEATURES`; the first is above 0."""

    def to_bytes(self) -> bytes:
        """The same content gives the same bytes."""
        about = {
            "format": FORMAT,
            "features": FEATURES,
            "encoder": self.encoder,
            "until": self.until,
            "names": self.names,
            "hashes": self.hashes,
            "changed": self.changed,
        }
        text = json.dumps(about, sort_keys=True, separators=(",", ":")).encode()
        arrays: dict[str, NDArray[Any]] = {
            "about": np.frombuffer(text, np.uint8),
            "middle": self.middle.astype("<f4"),
            "served": self.served.astype("<f2"),
            "certainty": self.certainty.astype("<f4"),
            "reliability": self.reliability.astype("<f4"),
            "refused": self.refused.astype("<f2"),
            "refusals": self.refusals.astype("<f4"),
            "evidence": self.evidence.astype("<f4"),
            "weights": self.weights.astype("<f8"),
        }
        file = io.BytesIO()
        # Not `savez`, whose files carry what the platform says of itself.
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, array in arrays.items():
                part = io.BytesIO()
                np.lib.format.write_array(part, array, allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), part.getvalue())
        return file.getvalue()

    @staticmethod
    def from_bytes(data: bytes) -> "Learned":
        """Read what `to_bytes` wrote.

        Raises:
            StorageError: It is something else, or of another version of toolhone.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                arrays: dict[str, NDArray[Any]] = {name: file[name] for name in file.files}
            about = json.loads(arrays["about"].tobytes())
            if about["format"] != FORMAT or tuple(about["features"]) != FEATURES:
                raise ValueError(f"format {about['format']!r}")
            learned = Learned(
                encoder=about["encoder"],
                until=about["until"],
                names=tuple(about["names"]),
                hashes=tuple(about["hashes"]),
                changed={name: (hashed, since) for name, (hashed, since) in about["changed"].items()},
                middle=arrays["middle"].astype(np.float32),
                served=arrays["served"].astype(np.float32),
                certainty=arrays["certainty"].astype(np.float32),
                reliability=arrays["reliability"].astype(np.float32),
                refused=arrays["refused"].astype(np.float32),
                refusals=arrays["refusals"].astype(np.float32),
                evidence=arrays["evidence"].astype(np.float32),
                weights=arrays["weights"].astype(np.float64),
            )
        except (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile) as exc:
            raise StorageError(
                f"A learned version cannot be read ({exc}). Learn anew with `toolhone selector learn`."
            ) from exc
        _check(learned)
        return learned


def _check(learned: Learned) -> None:
    rows = len(learned.names)
    numbers = (
        *(learned.served, learned.certainty, learned.reliability),
        *(learned.refused, learned.refusals, learned.evidence),
    )
    if (
        len(learned.hashes) != rows
        or any(len(array) != rows or not np.isfinite(array).all() for array in numbers)
        or learned.served.shape != (rows, len(learned.middle))
        or learned.refused.shape != learned.served.shape
        or not np.isfinite(learned.middle).all()
        or learned.weights.shape != (len(FEATURES),)
        or not np.isfinite(learned.weights).all()
        or learned.weights[0] <= 0
    ):
        raise StorageError(
            "A learned version holds numbers that do not belong together. "
            "Learn anew with `toolhone selector learn`."
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Aligned:
    """What was learned about the tools of one catalog: row of the index to row of the version."""

    definitions: Sequence[ToolDefinition]
    row_of: NDArray[np.int32]
    """-1: nothing was learned about it, or it has changed."""
    warm: frozenset[str]
    """The tools with enough use that they need no reserved place."""


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What candidates are judged by; the last four columns only where the tool's use is known."""

    base: NDArray[np.float64]
    cosine: NDArray[np.float32]
    words: NDArray[np.float32]
    known: NDArray[np.int64]
    use: NDArray[np.float64]
    """(known, 4)"""

    def weighted(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        total = weights[0] * self.base + weights[1] * self.cosine + weights[2] * self.words
        total[self.known] += self.use @ weights[3:]
        return total

    def matrix(self) -> NDArray[np.float64]:
        """One row a candidate, one column a feature."""
        rows = np.zeros((len(self.base), len(FEATURES)))
        rows[:, 0], rows[:, 1], rows[:, 2] = self.base, self.cosine, self.words
        rows[self.known, 3:] = self.use
        return rows


class LearnedRanker:
    """One version at work. Safe to use from several threads."""

    def __init__(self, version: str, learned: Learned, *, hidden: frozenset[str] = frozenset()) -> None:
        self.version = version
        self.learned = learned
        self._hidden = hidden
        self._aligned: _Aligned | None = None

    @property
    def encoder(self) -> str:
        return self.learned.encoder

    def known_tools(self, index: Tools) -> int:
        """How many tools of the catalog it knows as they are now."""
        return int((self._align(index).row_of >= 0).sum())

    def without(self, names: Collection[str]) -> "LearnedRanker":
        """The same as if nothing of these tools had been seen: how a new tool in their place would do."""
        return LearnedRanker(self.version, self.learned, hidden=self._hidden | frozenset(names))

    def apply(
        self,
        index: Tools,
        task_vector: NDArray[np.float32],
        base: NDArray[np.float64],
        cosine: NDArray[np.float32],
        lexical: NDArray[np.float32],
        among: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """The candidates' scores, 0..1 on the scale of the scores without use: the best is as good as there.

        Args:
            index: The tools.
            task_vector: Of the whole task, of length 1, made by `encoder`.
            base: The candidates' scores without use.
            cosine: Their cosines.
            lexical: Their BM25.
            among: The candidates' positions in the index.
        """
        features = self.features(index, task_vector, base, cosine, lexical, among)
        if not len(features.known):
            return base
        scores = features.weighted(self.learned.weights / self.learned.weights[0])
        scores += float(base.max()) - float(scores.max())
        # The last bits of a product depend on where a row lies in the matrix; equal must stay equal.
        rounded: NDArray[np.float64] = np.round(scores, 5)
        return np.clip(rounded, 0.0, 1.0)

    def features(
        self,
        index: Tools,
        task_vector: NDArray[np.float32],
        base: NDArray[np.float64],
        cosine: NDArray[np.float32],
        lexical: NDArray[np.float32],
        among: NDArray[np.int64],
    ) -> Features:
        """What `apply` weighs; the learner weighs the same."""
        learned = self.learned
        rows = self._align(index).row_of[among]
        known = np.flatnonzero(rows >= 0)
        rows = rows[known]
        task = from_middle(task_vector, learned.middle)
        best = max(float(lexical.max(initial=0.0)), 1e-9)
        reliability = learned.reliability[rows]
        use = np.stack(
            [
                reliability * (learned.served @ task)[rows],
                reliability * cosine[known],
                learned.certainty[rows],
                learned.refusals[rows] * np.maximum((learned.refused @ task)[rows], 0.0),
            ],
            axis=1,
        )
        return Features(base, cosine, lexical / np.float32(best), known, use.astype(np.float64))

    def guard(
        self,
        order: Sequence[int],
        base_order: Sequence[int],
        names: Mapping[int, str],
        cosine: NDArray[np.float32],
        count: int,
    ) -> list[int]:
        """The learned order, with places kept for tools that had no chance to be used yet.

        The first `RESERVED_PLACES` tools without use among the first `count` of the order without use come
        no later than there, if their text has to do with the task.

        Args:
            order: The first places of the learned order; a reserved tool that is not in it is added.
            base_order: Those of the order without use.
            names: The names of the tools in `base_order`.
            cosine: Of the task with each tool.
            count: How many are shown.
        """
        warm = self._warm_names()
        new = [tool for tool in base_order[:count] if names[tool] not in warm and cosine[tool] >= ALIKE]
        result = list(order)
        for tool in new[:RESERVED_PLACES]:
            latest = base_order.index(tool)
            place = result.index(tool) if tool in result else len(result)
            if place > latest:
                result = [other for other in result if other != tool]
                result.insert(latest, tool)
        return result[: len(order)]

    def _warm_names(self) -> frozenset[str]:
        if self._aligned is not None:
            return self._aligned.warm
        learned = self.learned
        return frozenset(
            name for name, seen in zip(learned.names, learned.evidence, strict=True) if seen >= WARM
        )

    def _align(self, index: Tools) -> _Aligned:
        aligned = self._aligned
        if aligned is not None and aligned.definitions is index.definitions:
            return aligned
        rows = np.full(len(index.definitions), -1, np.int32)
        known = self._unchanged(aligned)
        for row, (name, hashed) in enumerate(zip(self.learned.names, self.learned.hashes, strict=True)):
            position = index.positions.get(name)
            if position is None or name in self._hidden:
                continue
            definition = index.definitions[position]
            if known(definition, row) or tool_hash(definition) == hashed:
                rows[position] = row
        present: list[int] = rows[rows >= 0].tolist()
        warm = frozenset(
            self.learned.names[row] for row in present if float(self.learned.evidence[row]) >= WARM
        )
        aligned = _Aligned(index.definitions, rows, warm)
        self._aligned = aligned
        return aligned

    @staticmethod
    def _unchanged(aligned: _Aligned | None) -> Callable[[ToolDefinition, int], bool]:
        """Whether a definition is the very one that was hashed before: a changed catalog changes few."""
        if aligned is None:
            return lambda definition, row: False
        seen = {
            row: aligned.definitions[position]
            for position, row in enumerate(aligned.row_of.tolist())
            if row >= 0
        }
        return lambda definition, row: seen.get(row) is definition
