"""Where the sentences of a task begin and end: each may be one step that needs its own tool."""

import re
from itertools import pairwise

MOST = 24
"""A longer task is cut into this many parts of neighbouring sentences."""

FEWEST_CHARACTERS = 12
"""Shorter pieces (`Thanks!`, `1.`) say nothing alone and go with the next sentence."""

_END = re.compile(r"[.!?…;]+[\"')\]]*(?=\s)|[。！？؟।]+|\n+")

# A full stop behind these does not end a sentence.
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|mr|mrs|ms|dr|no|st|approx)|\b[A-Za-z]|^\s*\d+)\.$", re.I
)


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """The half-open character ranges of the sentences, in order; together they cover all that is not blank.

    A text without a second sentence gives one range, an empty one none.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    for match in _END.finditer(text):
        piece = text[start : match.end()]
        if len(piece.strip()) < FEWEST_CHARACTERS or _ABBREVIATION.search(piece):
            continue
        spans.append((start, match.end()))
        start = match.end()
    rest = text[start:]
    if rest.strip():
        if spans and len(rest.strip()) < FEWEST_CHARACTERS:
            spans[-1] = (spans[-1][0], len(text))
        else:
            spans.append((start, len(text)))
    if len(spans) <= MOST:
        return spans
    bounds = [round(i * len(spans) / MOST) for i in range(MOST + 1)]
    return [(spans[first][0], spans[after - 1][1]) for first, after in pairwise(bounds)]
