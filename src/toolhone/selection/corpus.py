"""The texts of a catalog, of its tools or of its servers, as arrays: identities, hashes and postings.

To read a tool, its text and its terms, is the slow part of an index. So each document has an identity, a hash
over all that its text can depend on, which takes a twentieth of that; what was read of a document with the
same identity, in this process or by the one that wrote the index file, is taken over.
"""

import hashlib
import marshal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolhone.models import Json, ToolDefinition, canonical_json
from toolhone.selection.blocks import Blocks, block, joined, of_part
from toolhone.selection.lexical import LexicalIndex
from toolhone.selection.text import TOOL_CHARACTERS, embedded_text, split_name, term_counts, well_formed

IDENTITY = np.dtype("S16")
DIGEST = np.dtype("S32")

Hashes = NDArray[np.bytes_]


def tool_identity(tool: ToolDefinition) -> bytes:
    """What tells whether a tool must be read again: a hash over everything that `tool_text` may read."""
    return _identity((tool.name, tool.original_name, tool.server, tool.description, tool.input_schema))


def server_identity(server: str, names: Sequence[str]) -> bytes:
    """The same for `server_text`."""
    return _identity((server, tuple(names)))


def server_text(server: str, names: Sequence[str]) -> str:
    """What is indexed for a server: its name and the names of its tools, as words."""
    tools = ", ".join(" ".join(split_name(name)) for name in names)
    return well_formed(f"{' '.join(split_name(server))}: {tools}"[:TOOL_CHARACTERS])


@dataclass(frozen=True, slots=True)
class Corpus:
    """Immutable; documents keep the order they were given in."""

    identities: Hashes
    digests: Hashes
    """SHA-256 of what is encoded of each text."""
    lexical: LexicalIndex

    @staticmethod
    def empty() -> "Corpus":
        return Corpus(np.zeros(0, IDENTITY), np.zeros(0, DIGEST), LexicalIndex())

    def __len__(self) -> int:
        return len(self.identities)

    def find(self, identities: Hashes) -> NDArray[np.int64]:
        """The number of each of these documents here, -1 for those that are not.

        Of documents that changed their order some are not found, so that those that are keep it.
        """
        if np.array_equal(identities, self.identities):
            return np.arange(len(self), dtype=np.int64)
        sources = np.full(len(identities), -1, np.int64)
        if len(self):
            order = np.argsort(self.identities, kind="stable")
            place = np.minimum(np.searchsorted(self.identities[order], identities), len(self) - 1)
            found = self.identities[order][place] == identities
            sources[found] = order[place][found]
        return _rising(sources)

    def updated(self, identities: Hashes, sources: NDArray[np.int64], read: Callable[[int], str]) -> "Corpus":
        """The corpus of a changed catalog.

        Args:
            identities: Of all its documents, none twice.
            sources: What `find` gave for them.
            read: The text of a document that is new, by its new number.
        """
        if len(sources) == len(self) and (sources == np.arange(len(self))).all():
            return self
        digests = np.zeros(len(sources), DIGEST)
        digests[sources >= 0] = self.digests[sources[sources >= 0]]

        def counted() -> Iterator[Mapping[str, int]]:
            fresh: list[int] = np.flatnonzero(sources < 0).tolist()
            for number in fresh:
                text = read(number)
                digests[number] = _digest(embedded_text(text))
                yield term_counts(text)

        lexical = self.lexical.updated(sources, counted())
        return Corpus(identities, digests, lexical)

    def to_blocks(self) -> Blocks:
        own: Blocks = {"identities": block(self.identities), "digests": block(self.digests)}
        return own | joined({"lexical": self.lexical.to_blocks()})

    @staticmethod
    def from_blocks(blocks: Mapping[str, memoryview]) -> "Corpus":
        """Read what `to_blocks` wrote.

        Raises:
            ValueError: It does not fit together.
        """
        identities = np.frombuffer(blocks["identities"], IDENTITY)
        digests = np.frombuffer(blocks["digests"], DIGEST)
        lexical = LexicalIndex.from_blocks(of_part("lexical", blocks))
        if not len(identities) == len(digests) == lexical.size:
            raise ValueError("The texts do not fit their postings.")
        return Corpus(identities, digests, lexical)


class Lookup:
    """Finds the documents of a text by its digest. For a hundred thousand it takes 1.6 MB."""

    def __init__(self, digests: Hashes) -> None:
        self._digests = digests
        heads = _heads(digests)
        self._order = np.argsort(heads, kind="stable")
        self._heads = heads[self._order]

    def rows(self, digests: Hashes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All pairs of one of these digests and a document with that text, as two arrays of numbers."""
        heads = _heads(digests)
        first = np.searchsorted(self._heads, heads)
        count = np.searchsorted(self._heads, heads, side="right") - first
        asked = np.repeat(np.arange(len(digests)), count)
        steps = np.arange(len(asked)) - np.repeat(np.cumsum(count) - count, count)
        rows = self._order[np.repeat(first, count) + steps]
        same = self._digests[rows] == digests[asked]
        return asked[same], rows[same]


def text_hashes(digests: Hashes) -> list[str]:
    """The keys under which the vectors of these texts are stored."""
    listed: list[bytes] = digests.tolist()
    # NumPy drops zero bytes at the end.
    return ["sha256:" + digest.ljust(DIGEST.itemsize, b"\0").hex() for digest in listed]


def digests_of(keys: Sequence[str]) -> Hashes:
    """The digests of such keys."""
    return np.array([bytes.fromhex(key.removeprefix("sha256:")) for key in keys], DIGEST)


def _identity(value: Json) -> bytes:
    # Only ever hashed, never read. A third of the time of JSON; version 2 spells equal values equally.
    try:
        spelled = marshal.dumps(value, 2)
    except ValueError:  # a subclass of `str`, say, which JSON takes
        spelled = canonical_json(value).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(spelled, digest_size=IDENTITY.itemsize).digest()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _heads(digests: Hashes) -> NDArray[np.uint64]:
    return np.ascontiguousarray(digests).view(">u8").reshape(-1, 4)[:, 0].astype(np.uint64)


def _rising(sources: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same with -1 for those that stand behind a greater one."""
    highest = np.maximum.accumulate(np.concatenate([[-1], sources[:-1]])) if len(sources) else sources
    return np.where(sources > highest, sources, -1)
