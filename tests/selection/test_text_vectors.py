"""Which text has which vector, while texts come and go."""

import numpy as np
from numpy.typing import NDArray

from toolhone.selection.corpus import DIGEST, Hashes
from toolhone.selection.text_vectors import WASTE, TextVectors

AXES = np.eye(2, dtype=np.float32)
ROOT = np.float32(0.5**0.5)


def digests(*texts: str) -> Hashes:
    return np.array([text.encode().ljust(32, b".") for text in texts], DIGEST)


def vectors(count: int) -> NDArray[np.float32]:
    angles = np.arange(count, dtype=np.float32)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_texts_that_are_alike_share_a_vector_and_others_have_none() -> None:
    texts = TextVectors(digests("a", "b", "a"))
    assert not texts.cosine(AXES).any()

    assert texts.add(digests("a", "z"), np.array([[ROOT, ROOT], [1, 0]], np.float32)) == 2

    assert texts.present.tolist() == [True, False, True]
    assert texts.cosine(AXES).tolist() == [[ROOT, 0, ROOT], [ROOT, 0, ROOT]]
    assert texts.wanted().tolist() == [1]


def test_a_text_keeps_its_first_vector() -> None:
    texts = TextVectors(digests("a"))
    texts.add(digests("a"), AXES[:1])

    assert texts.add(digests("a"), AXES[1:]) == 0
    assert texts.cosine(AXES).tolist() == [[1], [0]]


def test_a_text_that_moves_to_another_document_keeps_its_vector() -> None:
    texts = TextVectors(digests("a", "b"))
    texts.add(digests("a", "b"), AXES)

    moved = texts.moved(digests("c", "b", "a"), np.array([-1, 1, -1]))

    assert moved.present.tolist() == [False, True, True]
    assert moved.cosine(AXES).tolist() == [[0, 0, 1], [0, 1, 0]]
    assert texts.cosine(AXES).tolist() == [[1, 0], [0, 1]]


def test_a_text_that_is_to_be_encoded_again_is_wanted_until_it_is() -> None:
    texts = TextVectors(digests("a", "b"))
    texts.add(digests("a", "b"), AXES)

    texts.lack(digests("b", "z"))
    assert texts.wanted().tolist() == [1]
    assert texts.moved(digests("b"), np.array([1])).wanted().tolist() == [0]

    texts.add(digests("b"), AXES[:1])
    assert texts.wanted().tolist() == []
    assert texts.present.all()


def test_rows_of_texts_that_are_gone_are_given_back_once_they_are_many() -> None:
    names = [chr(1000 + number) for number in range(2 * WASTE + 2)]
    texts = TextVectors(digests(*names))
    texts.add(digests(*names), vectors(len(names)))

    few = texts.moved(digests(names[5], names[700]), np.array([5, 700]))

    assert np.allclose(few.cosine(AXES), vectors(len(names))[[5, 700]].T)
    assert few.matrix_rows == 2
    assert texts.matrix_rows == len(names)
