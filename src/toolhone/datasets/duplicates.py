"""Which rows say the same as another one, and go. The best score stays; of equal ones the newest."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from toolhone.datasets.near_duplicates import NEAR, SAME, Signatures, Words, bands, likeness

_MOST_COMPARED = 256
"""Rows that one is compared with; more than that are alike only in very uniform data."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is known of a row while duplicates are looked for."""

    row: int
    """Its number: later rows are newer."""
    score: float
    group: int
    request: int
    answer: int
    """Numbers of texts; answers that are data are numbered by their one spelling."""
    exact: bool
    """Whether the answer is data, so that only an equal one is the same."""


@dataclass(frozen=True, slots=True)
class Duplicates:
    """The rows that go."""

    exact: frozenset[int]
    near: frozenset[int]


@dataclass(slots=True)
class _Kept:
    """The rows of a group that stay, findable by what their answers have in common."""

    requests: list[int] = field(default_factory=list[int])
    by_answer: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    """Places in `requests` and `answers` by the number of an answer that is data, or of a prose one."""
    answers: list[int] = field(default_factory=list[int])
    by_band: dict[tuple[int, int], list[int]] = field(default_factory=dict[tuple[int, int], list[int]])


def find_duplicates(candidates: Sequence[Candidate], requests: Signatures, answers: Signatures) -> Duplicates:
    """The rows whose request and answer are nearly those of a row that stays."""
    exact: set[int] = set()
    alone = _best_of_equal(candidates, exact)
    near: set[int] = set()
    sizes: dict[int, int] = {}
    for candidate in alone:
        sizes[candidate.group] = sizes.get(candidate.group, 0) + 1
    together = [candidate for candidate in alone if sizes[candidate.group] > 1]
    prose = sorted({candidate.answer for candidate in together if not candidate.exact})
    places = {answer: place for place, answer in enumerate(prose)}
    words = np.stack(list(bands(answers[prose])), axis=1) if prose else np.empty((0, 0), dtype=np.uint64)
    groups: dict[int, _Kept] = {}
    for candidate in sorted(together, key=_preference):
        kept = groups.setdefault(candidate.group, _Kept())
        own = () if candidate.exact else _numbered(words[places[candidate.answer]])
        if _is_near(candidate, kept, own, requests, answers):
            near.add(candidate.row)
            continue
        place = len(kept.requests)
        kept.requests.append(candidate.request)
        kept.answers.append(candidate.answer)
        kept.by_answer.setdefault(candidate.answer, []).append(place)
        for band in own:
            kept.by_band.setdefault(band, []).append(place)
    return Duplicates(frozenset(exact), frozenset(near))


def _numbered(words: Words) -> tuple[tuple[int, int], ...]:
    return tuple((band, int(word)) for band, word in enumerate(words))


def _preference(candidate: Candidate) -> tuple[float, int]:
    return (-candidate.score, -candidate.row)


def _best_of_equal(candidates: Sequence[Candidate], exact: set[int]) -> list[Candidate]:
    best: dict[tuple[int, int], Candidate] = {}
    for candidate in candidates:
        key = (candidate.request, candidate.answer)
        other = best.get(key)
        if other is None or _preference(candidate) < _preference(other):
            best[key] = candidate
            if other is not None:
                exact.add(other.row)
        else:
            exact.add(candidate.row)
    return list(best.values())


def _is_near(
    candidate: Candidate,
    kept: _Kept,
    own: tuple[tuple[int, int], ...],
    requests: Signatures,
    answers: Signatures,
) -> bool:
    same = kept.by_answer.get(candidate.answer, [])[-_MOST_COMPARED:]
    if same and _any_near(requests, candidate.request, [kept.requests[place] for place in same], NEAR):
        return True
    alike = sorted({place for band in own for place in kept.by_band.get(band, [])[-_MOST_COMPARED:]})
    alike = alike[-_MOST_COMPARED:]
    if not alike:
        return False
    told = likeness(answers, candidate.answer, np.array([kept.answers[place] for place in alike]))
    close = [kept.requests[place] for place, near in zip(alike, told >= SAME, strict=True) if near]
    return bool(close) and _any_near(requests, candidate.request, close, NEAR)


def _any_near(signatures: Signatures, one: int, others: list[int], least: float) -> bool:
    return bool(np.any(likeness(signatures, one, np.array(others)) >= least))
