"""BM25 over the tools: which of them share rare words with the task.

The Lucene variant (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond",
2009; Lucene's BM25Similarity): idf = ln(1 + (N - df + 0.5) / (df + 0.5)), and no factor (k1 + 1) in the
numerator. What a term adds to a document, but for its idf, is computed once, so a query only adds up
postings.

Postings are kept term by term, within a term in the order of the documents. A changed catalog keeps those of
the documents that stay, in one pass over the arrays, and merges the new ones in: document frequencies and
lengths are always those of the whole catalog, and the scores those of an index that is built anew.
"""

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from toolhone.selection.blocks import Blocks, block

K1 = 1.5
B = 0.75


class LexicalIndex:
    """Immutable."""

    def __init__(self, documents: Sequence[Mapping[str, int]] = ()) -> None:
        self.size = 0
        self._vocabulary: dict[str, int] = {}
        self._starts: NDArray[np.int64] = np.zeros(1, np.int64)
        """Where the postings of each term begin, and behind the last one the end of all."""
        self._documents: NDArray[np.int32] = np.zeros(0, np.int32)
        self._frequencies: NDArray[np.uint16] = np.zeros(0, np.uint16)
        self._lengths: NDArray[np.int32] = np.zeros(0, np.int32)
        self._weights: NDArray[np.float32] = np.zeros(0, np.float32)
        """What each posting adds to its document's score, but for the term's idf."""
        if documents:
            self._merge(LexicalIndex(), np.full(len(documents), -1, np.int64), documents)

    def updated(self, sources: NDArray[np.int64], documents: Iterable[Mapping[str, int]]) -> "LexicalIndex":
        """The index of a changed catalog.

        Args:
            sources: For each document of the new catalog the number it has here, -1 if it is new. Documents
                that stay keep their order.
            documents: The term counts of the new ones, in order; each is read once and let go.
        """
        new = LexicalIndex()
        new._merge(self, sources, documents)
        return new

    def scores(self, query: Mapping[str, int]) -> NDArray[np.float32]:
        """One score a document, 0 where no term is shared."""
        totals = np.zeros(self.size, np.float32)
        for term, count in query.items():
            number = self._vocabulary.get(term)
            if number is not None:
                postings = slice(int(self._starts[number]), int(self._starts[number + 1]))
                factor = np.float32(count * self._idf(postings.stop - postings.start))
                np.add.at(totals, self._documents[postings], factor * self._weights[postings])
        return totals

    def bound(self, query: Mapping[str, int]) -> float:
        """What no document can reach: every term of the query, also those that occur nowhere, saturated."""
        return sum(count * self._idf(self._containing(term)) for term, count in query.items())

    def to_blocks(self) -> Blocks:
        """All that cannot be computed again in a moment, as it is stored."""
        return {
            "vocabulary": [memoryview("\n".join(self._vocabulary).encode())],
            "starts": block(self._starts.astype("<i8")),
            "documents": block(self._documents.astype("<i4")),
            "frequencies": block(self._frequencies.astype("<u2")),
            "lengths": block(self._lengths.astype("<i4")),
        }

    @classmethod
    def from_blocks(cls, blocks: Mapping[str, memoryview]) -> Self:
        """Read what `to_blocks` wrote. The arrays stay where they are.

        Raises:
            ValueError: They do not fit together.
        """
        index = cls()
        terms = str(blocks["vocabulary"], "utf-8")
        index._vocabulary = {term: number for number, term in enumerate(terms.split("\n") if terms else ())}
        index._starts = np.frombuffer(blocks["starts"], "<i8")
        index._documents = np.frombuffer(blocks["documents"], "<i4")
        index._frequencies = np.frombuffer(blocks["frequencies"], "<u2")
        index._lengths = np.frombuffer(blocks["lengths"], "<i4")
        index.size = len(index._lengths)
        postings = len(index._documents)
        if (
            len(index._starts) != len(index._vocabulary) + 1
            or index._starts[0] != 0
            or index._starts[-1] != postings
            or (np.diff(index._starts) < 0).any()
            or len(index._frequencies) != postings
            or (postings and not 0 <= index._documents.min() <= index._documents.max() < index.size)
        ):
            raise ValueError("The postings do not fit their terms and documents.")
        index._weigh()
        return index

    def _containing(self, term: str) -> int:
        number = self._vocabulary.get(term)
        return 0 if number is None else int(self._starts[number + 1] - self._starts[number])

    def _idf(self, containing: int) -> float:
        return math.log1p((self.size - containing + 0.5) / (containing + 0.5))

    def _merge(
        self, old: "LexicalIndex", sources: NDArray[np.int64], documents: Iterable[Mapping[str, int]]
    ) -> None:
        self.size = len(sources)
        self._vocabulary = dict(old._vocabulary)
        fresh = np.flatnonzero(sources < 0)
        terms, frequencies, distinct, lengths = self._read(documents)
        self._lengths = np.zeros(self.size, np.int32)
        self._lengths[sources >= 0] = old._lengths[sources[sources >= 0]]
        self._lengths[fresh] = lengths
        owners = np.repeat(fresh, distinct).astype(np.int32)
        order = np.argsort(terms, kind="stable")
        terms, owners, frequencies = terms[order], owners[order], frequencies[order]

        place = np.full(old.size, -1, np.int32)
        place[sources[sources >= 0]] = np.flatnonzero(sources >= 0)
        documents_kept = place[old._documents]
        stays = documents_kept >= 0
        # Where the postings of each old term begin among those that stay.
        begins = old._starts - np.searchsorted(np.flatnonzero(~stays), old._starts)
        documents_kept, frequencies_kept = documents_kept[stays], old._frequencies[stays]
        containing = np.bincount(terms, minlength=len(self._vocabulary))
        containing[: len(begins) - 1] += np.diff(begins)
        self._starts = np.concatenate([[0], np.cumsum(containing)]).astype(np.int64)
        if len(terms):
            where = _places(documents_kept, begins, terms, owners)
            documents_kept = np.insert(documents_kept, where, owners)
            frequencies_kept = np.insert(frequencies_kept, where, frequencies)
        self._documents, self._frequencies = documents_kept, frequencies_kept
        if 4 * int((containing == 0).sum()) > len(containing):
            self._forget_unused(containing > 0)
        self._weigh()

    def _forget_unused(self, used: NDArray[np.bool_]) -> None:
        """Drop the terms that no document has any more; they have no postings that would move."""
        terms = [term for term, kept in zip(self._vocabulary, used.tolist(), strict=True) if kept]
        self._vocabulary = {term: number for number, term in enumerate(terms)}
        self._starts = self._starts[np.append(used, True)]

    def _read(
        self, documents: Iterable[Mapping[str, int]]
    ) -> tuple[NDArray[np.int32], NDArray[np.uint16], NDArray[np.int64], NDArray[np.int32]]:
        """Term numbers and frequencies of all documents in a row, and for each its terms and its length.

        Machine numbers, because the counts of 100,000 tools as Python objects take 700 MB.
        """
        vocabulary = self._vocabulary
        terms, frequencies, distinct, lengths = array("i"), array("i"), array("q"), array("i")
        for document in documents:
            terms.extend(vocabulary.setdefault(term, len(vocabulary)) for term in document)
            frequencies.extend(document.values())
            distinct.append(len(document))
            lengths.append(sum(document.values()))
        return (
            np.array(terms, np.int32),
            np.minimum(np.array(frequencies, np.int32), np.iinfo(np.uint16).max).astype(np.uint16),
            np.array(distinct, np.int64),
            np.array(lengths, np.int32),
        )

    def _weigh(self) -> None:
        mean = max(float(self._lengths.mean()) if self.size else 0.0, 1.0)
        length_norm = (K1 * (1.0 - B + B * self._lengths / mean)).astype(np.float32)
        frequencies = self._frequencies.astype(np.float32)
        self._weights = (frequencies / (frequencies + length_norm[self._documents])).astype(np.float32)


def _places(
    documents: NDArray[np.int32],
    begins: NDArray[np.int64],
    terms: NDArray[np.int32],
    owners: NDArray[np.int32],
) -> NDArray[np.int64]:
    """Where new postings belong among the old ones: a binary search for all of them at once.

    Args:
        documents: Of the old postings, term by term.
        begins: Where those of each term begin, and the end; terms beyond have none.
        terms: Of the new postings.
        owners: Their documents.
    """
    low = begins[np.minimum(terms, len(begins) - 1)]
    high = begins[np.minimum(terms + 1, len(begins) - 1)]
    while (searching := low < high).any():
        middle = (low + high) // 2
        behind = searching & (documents[np.minimum(middle, len(documents) - 1)] < owners)
        low = np.where(behind, middle + 1, low)
        high = np.where(searching & ~behind, middle, high)
    return low
