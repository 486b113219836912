"""The vectors of texts: read from the store where it has them, computed and written to it where not."""

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from toolhone.exceptions import NotRunningError, StorageError
from toolhone.selection.encoder import EncodedText, Encoder
from toolhone.selection.index import ToolIndex
from toolhone.selection.matrix import believable
from toolhone.selection.token_vectors import Tokens
from toolhone.stores import VectorStore

logger = logging.getLogger(__name__)

SAVED_TOGETHER = 64
"""Texts whose vectors are written in one transaction."""

READ_TOGETHER = 4096
"""Texts whose vectors are read in one statement."""


class VectorSource:
    """Blocking. A store that fails costs time, never an answer.

    `tokens` may be called from any thread, the rest from one at a time.
    """

    def __init__(self, encoder: Encoder, open_store: Callable[[], VectorStore] | None) -> None:
        self._encoder = encoder
        self._open_store = open_store
        self._store: VectorStore | None = None
        self._unsaved: dict[str, EncodedText] = {}
        self._checked: str | None = None
        """The index file whose texts were checked; empty for none."""

    def restore(self, index: ToolIndex) -> None:
        """Give the index all vectors that the store has for it, and a way to token vectors."""
        self._open()
        index.use_encoder(self._encoder.name, self._encoder.dimensions)
        index.read_tokens_by(self.tokens)
        wanted = index.hashes(embedded=False)
        for start in range(0, len(wanted), READ_TOGETHER):
            index.add(self.load(wanted[start : start + READ_TOGETHER]))

    def check(self, index: ToolIndex) -> None:
        """Let the index want those texts again whose token vectors the store has lost.

        Tells the store besides which texts are in use, as a stored index brings their vectors along without
        asking it. Takes a while for a large catalog, and is done once for each index file.
        """
        file = index.parts.stored_as or ""
        if file == self._checked:
            return
        self._checked = file
        self.flush()
        known = index.hashes(embedded=True)
        for start in range(0, len(known), READ_TOGETHER):
            some = known[start : start + READ_TOGETHER]
            try:
                if self._store is None:
                    return
                kept = self._store.keep(self._encoder.name, some)
            except StorageError as error:
                self._do_without(error)
                return
            if self._encoder.token_dimensions:
                index.lack([text_hash for text_hash in some if text_hash not in kept])

    def load(self, text_hashes: Sequence[str]) -> dict[str, EncodedText]:
        """Those of these texts whose vector the store has. Token vectors are left there, see `tokens`."""
        self._open()
        self.flush()
        found: dict[str, bytes] = {}
        try:
            if self._store is not None:
                found = self._store.get(self._encoder.name, text_hashes)
        except StorageError as error:
            self._do_without(error)
        size = 4 * self._encoder.dimensions
        # A damaged row is computed again, not believed.
        whole = {text_hash: raw for text_hash, raw in found.items() if len(raw) == size}
        vectors = np.frombuffer(b"".join(whole.values()), "<f4").reshape(-1, self._encoder.dimensions)
        none = np.zeros((0, self._encoder.token_dimensions), np.int8)
        return {
            text_hash: EncodedText(vector, none)
            for text_hash, vector, good in zip(whole, vectors, believable(vectors), strict=True)
            if good
        }

    def tokens(self, text_hashes: Sequence[str]) -> dict[str, Tokens]:
        """The token vectors of these texts, as far as the store has them."""
        width = self._encoder.token_dimensions
        store = self._store
        if not width or store is None:
            return {}
        try:
            found = store.tokens(self._encoder.name, text_hashes)
        except (StorageError, NotRunningError) as error:  # it may be closed while a question is answered
            logger.warning("Token vectors could not be read, so tools are compared without them: %s", error)
            return {}
        damaged = [text_hash for text_hash, raw in found.items() if len(raw) % width]
        if damaged:
            self._drop_tokens(store, damaged)
        return {
            text_hash: np.frombuffer(raw, np.int8).reshape(-1, width)
            for text_hash, raw in found.items()
            if len(raw) % width == 0
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

    def _open(self) -> None:
        if self._open_store is not None:
            open_store, self._open_store = self._open_store, None
            try:
                self._store = open_store()
            except StorageError as error:
                self._do_without(error)

    def _drop_tokens(self, store: VectorStore, damaged: Sequence[str]) -> None:
        """Take damaged token vectors away, so that the next start misses them."""
        logger.warning("The token vectors of %s texts are damaged and are removed.", len(damaged))
        try:
            store.put(self._encoder.name, {}, dict.fromkeys(damaged, b""))
        except StorageError as error:
            logger.warning("They could not be removed: %s", error)

    def _do_without(self, error: StorageError) -> None:
        logger.warning("Vectors are not kept from now on, so the next start computes them again: %s", error)
        if self._store is not None:
            self._store.close()
            self._store = None
