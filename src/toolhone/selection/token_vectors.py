"""The vectors of single tokens: those last used in memory, the others read when a few tools need them."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from toolhone.selection.encoder import EncodedText

TOKEN_BYTES = 16 * 1024 * 1024
"""Token vectors kept in memory: those of about 2,500 tools. Others are read from the store when needed."""

Tokens = NDArray[np.int8]


class TokenVectors:
    """By the hash of their text. Any thread."""

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
