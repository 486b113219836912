"""Token vectors: bounded in memory, read when they are not there."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from toolhone.selection.encoder import EncodedText
from toolhone.selection.token_vectors import TokenVectors

VECTOR = np.array([1, 0], np.float32)


def text(number: int) -> EncodedText:
    """A text of 100 bytes of token vectors."""
    return EncodedText(VECTOR, np.full((25, 4), number, np.int8))


class Reading:
    """A store that writes down what it is asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, hashes: Sequence[str]) -> Mapping[str, NDArray[np.int8]]:
        self.asked.append(list(hashes))
        return {text_hash: text(int(text_hash)).tokens for text_hash in hashes if text_hash != "9"}


def test_what_was_used_last_stays_in_memory_and_the_rest_is_read_again() -> None:
    tokens = TokenVectors(most_bytes=250)
    tokens.source = reading = Reading()
    tokens.keep({"1": text(1), "2": text(2)})

    tokens.get(["1"])
    tokens.keep({"3": text(3)})
    found = tokens.get(["3", "2", "1"])

    assert reading.asked == [["2"]]
    assert [int(rows[0, 0]) for rows in found if rows is not None] == [3, 2, 1]


def test_a_text_without_token_vectors_gives_none_and_is_asked_for_each_time() -> None:
    tokens = TokenVectors()
    assert tokens.get(["1"]) == [None]

    tokens.source = reading = Reading()
    tokens.keep({"9": EncodedText(VECTOR, np.zeros((0, 0), np.int8))})

    assert tokens.get(["9"]) == tokens.get(["9"]) == [None]
    assert reading.asked == [["9"], ["9"]]


def test_what_is_kept_again_counts_once() -> None:
    tokens = TokenVectors(most_bytes=250)
    for _ in range(5):
        tokens.keep({"1": text(1), "2": text(2)})

    assert all(rows is not None for rows in tokens.get(["1", "2"]))


def test_those_of_another_encoder_are_forgotten() -> None:
    tokens = TokenVectors()
    tokens.keep({"1": text(1)})

    tokens.clear()

    assert tokens.get(["1"]) == [None]
