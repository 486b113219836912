"""BM25 by its formula, through every change of the documents, and at its edges."""

from collections import Counter
from math import log
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.selection.lexical import K1, B, LexicalIndex

if TYPE_CHECKING:
    from selection.conftest import Stored

WORDS = st.lists(st.sampled_from("abcdefgh"), max_size=12).map(Counter)
CATALOGS = st.dictionaries(st.integers(0, 9), WORDS, max_size=8)
"""Documents by the name that puts them in order."""


def bm25(query: Counter[str], documents: list[Counter[str]], number: int) -> float:
    """The formula as written, the slow way."""
    mean = max(sum(sum(document.values()) for document in documents) / len(documents), 1)
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
        [bm25(query, documents, number) for number in range(len(documents))], rel=1e-5, abs=1e-6
    )


@settings(deadline=None)
@given(WORDS, st.lists(CATALOGS, min_size=1, max_size=5))
def test_scores_after_changes_are_those_of_an_index_built_anew(
    query: Counter[str], catalogs: list[dict[int, Counter[str]]]
) -> None:
    index, known = LexicalIndex(), dict[int, Counter[str]]()
    for catalog in catalogs:
        names = sorted(catalog)
        numbers = {name: number for number, name in enumerate(sorted(known))}
        sources = [numbers[name] if known.get(name) == catalog[name] else -1 for name in names]
        fresh = [catalog[name] for name, source in zip(names, sources, strict=True) if source < 0]
        index, known = index.updated(np.array(sources, np.int64), fresh), catalog

        documents = [catalog[name] for name in names]
        assert index.scores(query).tolist() == LexicalIndex(documents).scores(query).tolist()
        assert index.scores(query).tolist() == pytest.approx(
            [bm25(query, documents, number) for number in range(len(documents))], rel=1e-5, abs=1e-6
        )


@settings(deadline=None)
@given(WORDS, st.lists(WORDS, max_size=8))
def test_what_is_stored_scores_the_same(
    stored: "Stored", query: Counter[str], documents: list[Counter[str]]
) -> None:
    index = LexicalIndex(documents)

    read = LexicalIndex.from_blocks(stored(index.to_blocks()))

    assert read.scores(query).tolist() == index.scores(query).tolist()
    assert read.bound(query) == index.bound(query)


@pytest.mark.parametrize("block", ["vocabulary", "starts", "documents", "frequencies", "lengths"])
def test_stored_parts_that_do_not_fit_are_refused(stored: "Stored", block: str) -> None:
    blocks = stored(LexicalIndex([{"a": 1, "b": 2}, {"b": 1}]).to_blocks())
    other = stored(LexicalIndex([{"c": 1}]).to_blocks())

    with pytest.raises(ValueError, match="do not fit"):
        LexicalIndex.from_blocks({**blocks, block: other[block]})


def test_words_that_are_gone_are_forgotten(stored: "Stored") -> None:
    index = LexicalIndex([{f"old{number}": 1} for number in range(20)])

    after = index.updated(np.array([19, -1]), [{"new": 1}])

    assert bytes(stored(after.to_blocks())["vocabulary"]) == b"old19\nnew"
    assert after.scores({"old19": 1}).tolist()[0] > 0


def test_a_word_said_a_hundred_thousand_times_is_counted_as_often_as_it_fits() -> None:
    scores = LexicalIndex([{"spam": 100_000}, {"spam": 1, "egg": 1}]).scores({"spam": 1})

    assert scores[0] > scores[1] > 0


def test_no_documents_and_empty_documents_score_nothing() -> None:
    assert LexicalIndex([]).scores({"a": 1}).tolist() == []
    assert LexicalIndex([{}, {}]).scores({"a": 1}).tolist() == [0, 0]
    assert LexicalIndex([{"a": 1}]).scores({}).tolist() == [0]
