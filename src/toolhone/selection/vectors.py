"""The vectors of tools: read from the store where it has them, computed and written to it where not."""

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from toolhone.exceptions import StorageError
from toolhone.selection.embedder import Embedder
from toolhone.stores import VectorStore

logger = logging.getLogger(__name__)

SAVED_TOGETHER = 64
"""Vectors written in one transaction."""


class VectorSource:
    """Blocking; one thread at a time. A store that fails costs time, never an answer."""

    def __init__(self, embedder: Embedder, open_store: Callable[[], VectorStore] | None) -> None:
        self._embedder = embedder
        self._open_store = open_store
        self._store: VectorStore | None = None
        self._unsaved: dict[str, bytes] = {}

    def load(self, text_hashes: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Those of these texts that the store has."""
        if self._open_store is not None:
            open_store, self._open_store = self._open_store, None
            try:
                self._store = open_store()
            except StorageError as error:
                self._do_without(error)
        self.flush()
        found: dict[str, bytes] = {}
        try:
            if self._store is not None:
                found = self._store.get(self._embedder.name, text_hashes)
        except StorageError as error:
            self._do_without(error)
        vectors = {
            text_hash: np.frombuffer(raw, "<f4") for text_hash, raw in found.items() if len(raw) % 4 == 0
        }
        # A damaged row is computed again, not believed.
        return {
            text_hash: vector.astype(np.float32)
            for text_hash, vector in vectors.items()
            if len(vector) == self._embedder.dimensions and np.isfinite(vector).all()
        }

    def compute(self, texts: Mapping[str, str]) -> dict[str, NDArray[np.float32]]:
        """Embed texts, given by their hash."""
        vectors = dict(zip(texts, self._embedder.embed(list(texts.values())), strict=True))
        if self._store is not None:
            self._unsaved |= {
                text_hash: vector.astype("<f4").tobytes() for text_hash, vector in vectors.items()
            }
            if len(self._unsaved) >= SAVED_TOGETHER:
                self.flush()
        return vectors

    def flush(self) -> None:
        """Write what was computed since the last time."""
        unsaved, self._unsaved = self._unsaved, {}
        if not unsaved or self._store is None:
            return
        try:
            self._store.put(self._embedder.name, unsaved)
        except StorageError as error:
            self._do_without(error)

    def close(self) -> None:
        self.flush()
        if self._store is not None:
            self._store.close()
            self._store = None

    def _do_without(self, error: StorageError) -> None:
        logger.warning("Vectors are not kept from now on, so the next start computes them again: %s", error)
        if self._store is not None:
            self._store.close()
            self._store = None
