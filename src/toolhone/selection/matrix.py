"""The vectors of a catalog's texts as rows of one large matrix, which grows without being copied.

Exact search over all rows is what wins here. An approximate index (faiss, hnswlib, usearch) answers in a
fraction of a millisecond where the product takes some at 100,000 tools. But it gives only the nearest rows of
each part, while the score mixes every tool's cosine with its words; it takes 11 to 39 s to build, and memory
on top; and encoding the task takes as long as the product. `python benchmarks/scale.py` prints both times.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

FEWEST_ROWS = 64
MOST_ROWS = 8192
"""Rows that are added together: 12 MB."""

FEW_PARTS = 4
"""So few are multiplied one by one."""

CACHED_ROWS = 1024
"""Rows that stay in the cache while they are multiplied with one part after the other: 1.5 MB."""

ROWS_OF_A_THREAD = 32_768
"""With twice as many rows the product is shared among threads: it then takes longer than to start them."""

UNIT = 0.02
"""How far from 1 the length of a vector may be."""


def believable(vectors: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which rows are unit vectors: finite, and of length 1."""
    with np.errstate(invalid="ignore", over="ignore"):
        squares = np.einsum("ij,ij->i", vectors, vectors)
        return np.abs(squares - 1.0) <= 2 * UNIT


class VectorMatrix:
    """Rows are only ever added, so any thread may multiply while one adds."""

    def __init__(self, dimensions: int, stored: NDArray[np.float32] | None = None) -> None:
        self.dimensions = dimensions
        self.used = 0 if stored is None else len(stored)
        """How many rows there are."""
        self._blocks: list[NDArray[np.float32]] = [] if stored is None else [stored]
        self._room = self.used

    def add(self, vectors: Sequence[NDArray[np.float32]] | NDArray[np.float32]) -> int:
        """Append rows; returns the number of the first."""
        first = self.used
        done = 0
        while done < len(vectors):
            if self.used == self._room:
                rows = min(max(FEWEST_ROWS, self.used, len(vectors) - done), MOST_ROWS)
                self._blocks = [*self._blocks, np.zeros((rows, self.dimensions), np.float32)]
                self._room += rows
            block = self._blocks[-1]
            start = len(block) - (self._room - self.used)
            count = min(len(block) - start, len(vectors) - done)
            block[start : start + count] = vectors[done : done + count]
            done += count
            # Last, because another thread trusts the rows once they are counted.
            self.used += count
        return first

    def rows(self, numbers: NDArray[np.integer]) -> NDArray[np.float32]:
        """A copy of these rows."""
        result = np.empty((len(numbers), self.dimensions), np.float32)
        first = 0
        for block in self._blocks:
            inside = (numbers >= first) & (numbers < first + len(block))
            result[inside] = block[numbers[inside] - first]
            first += len(block)
        return result

    def times(self, parts: NDArray[np.float32]) -> NDArray[np.float32]:
        """The product of each part with every row: (parts, used)."""
        used, blocks = self.used, self._blocks
        result = np.empty((len(parts), used), np.float32)
        threads = max(1, min(os.cpu_count() or 1, used // ROWS_OF_A_THREAD))
        bounds = [used * thread // threads for thread in range(threads + 1)]
        if threads == 1:
            _multiply_blocks(parts, blocks, result, 0, used)
            return result
        with ThreadPoolExecutor(threads - 1, "toolhone-product") as others:
            done = [
                others.submit(_multiply_blocks, parts, blocks, result, start, end)
                for start, end in pairwise(bounds[1:])
            ]
            _multiply_blocks(parts, blocks, result, 0, bounds[1])
            for future in done:
                future.result()
        return result


def _multiply_blocks(
    parts: NDArray[np.float32],
    blocks: Sequence[NDArray[np.float32]],
    result: NDArray[np.float32],
    start: int,
    end: int,
) -> None:
    """The columns `start` to `end` of the result, which are the rows of these numbers in the blocks."""
    first = 0
    for block in blocks:
        here, after = max(start, first), min(end, first + len(block))
        if here < after:
            _multiply(parts, block[here - first : after - first], result[:, here:after])
        first += len(block)


def _multiply(parts: NDArray[np.float32], rows: NDArray[np.float32], result: NDArray[np.float32]) -> None:
    """Write the product of each part with every row into `result`."""
    if len(parts) >= FEW_PARTS:
        np.matmul(parts, rows.T, out=result)
        return
    # A product of two matrices copies the large one first, which for few parts takes longer than the product.
    for first in range(0, len(rows), CACHED_ROWS):
        some = rows[first : first + CACHED_ROWS]
        for part, values in zip(parts, result, strict=True):
            np.dot(some, part, out=values[first : first + len(some)])
