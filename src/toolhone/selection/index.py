"""The searchable form of one catalog: texts, terms, names and the vectors computed so far.

An index is rebuilt when the catalog changes and takes over what is still right from the one before: the
terms and the vectors of every text that did not change. Search is exact: a matrix product over all vectors,
0.3 ms at 10,000 tools, less than an approximate structure could save.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolhone.models import ToolDefinition, content_hash
from toolhone.selection.lexical import LexicalIndex
from toolhone.selection.naming import ToolNames
from toolhone.selection.text import embedded_text, term_counts, tool_text


@dataclass(frozen=True, slots=True)
class _Entry:
    """One tool. Its terms are kept so that a change of one tool does not read all the others again."""

    definition: ToolDefinition
    text: str
    text_hash: str
    terms: Mapping[str, int]


class ToolIndex:
    """Tools in the order of their names. Only `add_vectors` changes it after it is built."""

    def __init__(self, definitions: Sequence[ToolDefinition], previous: "ToolIndex | None" = None) -> None:
        known = {entry.definition.name: entry for entry in previous._entries} if previous else {}
        self._entries: list[_Entry] = [
            entry
            if (entry := known.get(definition.name)) is not None and entry.definition == definition
            else _read(definition)
            for definition in sorted(definitions, key=lambda definition: definition.name)
        ]
        self.definitions = tuple(entry.definition for entry in self._entries)
        self.positions = {definition.name: index for index, definition in enumerate(self.definitions)}
        self.lexical = LexicalIndex([entry.terms for entry in self._entries])
        self.names = ToolNames(self.definitions)
        self.vectors: NDArray[np.float32] | None = None
        self.embedded: NDArray[np.bool_] = np.zeros(len(self._entries), np.bool_)
        self._by_text: dict[str, list[int]] = {}
        for index, entry in enumerate(self._entries):
            self._by_text.setdefault(entry.text_hash, []).append(index)
        if previous is not None and previous.vectors is not None:
            self._take_over(previous, previous.vectors)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def missing_count(self) -> int:
        """How many tools have no vector yet."""
        return len(self) - int(self.embedded.sum())

    def missing(self) -> dict[str, str]:
        """The texts that have no vector yet by their hash, the shortest first."""
        without = [entry for entry, done in zip(self._entries, self.embedded, strict=True) if not done]
        return {entry.text_hash: entry.text for entry in sorted(without, key=lambda entry: len(entry.text))}

    def add_vectors(self, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Set the vectors of these texts. A search that runs meanwhile sees each of them or not."""
        if not vectors:
            return
        if self.vectors is None:
            width = len(next(iter(vectors.values())))
            self.vectors = np.zeros((len(self._entries), width), np.float32)
        for text_hash, vector in vectors.items():
            for index in self._by_text.get(text_hash, ()):
                self.vectors[index] = vector
                # Last, because another thread trusts the row once this is set.
                self.embedded[index] = True

    def cosine(self, query: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The cosine of every tool, and which of them have a vector; the others' are 0."""
        embedded = self.embedded.copy()
        if self.vectors is None:
            return np.zeros(len(self._entries), np.float32), embedded
        return np.where(embedded, self.vectors @ query, np.float32(0.0)), embedded

    def _take_over(self, previous: "ToolIndex", vectors: NDArray[np.float32]) -> None:
        self.add_vectors(
            {
                entry.text_hash: vectors[index]
                for index, entry in enumerate(previous._entries)
                if previous.embedded[index]
            }
        )


def _read(definition: ToolDefinition) -> _Entry:
    text = tool_text(definition)
    embedded = embedded_text(text)
    return _Entry(definition, embedded, content_hash(embedded), term_counts(text))
