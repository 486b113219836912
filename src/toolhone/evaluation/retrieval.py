"""How well one ranking found the right tools: the figures of one query, each 0..1.

A ranking holds names, best first; the gold set holds the names that are right. A name that stands in a
ranking twice counts once, at its first place, and takes up both. The figure of a set of queries is the mean.
"""

import math
from collections.abc import Collection, Sequence

from toolhone.exceptions import InvalidRequestError


def recall_at(ranked: Sequence[str], gold: Collection[str], k: int) -> float:
    """The share of the gold tools among the first `k`."""
    return len(_places(ranked, gold, k)) / len(set(gold))


def hit_at(ranked: Sequence[str], gold: Collection[str], k: int) -> float:
    """1 if any of the first `k` is a gold tool, else 0."""
    return float(bool(_places(ranked, gold, k)))


def all_gold_at(ranked: Sequence[str], gold: Collection[str], k: int) -> float:
    """1 if every gold tool is among the first `k`, else 0; always 0 with more than `k` gold tools."""
    return float(len(_places(ranked, gold, k)) == len(set(gold)))


def ndcg_at(ranked: Sequence[str], gold: Collection[str], k: int) -> float:
    """The gain of the gold tools among the first `k`, 1 / log2(place + 1) each, as a share of the best.

    The best ranking puts as many gold tools first as fit into `k` places.
    """
    gain = math.fsum(_gain(place) for place in _places(ranked, gold, k))
    best = math.fsum(_gain(place) for place in range(1, min(k, len(set(gold))) + 1))
    return gain / best


def reciprocal_rank(ranked: Sequence[str], gold: Collection[str], k: int = 10) -> float:
    """1 / place of the first gold tool, 0 if none is among the first `k`."""
    places = _places(ranked, gold, k)
    return 1.0 / places[0] if places else 0.0


def _places(ranked: Sequence[str], gold: Collection[str], k: int) -> list[int]:
    """Where the gold tools stand among the first `k`, counted from 1, in order."""
    if not gold:
        raise InvalidRequestError("A query without right tools has no such figure. Leave it out of the mean.")
    if k < 1:
        raise InvalidRequestError(f"k is {k!r}; it must be 1 or more.")
    first: dict[str, int] = {}
    for place, name in enumerate(ranked[:k], 1):
        first.setdefault(name, place)
    return [place for name, place in first.items() if name in gold]


def _gain(place: int) -> float:
    return 1.0 / math.log2(place + 1)
