"""Which text of a corpus has which row of a matrix of vectors, and which still need one."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from toolhone.selection.blocks import Blocks, block
from toolhone.selection.corpus import Hashes, Lookup
from toolhone.selection.matrix import VectorMatrix

WASTE = 1024
"""So many rows that no text has any more are let be, and as many as there are in use."""


WRITTEN_ROWS = 4096
"""Vectors that are copied at a time to be stored."""


class TextVectors:
    """The vectors of one corpus. One thread at a time may change them while others multiply."""

    def __init__(
        self, digests: Hashes, matrix: VectorMatrix | None = None, slots: NDArray[np.int32] | None = None
    ) -> None:
        """`slots` gives the row of the matrix for each text, -1 for none."""
        self._digests = digests
        self._matrix = matrix
        self._slots = np.full(len(digests), -1, np.int32) if slots is None else slots
        self._lacking: NDArray[np.bool_] = np.zeros(len(digests), np.bool_)

    @property
    def dimensions(self) -> int | None:
        """`None` before the first vector came."""
        return None if self._matrix is None else self._matrix.dimensions

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which texts have a vector."""
        return self._slots >= 0

    @property
    def matrix_rows(self) -> int:
        """How many vectors are kept, also of texts that are gone."""
        return 0 if self._matrix is None else self._matrix.used

    def moved(self, digests: Hashes, sources: NDArray[np.int64]) -> "TextVectors":
        """Those of a changed corpus.

        Args:
            digests: Of its texts.
            sources: For each the number it has here, -1 if it is new. A text that another document had
                before, as when a tool was renamed, has its vector all the same.
        """
        stays = sources >= 0
        slots = np.full(len(digests), -1, np.int32)
        slots[stays] = self._slots[sources[stays]]
        lacking = np.zeros(len(digests), np.bool_)
        lacking[stays] = self._lacking[sources[stays]]
        fresh = np.flatnonzero(~stays)
        if self._matrix is not None and len(fresh):
            asked, rows = self._lookup.rows(digests[fresh])
            slots[fresh[asked]] = self._slots[rows]
            lacking[fresh[asked]] = self._lacking[rows]
        matrix = self._matrix
        if matrix is not None:
            in_use = np.flatnonzero(np.bincount(slots[slots >= 0], minlength=1))
            if matrix.used > 2 * len(in_use) + WASTE:
                packed = VectorMatrix(matrix.dimensions)
                packed.add(matrix.rows(in_use))
                slots[slots >= 0] = np.searchsorted(in_use, slots[slots >= 0])
                matrix = packed
        moved = TextVectors(digests, matrix, slots)
        moved._lacking = lacking
        return moved

    def add(self, digests: Hashes, vectors: NDArray[np.float32]) -> int:
        """Take in the vectors of these texts, if they are here; returns how many texts have one by that."""
        asked, rows = self._lookup.rows(digests)
        self._lacking[rows] = False
        new = self._slots[rows] < 0
        asked, rows = asked[new], rows[new]
        if not len(rows):
            return 0
        if self._matrix is None:
            self._matrix = VectorMatrix(vectors.shape[1])
        needed, place = np.unique(asked, return_inverse=True)
        first = self._matrix.add(vectors[needed])
        # Last, because another thread trusts a row once it is named here.
        self._slots[rows] = first + place
        return len(rows)

    def lack(self, digests: Hashes) -> None:
        """Say that these texts should be encoded again although they have a vector."""
        self._lacking[self._lookup.rows(digests)[1]] = True

    def wanted(self) -> NDArray[np.int64]:
        """The texts that have to be encoded, by the number of one document that has it."""
        rows = np.flatnonzero((self._slots < 0) | self._lacking)
        return rows[np.sort(np.unique(self._digests[rows], return_index=True)[1])]

    def cosine(self, parts: NDArray[np.float32]) -> NDArray[np.float32]:
        """The product of each part with every text's vector: (parts, texts), 0 where there is none."""
        slots, matrix = self._slots, self._matrix
        if matrix is None or not matrix.used or not len(slots):
            return np.zeros((len(parts), len(slots)), np.float32)
        # A slot that is set while this runs may lie behind the rows that are multiplied.
        slots = slots.copy()
        products = matrix.times(parts)
        if len(slots) == matrix.used and (slots == np.arange(len(slots))).all():
            return products
        return np.where(slots >= 0, np.take(products, slots, axis=1, mode="wrap"), np.float32(0.0))

    def to_blocks(self) -> Blocks:
        """The rows that are in use, in the order of their texts, and who has which."""
        slots = self._slots.copy()
        used, place = np.unique(slots[slots >= 0], return_inverse=True)
        slots[slots >= 0] = place
        return {"slots": block(slots.astype("<i4")), "rows": self._pieces(used)}

    @classmethod
    def from_blocks(cls, blocks: Mapping[str, memoryview], digests: Hashes, dimensions: int) -> Self:
        """Read what `to_blocks` wrote. The rows stay where they are, so processes share their memory.

        Raises:
            ValueError: They do not fit together.
        """
        slots = np.frombuffer(blocks["slots"], "<i4").astype(np.int32)
        rows = np.frombuffer(blocks["rows"], "<f4")
        if not dimensions:
            return cls(digests)
        rows = rows.reshape(-1, dimensions)
        if len(slots) != len(digests) or slots.min(initial=-1) < -1 or slots.max(initial=-1) >= len(rows):
            raise ValueError("The vectors do not fit the texts.")
        return cls(digests, VectorMatrix(dimensions, rows), slots)

    def _pieces(self, used: NDArray[np.int32]) -> Iterator[memoryview]:
        # Not all at once: they may be 150 MB.
        for first in range(0, len(used), WRITTEN_ROWS):
            if self._matrix is not None:
                rows = self._matrix.rows(used[first : first + WRITTEN_ROWS])
                yield from block(rows.astype("<f4"))

    @cached_property
    def _lookup(self) -> Lookup:
        return Lookup(self._digests)
