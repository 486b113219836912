"""BM25 over the tools: which of them share rare words with the task.

The Lucene variant (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond",
2009; Lucene's BM25Similarity): idf = ln(1 + (N - df + 0.5) / (df + 0.5)), and no factor (k1 + 1) in the
numerator. All that does not depend on the query is computed once, so a query only adds up postings.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

K1 = 1.5
B = 0.75


class LexicalIndex:
    """Immutable; building it again from term counts costs milliseconds."""

    def __init__(self, documents: Sequence[Mapping[str, int]]) -> None:
        self.size = len(documents)
        self._vocabulary: dict[str, int] = {}
        term_ids: list[int] = []
        frequencies: list[int] = []
        for document in documents:
            for term, count in document.items():
                term_ids.append(self._vocabulary.setdefault(term, len(self._vocabulary)))
                frequencies.append(count)
        distinct = np.fromiter((len(document) for document in documents), np.int64, self.size)
        lengths = np.fromiter((sum(document.values()) for document in documents), np.float64, self.size)

        terms = np.array(term_ids, np.int64)
        owners = np.repeat(np.arange(self.size), distinct)
        order = np.argsort(terms, kind="stable")
        containing = np.bincount(terms, minlength=len(self._vocabulary))
        idf = np.log1p((self.size - containing + 0.5) / (containing + 0.5))
        length_norm = K1 * (1.0 - B + B * lengths / max(float(lengths.mean()) if self.size else 0.0, 1.0))
        frequency = np.array(frequencies, np.float64)
        weights = idf[terms] * frequency / (frequency + length_norm[owners])

        self._documents: NDArray[np.int32] = owners[order].astype(np.int32)
        self._weights: NDArray[np.float32] = weights[order].astype(np.float32)
        self._starts: list[int] = [0, *np.cumsum(containing).tolist()]

    def scores(self, query: Mapping[str, int]) -> NDArray[np.float32]:
        """One score a document, 0 where no term is shared."""
        totals = np.zeros(self.size, np.float32)
        for term, count in query.items():
            number = self._vocabulary.get(term)
            if number is None:
                continue
            postings = slice(self._starts[number], self._starts[number + 1])
            # A document stands once in a term's postings, so plain indexing loses no addition.
            totals[self._documents[postings]] += count * self._weights[postings]
        return totals

    def bound(self, query: Mapping[str, int]) -> float:
        """What no document can reach: every term of the query, also those that occur nowhere, saturated."""
        return sum(count * self._idf(term) for term, count in query.items())

    def _idf(self, term: str) -> float:
        number = self._vocabulary.get(term)
        containing = 0 if number is None else self._starts[number + 1] - self._starts[number]
        return math.log1p((self.size - containing + 0.5) / (containing + 0.5))
