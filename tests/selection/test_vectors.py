"""Vectors come from the store where it has them, and a broken store costs only time."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from toolhone.exceptions import StorageError
from toolhone.models import ToolDefinition
from toolhone.selection.corpus import text_hashes
from toolhone.selection.index import ToolIndex
from toolhone.selection.stored import build_index, save_index
from toolhone.selection.vectors import SAVED_TOGETHER, VectorSource
from toolhone.storage.indexes import IndexFiles
from toolhone.storage.memory import MemoryVectorStore
from toolhone.storage.vectors import SqliteVectorStore

if TYPE_CHECKING:
    from selection.conftest import CountingEncoder

DAY = 86_400.0
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


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"abc",
        b"\0" * 8,
        np.full(64, np.nan, "<f4").tobytes(),
        np.full(64, np.inf, "<f4").tobytes(),
        np.full(64, 3.0, "<f4").tobytes(),
        np.zeros(64, "<f4").tobytes(),
        np.full(65, 0.125, "<f4").tobytes(),
    ],
)
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

    def keep(self, model: str, text_hashes: Sequence[str]) -> set[str]:
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


def encode_all(index: ToolIndex, source: VectorSource) -> int:
    """Compute what is missing; returns how many texts that were."""
    missing = index.missing()
    index.add(source.compute(missing))
    source.flush()
    return len(missing)


def test_an_index_gets_all_that_the_store_has_and_token_vectors_when_it_needs_them(
    encoder: "CountingEncoder", office: list[ToolDefinition]
) -> None:
    store = MemoryVectorStore()
    first, source = ToolIndex(office), VectorSource(encoder, lambda: store)
    source.restore(first)
    assert encode_all(first, source) == 14

    again = ToolIndex(office)
    VectorSource(encoder, lambda: store).restore(again)

    assert again.missing() == {}
    for one, other in zip(first.token_vectors([0, 3]), again.token_vectors([0, 3]), strict=True):
        assert one is not None and other is not None
        assert one.tolist() == other.tolist()


def filled(encoder: "CountingEncoder", office: list[ToolDefinition]) -> tuple[MemoryVectorStore, str]:
    """A store with all vectors of the office, and the hash of one of its texts."""
    store = MemoryVectorStore()
    index, source = ToolIndex(office), VectorSource(encoder, lambda: store)
    source.restore(index)
    encode_all(index, source)
    return store, text_hashes(index.parts.tools.digests[[3]])[0]


def test_texts_whose_token_vectors_are_lost_are_encoded_again(
    encoder: "CountingEncoder", office: list[ToolDefinition]
) -> None:
    store, lost = filled(encoder, office)
    store.put(encoder.name, {}, {lost: b""})
    index, source = ToolIndex(office), VectorSource(encoder, lambda: store)
    source.restore(index)
    assert index.missing() == {}

    source.check(index)

    assert index.embedded.all()
    assert list(index.missing()) == [lost]
    assert encode_all(index, source) == 1
    assert index.missing() == {}
    assert store.keep(encoder.name, [lost]) == {lost}


def test_token_vectors_that_are_damaged_are_removed_and_made_again_at_the_next_start(
    encoder: "CountingEncoder", office: list[ToolDefinition]
) -> None:
    store, damaged = filled(encoder, office)
    store.put(encoder.name, {}, {damaged: b"abc"})
    index, source = ToolIndex(office), VectorSource(encoder, lambda: store)
    source.restore(index)

    assert index.token_vectors([3]) == [None]

    index, source = ToolIndex(office), VectorSource(encoder, lambda: store)
    source.restore(index)
    source.check(index)
    assert list(index.missing()) == [damaged]


def test_an_encoder_without_token_vectors_misses_none(
    new_encoder: "type[CountingEncoder]", office: list[ToolDefinition]
) -> None:
    store, encoder = MemoryVectorStore(), new_encoder(token_dimensions=0)
    for expected in (14, 0):
        index, source = ToolIndex(office), VectorSource(encoder, lambda: store)
        source.restore(index)
        source.check(index)
        assert encode_all(index, source) == expected
        assert index.token_vectors([0]) == [None]


def test_vectors_of_another_encoder_in_the_index_go(
    encoder: "CountingEncoder", office: list[ToolDefinition]
) -> None:
    index = ToolIndex(office)
    source = VectorSource(encoder, None)
    source.restore(index)
    encode_all(index, source)

    encoder.name = "other"
    VectorSource(encoder, None).restore(index)

    assert not index.embedded.any()
    assert index.token_vectors([0]) == [None]


def test_vectors_that_a_stored_index_brings_count_as_used(
    encoder: "CountingEncoder",
    office: list[ToolDefinition],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("toolhone.selection.stored.STORED_FROM", 1)
    today = [20_000.0 * DAY]
    source = VectorSource(encoder, lambda: SqliteVectorStore(tmp_path, clock=lambda: today[0]))
    index = ToolIndex(office)
    source.restore(index)
    encode_all(index, source)
    source.close()
    save_index(index, IndexFiles(tmp_path))

    today[0] += 60 * DAY
    source = VectorSource(encoder, lambda: SqliteVectorStore(tmp_path, clock=lambda: today[0]))
    index = build_index(office, None, IndexFiles(tmp_path))
    source.restore(index)
    source.check(index)
    source.close()
    today[0] += 60 * DAY
    store = SqliteVectorStore(tmp_path, clock=lambda: today[0])
    store.put(encoder.name, {"sha256:other": b"1234"}, {})

    assert len(store.get(encoder.name, index.hashes(embedded=True))) == 14
    store.close()
