"""Where the sentences of a task begin and end: each may be one step that needs its own tool."""

import re
from functools import lru_cache
from itertools import pairwise

MOST = 24
"""A longer task is cut into this many parts of neighbouring sentences."""

FEWEST_CHARACTERS = 12
"""Shorter pieces (`Thanks!`, `1.`) say nothing alone and go with the next sentence."""

# Each run of stops is tried once and as a whole: otherwise 20,000 of them would take 20 seconds.
_END = re.compile(r"(?<![.!?…;])[.!?…;]++[\"')\]]*+(?=\s)|[。\uff01\uff1f؟।]+|\n\s*")

# A full stop behind these does not end a sentence.
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|etc|vs|mr|mrs|ms|dr|no|st|approx|[a-z])\.\Z", re.I)

# No abbreviation is longer. Searching the whole piece took 40 s for 20,000 characters of `a. a. a.`.
_LONGEST_ABBREVIATION = len("approx.")


@lru_cache(maxsize=8)
def sentence_spans(text: str) -> tuple[tuple[int, int], ...]:
    """The half-open character ranges of the sentences, in order; together they cover all that is not blank.

    A text without a second sentence gives one range, an empty one none. Those of the newest texts are kept: a
    question's meaning and its words are cut alike, one after the other.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    for match in _END.finditer(text):
        end = match.end()
        if len(text[start:end].strip()) < FEWEST_CHARACTERS:
            continue
        if _ABBREVIATION.search(text, max(start, end - _LONGEST_ABBREVIATION), end):
            continue
        spans.append((start, end))
        start = end
    rest = text[start:]
    if rest.strip():
        if spans and len(rest.strip()) < FEWEST_CHARACTERS:
            spans[-1] = (spans[-1][0], len(text))
        else:
            spans.append((start, len(text)))
    if len(spans) <= MOST:
        return tuple(spans)
    bounds = [round(i * len(spans) / MOST) for i in range(MOST + 1)]
    return tuple((spans[first][0], spans[after - 1][1]) for first, after in pairwise(bounds))
