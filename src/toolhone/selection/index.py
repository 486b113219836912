"""The searchable form of one catalog: texts, terms, names and the vectors computed so far.

An index is built anew when the catalog changes and takes over what is still right from the one before, or
from the one that was stored: all that was read of tools that did not change, and their vectors. What is left
are a few passes over arrays. So no segments are left that would have to be merged later, and at 100,000 tools
a changed one is still searchable within a second (`python benchmarks/scale.py`).
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from operator import attrgetter, is_

import numpy as np
from numpy.typing import NDArray

from toolhone.models import ToolDefinition
from toolhone.selection.corpus import (
    DIGEST,
    IDENTITY,
    Corpus,
    Hashes,
    digests_of,
    server_identity,
    server_text,
    text_hashes,
    tool_identity,
)
from toolhone.selection.encoder import EncodedText
from toolhone.selection.matrix import believable
from toolhone.selection.naming import ToolNames
from toolhone.selection.text import embedded_text, tool_text
from toolhone.selection.text_vectors import TextVectors
from toolhone.selection.token_vectors import TokenVectors

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IndexParts:
    """What one index leaves to the next, in this process or as a file."""

    tools: Corpus
    servers: Corpus
    names: ToolNames
    tool_vectors: TextVectors
    server_vectors: TextVectors
    encoder: str | None
    """Whose vectors they are."""
    stored_as: str | None
    """The file they came from."""


class ToolIndex:
    """Tools in the order of their names, and their servers.

    Only vectors change after it is built, by `use_encoder`, `add` and `lack`, which one thread at a time may
    call while others search.
    """

    def __init__(
        self,
        definitions: Sequence[ToolDefinition],
        previous: "ToolIndex | Callable[[Hashes], IndexParts | None] | None" = None,
        *,
        tokens: TokenVectors | None = None,
    ) -> None:
        """Build it from what is still right in `previous`, as far as that goes.

        Args:
            previous: The index before, or what finds parts of one that knows tools of these identities.
        """
        # Without a step of Python for each tool where it can be helped: there may be 100,000 of them.
        self.definitions: tuple[ToolDefinition, ...] = tuple(sorted(definitions, key=attrgetter("name")))
        names = map(attrgetter("name"), self.definitions)
        self.positions: dict[str, int] = dict(zip(names, range(len(self.definitions)), strict=True))
        servers: list[str | None] = list(map(attrgetter("server"), self.definitions))
        self.servers: tuple[str, ...] = tuple(sorted(server for server in set(servers) if server is not None))
        numbers: dict[str | None, int] = {server: number for number, server in enumerate(self.servers)}
        self.server_of: NDArray[np.int32] = np.fromiter(
            map(numbers.get, servers, repeat(-1)), np.int32, len(servers)
        )
        self.notices: tuple[str, ...] = ()
        """What an answer should say of how this index came to be."""

        if isinstance(previous, ToolIndex):
            parts = previous.parts
            identities, sources = self._compared(previous)
        else:
            identities = _hashes([tool_identity(tool) for tool in self.definitions])
            parts = (previous(identities) if previous is not None else None) or _nothing()
            sources = parts.tools.find(identities)

        def text_of_tool(row: int) -> str:
            return tool_text(self.definitions[row])

        def text_of_server(row: int) -> str:
            return server_text(self.servers[row], listed[row])

        tool_texts = parts.tools.updated(identities, sources, text_of_tool)
        self.names = ToolNames.updated(self.definitions, parts.names, sources)
        listed = self._names_by_server()
        of_servers = _hashes([server_identity(*server) for server in zip(self.servers, listed, strict=True)])
        server_sources = parts.servers.find(of_servers)
        server_texts = parts.servers.updated(of_servers, server_sources, text_of_server)
        self.lexical = tool_texts.lexical
        self.server_lexical = server_texts.lexical
        self._parts = IndexParts(
            tool_texts,
            server_texts,
            self.names,
            parts.tool_vectors.moved(tool_texts.digests, sources),
            parts.server_vectors.moved(server_texts.digests, server_sources),
            parts.encoder,
            parts.stored_as,
        )
        """Replaced as a whole, so that a search sees vectors of one encoder."""
        self._usable = previous._usable if isinstance(previous, ToolIndex) else parts.stored_as is None
        self._news = max(len(sources), len(parts.tools)) - int((sources >= 0).sum())
        if isinstance(previous, ToolIndex):
            self._news += previous._news
        self._tokens = tokens or (previous._tokens if isinstance(previous, ToolIndex) else TokenVectors())

    def __len__(self) -> int:
        return len(self.definitions)

    @property
    def parts(self) -> IndexParts:
        """What another index may take over."""
        return self._parts

    @property
    def news(self) -> int:
        """How many tools and vectors came or went since the file that `parts.stored_as` names."""
        return self._news

    def stored(self, name: str) -> None:
        """Note that this index is now in the file of that name."""
        self._parts, self._news = replace(self._parts, stored_as=name), 0

    @property
    def embedded(self) -> NDArray[np.bool_]:
        """Which tools have a vector."""
        return self._present(self._parts.tool_vectors)

    @property
    def server_embedded(self) -> NDArray[np.bool_]:
        """Which servers have a vector."""
        return self._present(self._parts.server_vectors)

    @property
    def missing_count(self) -> int:
        """How many tools and servers have no vector yet."""
        present = int(self.embedded.sum()) + int(self.server_embedded.sum())
        return len(self.definitions) + len(self.servers) - present

    def missing(self) -> dict[str, str]:
        """The texts that have to be encoded by their hash, the shortest first."""
        parts, texts = self._parts, dict[str, str]()
        rows = parts.tool_vectors.wanted()
        for row, key in zip(map(int, rows), text_hashes(parts.tools.digests[rows]), strict=True):
            texts[key] = embedded_text(tool_text(self.definitions[row]))
        rows = parts.server_vectors.wanted()
        listed = self._names_by_server() if len(rows) else list[list[str]]()
        for row, key in zip(map(int, rows), text_hashes(parts.servers.digests[rows]), strict=True):
            texts[key] = embedded_text(server_text(self.servers[row], listed[row]))
        return dict(sorted(texts.items(), key=lambda item: len(item[1])))

    def hashes(self, *, embedded: bool) -> list[str]:
        """The hashes of the texts that have a vector, or of those that have none. Reads no text."""
        parts = self._parts
        found = [
            corpus.digests[self._present(vectors) == embedded]
            for corpus, vectors in ((parts.tools, parts.tool_vectors), (parts.servers, parts.server_vectors))
        ]
        return text_hashes(np.unique(np.concatenate(found)))

    def use_encoder(self, name: str, dimensions: int) -> None:
        """Say whose vectors `add` will bring. Those of another encoder go, with their token vectors."""
        parts = self._parts
        if parts.encoder != name or parts.tool_vectors.dimensions not in (None, dimensions):
            self._start_over(name)
        self._usable = True

    def add(self, encoded: Mapping[str, EncodedText]) -> None:
        """Take in the vectors of these texts. A search that runs meanwhile sees each of them or not.

        A vector that is not of length 1 is not believed; its text stays without one.
        """
        if not self._usable:
            # They came with a file, and nobody said that they are of the same encoder.
            self._start_over(None)
            self._usable = True
        if not encoded:
            return
        vectors = np.stack([text.vector for text in encoded.values()])
        believed = believable(vectors)
        if not believed.all():
            logger.warning("%s vectors are not of length 1 and are left out.", int((~believed).sum()))
        digests = digests_of(list(encoded))[believed]
        for kind in (self._parts.tool_vectors, self._parts.server_vectors):
            self._news += kind.add(digests, vectors[believed])
        self._tokens.keep(
            {key: text for (key, text), ok in zip(encoded.items(), believed, strict=True) if ok}
        )

    def lack(self, hashes: Sequence[str]) -> None:
        """Say that these texts should be encoded again although they have a vector."""
        digests = digests_of(hashes)
        for kind in (self._parts.tool_vectors, self._parts.server_vectors):
            kind.lack(digests)

    def read_tokens_by(self, read: Callable[[Sequence[str]], Mapping[str, NDArray[np.int8]]]) -> None:
        """Say how token vectors that are not in memory are read, by the hash of their text."""
        self._tokens.source = read

    def cosine(self, parts: NDArray[np.float32]) -> NDArray[np.float32]:
        """The cosine of every part with every tool, 0 for tools without a vector."""
        if not self._usable:
            return np.zeros((len(parts), len(self.definitions)), np.float32)
        return self._parts.tool_vectors.cosine(parts)

    def server_cosine(self, parts: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same with every server's text."""
        if not self._usable:
            return np.zeros((len(parts), len(self.servers)), np.float32)
        return self._parts.server_vectors.cosine(parts)

    def token_vectors(self, rows: Sequence[int]) -> list[NDArray[np.int8] | None]:
        """The token vectors of these tools; `None` for a tool that has none."""
        return self._tokens.get(text_hashes(self._parts.tools.digests[list(rows)]))

    def _present(self, vectors: TextVectors) -> NDArray[np.bool_]:
        return vectors.present if self._usable else np.zeros_like(vectors.present)

    def _start_over(self, encoder: str | None) -> None:
        parts = self._parts
        self._news += int(parts.tool_vectors.present.sum())
        self._tokens.clear()
        self._parts = replace(
            parts,
            tool_vectors=TextVectors(parts.tools.digests),
            server_vectors=TextVectors(parts.servers.digests),
            encoder=encoder,
        )

    def _compared(self, previous: "ToolIndex") -> tuple[Hashes, NDArray[np.int64]]:
        """The identity of each tool, and its number in the previous index if it is the same."""
        before = previous._parts.tools.identities
        unknown = len(previous.definitions)
        sources: NDArray[np.int64] = np.fromiter(
            map(previous.positions.get, map(attrgetter("name"), self.definitions), repeat(unknown)),
            np.int64,
            len(self.definitions),
        )
        # Nearly always it is the same object, which is known without a look at its schema.
        candidates = map((*previous.definitions, None).__getitem__, sources.tolist())
        same = np.fromiter(map(is_, self.definitions, candidates), np.bool_, len(self.definitions))
        identities = np.zeros(len(self.definitions), IDENTITY)
        identities[same] = before[sources[same]]
        others: list[int] = np.flatnonzero(~same).tolist()
        identities[others] = _hashes([tool_identity(self.definitions[row]) for row in others])
        sources[sources == unknown] = -1
        known = np.flatnonzero(~same & (sources >= 0))
        sources[known[identities[known] != before[sources[known]]]] = -1
        return identities, sources

    def _names_by_server(self) -> list[list[str]]:
        """The names of each server's tools, as the server calls them."""
        names: list[list[str]] = [[] for _ in self.servers]
        numbers: list[int] = self.server_of.tolist()
        for tool, server in zip(self.definitions, numbers, strict=True):
            if server >= 0:
                names[server].append(tool.original_name or tool.name)
        return names


def _nothing() -> IndexParts:
    return IndexParts(
        Corpus.empty(),
        Corpus.empty(),
        ToolNames(()),
        TextVectors(np.zeros(0, DIGEST)),
        TextVectors(np.zeros(0, DIGEST)),
        None,
        None,
    )


def _hashes(identities: Sequence[bytes]) -> Hashes:
    return np.array(identities, IDENTITY)
