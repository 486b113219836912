"""The searchable form of one catalog: texts, terms, names and the vectors computed so far.

An index is rebuilt when the catalog changes and takes over what is still right from the one before: the
terms and the vectors of every text that did not change. Search is exact: a matrix product over all vectors,
0.3 ms at 10,000 tools, less than an approximate structure could save.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolhone.models import ToolDefinition
from toolhone.selection.encoder import EncodedText
from toolhone.selection.lexical import LexicalIndex
from toolhone.selection.naming import ToolNames
from toolhone.selection.text import (
    TOOL_CHARACTERS,
    embedded_text,
    split_name,
    term_counts,
    tool_text,
    well_formed,
)
from toolhone.selection.vectors import TokenVectors


@dataclass(frozen=True, slots=True)
class _Entry:
    """One text: a tool's or a server's."""

    text: str
    text_hash: str
    terms: Mapping[str, int]


class ToolIndex:
    """Tools in the order of their names, and their servers. Only `add` changes it after it is built."""

    def __init__(
        self,
        definitions: Sequence[ToolDefinition],
        previous: "ToolIndex | None" = None,
        *,
        tokens: TokenVectors | None = None,
    ) -> None:
        self.definitions = tuple(sorted(definitions, key=lambda definition: definition.name))
        self.positions = {definition.name: row for row, definition in enumerate(self.definitions)}
        self.names = ToolNames(self.definitions)
        self.servers = tuple(sorted({tool.server for tool in self.definitions if tool.server is not None}))
        numbers = {server: number for number, server in enumerate(self.servers)}
        self.server_of: NDArray[np.int32] = np.array(
            [-1 if tool.server is None else numbers[tool.server] for tool in self.definitions], np.int32
        )
        names: dict[str, list[str]] = {server: [] for server in self.servers}
        for tool in self.definitions:
            if tool.server is not None:
                names[tool.server].append(tool.original_name or tool.name)
        known = (
            {
                tool.name: (tool, entry)
                for tool, entry in zip(previous.definitions, previous._entries, strict=False)
            }
            if previous
            else {}
        )
        self._entries = [
            found[1] if (found := known.get(tool.name)) and found[0] == tool else _read(tool_text(tool))
            for tool in self.definitions
        ] + [_read(server_text(server, names[server])) for server in self.servers]
        self.lexical = LexicalIndex([entry.terms for entry in self._entries[: len(self)]])
        self.server_lexical = LexicalIndex([entry.terms for entry in self._entries[len(self) :]])
        self._vectors: NDArray[np.float32] | None = None
        self._embedded: NDArray[np.bool_] = np.zeros(len(self._entries), np.bool_)
        self._by_text: dict[str, list[int]] = {}
        for row, entry in enumerate(self._entries):
            self._by_text.setdefault(entry.text_hash, []).append(row)
        self._tokens = tokens or (previous._tokens if previous else TokenVectors())
        if previous is not None and previous._vectors is not None:
            self._set(
                {
                    entry.text_hash: previous._vectors[row]
                    for row, entry in enumerate(previous._entries)
                    if previous._embedded[row]
                }
            )

    def __len__(self) -> int:
        return len(self.definitions)

    @property
    def embedded(self) -> NDArray[np.bool_]:
        """Which tools have a vector."""
        return self._embedded[: len(self)].copy()

    @property
    def server_embedded(self) -> NDArray[np.bool_]:
        """Which servers have a vector."""
        return self._embedded[len(self) :].copy()

    @property
    def missing_count(self) -> int:
        """How many tools and servers have no vector yet."""
        return len(self._entries) - int(self._embedded.sum())

    def missing(self) -> dict[str, str]:
        """The texts that have no vector yet by their hash, the shortest first."""
        without = [entry for entry, done in zip(self._entries, self._embedded, strict=True) if not done]
        return {entry.text_hash: entry.text for entry in sorted(without, key=lambda entry: len(entry.text))}

    def add(self, encoded: Mapping[str, EncodedText]) -> None:
        """Take in the vectors of these texts. A search that runs meanwhile sees each of them or not."""
        self._tokens.keep(encoded)
        self._set({text_hash: text.vector for text_hash, text in encoded.items()})

    def cosine(self, parts: NDArray[np.float32]) -> NDArray[np.float32]:
        """The cosine of every part with every tool, 0 for tools without a vector."""
        return self._cosine(parts, slice(0, len(self)))

    def server_cosine(self, parts: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same with every server's text."""
        return self._cosine(parts, slice(len(self), None))

    def token_vectors(self, rows: Sequence[int]) -> list[NDArray[np.int8] | None]:
        """The token vectors of these tools; `None` for a tool that has none."""
        return self._tokens.get([self._entries[row].text_hash for row in rows])

    def _set(self, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        if not vectors:
            return
        if self._vectors is None:
            self._vectors = np.zeros((len(self._entries), len(next(iter(vectors.values())))), np.float32)
        for text_hash, vector in vectors.items():
            for row in self._by_text.get(text_hash, ()):
                self._vectors[row] = vector
                # Last, because another thread trusts the row once this is set.
                self._embedded[row] = True

    def _cosine(self, parts: NDArray[np.float32], rows: slice) -> NDArray[np.float32]:
        embedded = self._embedded[rows]
        if self._vectors is None:
            return np.zeros((len(parts), len(embedded)), np.float32)
        return np.where(embedded, parts @ self._vectors[rows].T, np.float32(0.0))


def server_text(server: str, names: Sequence[str]) -> str:
    """What is indexed for a server: its name and the names of its tools, as words."""
    tools = ", ".join(" ".join(split_name(name)) for name in names)
    return well_formed(f"{' '.join(split_name(server))}: {tools}"[:TOOL_CHARACTERS])


def text_hash(text: str) -> str:
    """The key of a text's vectors."""
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _read(text: str) -> _Entry:
    embedded = embedded_text(text)
    return _Entry(embedded, text_hash(embedded), term_counts(text))
