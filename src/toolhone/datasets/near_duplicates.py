"""Which texts are nearly the same: MinHash signatures, bands, and groups.

Texts are compared by their runs of five bytes. Measured on 1,600 generated requests of four kinds (short
orders, JSON, long prose, a fixed text with two slots), each with a variant that has a typo, another figure,
other spaces or a polite word: at a Jaccard index of 0.8, 96 % of the variants of short texts and all of the
others count as near, and not one of 16,000 pairs of different requests does. Single words find 88 % of the
short variants at the same threshold, pairs of words 69 %, runs of three words 68 %.

A signature has 128 values, so the index is known to within 0.035 (one standard deviation). Two texts are
compared only if one of 16 bands of 8 values is equal in both: 95 % of pairs at 0.8, 99.4 % at 0.85.
"""

import importlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from toolhone.datasets.texts import digest
from toolhone.json_values import encoded

_min_hash = importlib.import_module("rensa").RMinHash
"""It comes without types."""

VALUES = 128
BANDS = 16
RUN = 5
"""Bytes."""
NEAR = 0.8
"""Requests this near are in one group."""
SAME = 0.9
"""Answers in prose this near say the same."""
SEED = 1

_BATCH_BYTES = 2_000_000
"""Texts are hashed together so far: a batch takes some 20 times as much memory."""

_MOST_PIVOTS = 64
"""Comparing all in a band's bucket with each other takes quadratic time; whoever is near none of so many
texts there is met, if it has a near one, in another of the bands."""

Signatures = npt.NDArray[np.uint16]
Words = npt.NDArray[np.uint64]
Places = npt.NDArray[np.intp]

_PAIRS_AT_ONCE = 16_384
"""Some 12 MB."""


class Texts:
    """Distinct texts, numbered as they come, and their signatures; the texts themselves are not kept."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._digests: list[bytes] = []
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._done: list[Signatures] = []

    def add(self, text: str) -> int:
        """The text's number: the same text has the same."""
        key = digest(text)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._digests)
            self._digests.append(key)
            self._waiting.append(encoded(text))
            self._waiting_bytes += len(text)
            if self._waiting_bytes > _BATCH_BYTES:
                self._flush()
        return number

    def digest(self, number: int) -> str:
        """What the text is known by, in any process."""
        return self._digests[number].hex()

    def __len__(self) -> int:
        return len(self._digests)

    def signatures(self) -> Signatures:
        """One row a text, by number."""
        self._flush()
        if not self._done:
            return np.empty((0, VALUES), dtype=np.uint16)
        self._done = [np.concatenate(self._done)]
        return self._done[0]

    def _flush(self) -> None:
        if self._waiting:
            self._done.append(signatures_of(self._waiting))
            self._waiting = []
            self._waiting_bytes = 0


def signatures_of(texts: Sequence[bytes]) -> Signatures:
    """MinHash signatures. Of each 32-bit value the lower half is kept: two that differ agree in it by
    chance once in 65,536 times."""
    # Zeros part the texts. Only a text that is shorter than a run is completed by them.
    gap = bytes(RUN - 1)
    sizes = np.array([len(text) for text in texts], dtype=np.int64)
    joined = np.frombuffer(b"".join(text.replace(b"\0", b"\1") + gap for text in texts), dtype=np.uint8)
    starts = np.cumsum(sizes + len(gap)) - (sizes + len(gap))
    number = len(joined) - len(gap)
    whole = joined[len(gap) :] != 0
    whole[starts[(sizes > 0) & (sizes < RUN)]] = True
    runs = np.zeros(number, dtype=np.uint64)
    for at in range(RUN):
        runs |= joined[at : number + at].astype(np.uint64) << np.uint64(8 * at)
    runs = _mixed(runs[whole & (joined[:number] != 0)])
    offsets = np.zeros(len(texts) + 1, dtype=np.uint64)
    np.cumsum(np.where(sizes > 0, np.maximum(sizes - len(gap), 1), 0), out=offsets[1:])
    matrix = _min_hash.digest_matrix_from_flat_token_hashes(runs, offsets, VALUES, SEED)
    rows: list[list[int]] = matrix.to_rows()
    return (np.array(rows, dtype=np.uint32).reshape(len(texts), VALUES) & 0xFFFF).astype(np.uint16)


def likeness(signatures: Signatures, one: int, others: Places) -> npt.NDArray[np.float64]:
    """The Jaccard index of a text with others, as the signatures estimate it."""
    return np.mean(signatures[others] == signatures[one], axis=1)


def bands(signatures: Signatures) -> Iterator[Words]:
    """For each band one number a text, equal for those whose values in it are."""
    width = VALUES // BANDS
    for band in range(BANDS):
        part = np.ascontiguousarray(signatures[:, band * width : (band + 1) * width]).view(np.uint64)
        # Chained, so that the order of the halves counts.
        yield _mixed(_mixed(part[:, 0]) + part[:, 1])


class Union:
    """Numbers that are joined into groups."""

    def __init__(self, size: int) -> None:
        self._parents = list(range(size))

    def find(self, number: int) -> int:
        """The smallest number of the group."""
        parents = self._parents
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    def join(self, one: int, other: int) -> None:
        one, other = self.find(one), self.find(other)
        self._parents[max(one, other)] = min(one, other)


def join_near(signatures: Signatures, groups: Union, *, least: float = NEAR) -> None:
    """Join the texts that are at least so near to each other."""
    for words in bands(signatures):
        order = np.argsort(words, kind="stable")
        # Those of equal number lie side by side: each is compared with the first of them. Those that are
        # not near it are compared with the first of what is left, and so on.
        for _ in range(_MOST_PIVOTS):
            if len(order) < 2:
                break
            first = np.concatenate(([True], words[order[1:]] != words[order[:-1]]))
            pivots = order[np.flatnonzero(first)[np.cumsum(first) - 1]]
            near = np.zeros(len(order), dtype=np.bool_)
            rest = np.flatnonzero(~first)
            near[rest] = _likeness_of_pairs(signatures, pivots[rest], order[rest]) >= least
            for one, other in zip(pivots[near].tolist(), order[near].tolist(), strict=True):
                groups.join(one, other)
            order = order[~first & ~near]


def _likeness_of_pairs(signatures: Signatures, ones: Places, others: Places) -> npt.NDArray[np.float64]:
    found = np.empty(len(ones), dtype=np.float64)
    for start in range(0, len(ones), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        found[part] = np.mean(signatures[ones[part]] == signatures[others[part]], axis=1)
    return found


def _mixed(values: Words) -> Words:
    """The numbers, well mixed (the finaliser of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
