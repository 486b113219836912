"""Vectors come from the store where it has them, and a broken store costs only time."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest

from toolhone.exceptions import StorageError
from toolhone.selection.vectors import SAVED_TOGETHER, VectorSource
from toolhone.storage.memory import MemoryVectorStore

if TYPE_CHECKING:
    from selection.conftest import CountingEncoder

TEXTS = {f"sha256:{number}": f"text {number}" for number in range(SAVED_TOGETHER + 3)}


def test_what_was_computed_is_read_back_bit_for_bit(encoder: "CountingEncoder") -> None:
    store = MemoryVectorStore()
    source = VectorSource(encoder, lambda: store)
    assert source.load(list(TEXTS)) == {}
    computed = source.compute(TEXTS)
    source.close()

    read = VectorSource(encoder, lambda: store).load([*TEXTS, "sha256:other"])

    assert read.keys() == TEXTS.keys()
    assert all((read[text_hash].vector == computed[text_hash].vector).all() for text_hash in TEXTS)


def test_another_model_does_not_get_these_vectors(encoder: "CountingEncoder") -> None:
    store = MemoryVectorStore()
    source = VectorSource(encoder, lambda: store)
    source.load([])
    source.compute(TEXTS)
    source.close()
    encoder.name = "other"

    assert VectorSource(encoder, lambda: store).load(list(TEXTS)) == {}


@pytest.mark.parametrize("raw", [b"", b"abc", b"\0" * 8, np.full(64, np.nan, "<f4").tobytes()])
def test_a_damaged_row_is_not_believed(raw: bytes, encoder: "CountingEncoder") -> None:
    store = MemoryVectorStore()
    store.put(encoder.name, {"sha256:0": raw}, {})

    assert VectorSource(encoder, lambda: store).load(["sha256:0"]) == {}


class BrokenStore:
    """Opens, then fails at everything."""

    def __init__(self) -> None:
        self.closed = False

    def get(self, model: str, text_hashes: Sequence[str]) -> dict[str, bytes]:
        raise StorageError("The disk is gone.")

    def tokens(self, model: str, text_hashes: Sequence[str]) -> dict[str, bytes]:
        raise StorageError("The disk is gone.")

    def keep(self, model: str, text_hashes: Sequence[str], token_bytes: int) -> set[str]:
        raise StorageError("The disk is gone.")

    def put(self, model: str, vectors: Mapping[str, bytes], tokens: Mapping[str, bytes]) -> None:
        raise StorageError("The disk is gone.")

    def close(self) -> None:
        self.closed = True


def test_a_store_that_fails_is_closed_and_done_without(encoder: "CountingEncoder") -> None:
    store = BrokenStore()
    source = VectorSource(encoder, lambda: store)

    assert source.load(list(TEXTS)) == {}
    assert source.compute(TEXTS).keys() == TEXTS.keys()
    source.close()
    assert store.closed


def test_a_store_that_cannot_be_opened_is_done_without(encoder: "CountingEncoder") -> None:
    def refuse() -> MemoryVectorStore:
        raise StorageError("No such folder.")

    source = VectorSource(encoder, refuse)

    assert source.load(list(TEXTS)) == {}
    assert source.compute(TEXTS).keys() == TEXTS.keys()
