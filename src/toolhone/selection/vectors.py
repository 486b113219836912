"""The vectors of texts: read from the store where it has them, computed and written to it where not."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from toolhone.exceptions import StorageError
from toolhone.selection.encoder import EncodedText, Encoder
from toolhone.stores import VectorStore

logger = logging.getLogger(__name__)

SAVED_TOGETHER = 64
"""Texts whose vectors are written in one transaction."""

TOKEN_BYTES = 16 * 1024 * 1024
"""Token vectors kept in memory: those of about 2,500 tools. Others are read from the store when needed."""

Tokens = NDArray[np.int8]


class TokenVectors:
    """Token vectors by text: those last used in memory, the others behind `source`. Any thread."""

    def __init__(self, *, most_bytes: int = TOKEN_BYTES) -> None:
        self.source: Callable[[Sequence[str]], Mapping[str, Tokens]] | None = None
        """Reads what is not in memory."""
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, Tokens] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def keep(self, encoded: Mapping[str, EncodedText]) -> None:
        """Take in the token vectors of these texts."""
        self._keep({text_hash: text.tokens for text_hash, text in encoded.items()})

    def get(self, text_hashes: Sequence[str]) -> list[Tokens | None]:
        """In order; `None` where there are none."""
        with self._lock:
            found = {text_hash: self._kept[text_hash] for text_hash in text_hashes if text_hash in self._kept}
            for text_hash in found:
                self._kept.move_to_end(text_hash)
        unknown = [text_hash for text_hash in text_hashes if text_hash not in found]
        if unknown and self.source is not None:
            read = dict(self.source(unknown))
            self._keep(read)
            found |= read
        return [found.get(text_hash) for text_hash in text_hashes]

    def clear(self) -> None:
        """Forget all of them: they were another encoder's."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def _keep(self, vectors: Mapping[str, Tokens]) -> None:
        with self._lock:
            for text_hash, tokens in vectors.items():
                if not tokens.size:
                    continue
                if (old := self._kept.pop(text_hash, None)) is not None:
                    self._bytes -= old.nbytes
                self._kept[text_hash] = tokens
                self._bytes += tokens.nbytes
            while self._bytes > self._most_bytes:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes


class VectorSource:
    """Blocking. A store that fails costs time, never an answer.

    `tokens` may be called from any thread, the rest from one at a time.
    """

    def __init__(self, encoder: Encoder, open_store: Callable[[], VectorStore] | None) -> None:
        self._encoder = encoder
        self._open_store = open_store
        self._store: VectorStore | None = None
        self._unsaved: dict[str, EncodedText] = {}

    def load(self, text_hashes: Sequence[str]) -> dict[str, EncodedText]:
        """Those of these texts whose vector the store has. Token vectors are left there, see `tokens`."""
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
                found = self._store.get(self._encoder.name, text_hashes)
        except StorageError as error:
            self._do_without(error)
        none = np.zeros((0, self._encoder.token_dimensions), np.int8)
        # A damaged row is computed again, not believed.
        return {
            text_hash: EncodedText(vector, none)
            for text_hash, raw in found.items()
            if (vector := _vector(raw, self._encoder.dimensions)) is not None
        }

    def tokens(self, text_hashes: Sequence[str]) -> dict[str, Tokens]:
        """The token vectors of these texts, as far as the store has them."""
        width = self._encoder.token_dimensions
        store = self._store
        if not width or store is None:
            return {}
        try:
            found = store.tokens(self._encoder.name, text_hashes)
        except StorageError as error:
            logger.warning("Token vectors could not be read, so tools are compared without them: %s", error)
            return {}
        return {
            text_hash: np.frombuffer(raw, np.int8).reshape(-1, width)
            for text_hash, raw in found.items()
            if raw and len(raw) % width == 0
        }

    def compute(self, texts: Mapping[str, str]) -> dict[str, EncodedText]:
        """Encode texts, given by their hash."""
        encoded = dict(zip(texts, self._encoder.encode_texts(list(texts.values())), strict=True))
        if self._store is not None:
            self._unsaved |= encoded
            if len(self._unsaved) >= SAVED_TOGETHER:
                self.flush()
        return encoded

    def flush(self) -> None:
        """Write what was computed since the last time."""
        unsaved, self._unsaved = self._unsaved, {}
        if not unsaved or self._store is None:
            return
        try:
            self._store.put(
                self._encoder.name,
                {text_hash: text.vector.astype("<f4").tobytes() for text_hash, text in unsaved.items()},
                {text_hash: text.tokens.tobytes() for text_hash, text in unsaved.items() if text.tokens.size},
            )
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


def _vector(raw: bytes, dimensions: int) -> NDArray[np.float32] | None:
    if len(raw) != 4 * dimensions:
        return None
    vector = np.frombuffer(raw, "<f4").astype(np.float32)
    return vector if np.isfinite(vector).all() else None
