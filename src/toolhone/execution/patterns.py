r"""Regular expressions from strangers' schemas, run so that none can hang the process. Pure.

Python's `re` backtracks and cannot be interrupted, and JSON Schema patterns are JavaScript's. So a
pattern that Python cannot read, or whose cost on this text could be out of proportion, is not run:
the answer is then "cannot tell", and the tool itself checks what it asked for.
"""

import re
import warnings
from functools import lru_cache

_LONGEST_TEXT = 5_000
"""Patterns with several open repetitions take polynomial time; this bounds it."""

_LONGEST_RISKY_TEXT = 20
"""A repetition inside a repetition, `(a+)+`, can take 2^n steps: a million for 20 characters."""


def search(pattern: str, text: str) -> bool | None:
    """Whether the pattern occurs in the text; `None` if that cannot be told safely."""
    compiled = _compiled(pattern)
    if compiled is None:
        return None
    if len(text) > (_LONGEST_RISKY_TEXT if may_explode(pattern) else _LONGEST_TEXT):
        return None
    return compiled.search(text) is not None


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        with warnings.catch_warnings():
            # Python warns about spellings that are usual in JavaScript.
            warnings.simplefilter("ignore")
            return re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return None


@lru_cache(maxsize=512)
def may_explode(pattern: str) -> bool:
    """Whether a repeated group holds a repetition or a choice: the shapes that backtrack without bound.

    Many harmless patterns have that shape, `(-[a-z]+)*` for one; they are only run on short texts.
    """
    open_groups: list[bool] = []
    risky_before = False  # Whether the group that ended just here was open-ended inside.
    in_class = False
    position = 0
    while position < len(pattern):
        character = pattern[position]
        repeats = not in_class and _repeats(pattern, position)
        if repeats and risky_before:
            return True
        risky_before = False
        if character == "\\":
            position += 1
        elif in_class:
            in_class = character != "]"
        elif character == "[":
            in_class = True
        elif character == "(":
            open_groups.append(False)
        elif character == ")":
            risky_before = bool(open_groups) and open_groups.pop()
            if risky_before and open_groups:
                open_groups[-1] = True
        elif (repeats or character == "|") and open_groups:
            open_groups[-1] = True
        position += 1
    return False


def _repeats(pattern: str, position: int) -> bool:
    if pattern[position] in "*+":
        return True
    # `{2}` and `{,3}` count as repetition too: (a{1,30}){1,30} is as bad as (a+)+.
    return re.match(r"\{\d*,?\d*\}", pattern[position : position + 24]) is not None
