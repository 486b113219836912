"""BM25 by its formula and at its edges."""

from collections import Counter
from math import log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.selection.lexical import K1, B, LexicalIndex

WORDS = st.lists(st.sampled_from("abcdefgh"), max_size=12).map(Counter)


def bm25(query: Counter[str], documents: list[Counter[str]], number: int) -> float:
    """The formula as written, the slow way."""
    mean = sum(sum(document.values()) for document in documents) / len(documents)
    total = 0.0
    for term, times in query.items():
        containing = sum(term in document for document in documents)
        idf = log(1 + (len(documents) - containing + 0.5) / (containing + 0.5))
        frequency = documents[number][term]
        length = sum(documents[number].values())
        if frequency:
            total += times * idf * frequency / (frequency + K1 * (1 - B + B * length / mean))
    return total


@settings(deadline=None)
@given(WORDS, st.lists(WORDS.filter(bool), min_size=1, max_size=8))
def test_scores_are_those_of_the_formula(query: Counter[str], documents: list[Counter[str]]) -> None:
    scores = LexicalIndex(documents).scores(query)

    assert scores.tolist() == pytest.approx(
        [bm25(query, documents, number) for number in range(len(documents))], rel=1e-4, abs=1e-6
    )


def test_no_documents_and_empty_documents_score_nothing() -> None:
    assert LexicalIndex([]).scores({"a": 1}).tolist() == []
    assert LexicalIndex([{}, {}]).scores({"a": 1}).tolist() == [0, 0]
    assert LexicalIndex([{"a": 1}]).scores({}).tolist() == [0]
