r"""Regular expressions from strangers' schemas, run so that none can hang the process. Pure.

Python's `re` backtracks, cannot be interrupted and holds the interpreter while it runs; and JSON Schema
patterns are JavaScript's. So a pattern that Python cannot read, or that could take too many steps on a
text of this length, is not run: the answer is then "cannot tell", and the tool itself checks what it
asked for. `pattern_costs.py` says how many steps; here they are bounded, for one search and for all
searches of one check together.
"""

import re
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

from toolhone.execution.pattern_costs import steps

_LONGEST_TEXT = 5_000
_LONGEST_PATTERN = 2_000
_MOST_STEPS = 1_000_000
"""In one search: about 20 ms. Three open repetitions in a row run on up to 100 characters."""

_MOST_STEPS_OF_A_CHECK = 5_000_000
"""In one check of a value, which may hold many strings."""

_left: ContextVar[list[int] | None] = ContextVar("steps_left", default=None)

# The filters of `warnings` belong to the process, and checks run in worker threads too.
_reading = threading.Lock()


@contextmanager
def bounded_together() -> Generator[None]:
    """All searches inside share one allowance of steps; what comes after it is used up is not run."""
    token = _left.set([_MOST_STEPS_OF_A_CHECK])
    try:
        yield
    finally:
        _left.reset(token)


def search(pattern: str, text: str) -> bool | None:
    """Whether the pattern occurs in the text; `None` if that cannot be told safely."""
    if len(text) > _LONGEST_TEXT or len(pattern) > _LONGEST_PATTERN:
        return None
    compiled = _compiled(pattern)
    if compiled is None:
        return None
    cost = _steps(pattern, len(text))
    if cost > _MOST_STEPS:
        return None
    left = _left.get()
    if left is not None:
        if cost > left[0]:
            return None
        left[0] -= cost
    return compiled.search(text) is not None


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        with _reading, warnings.catch_warnings():
            # Python warns about spellings that are usual in JavaScript.
            warnings.simplefilter("ignore")
            return re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return None


@lru_cache(maxsize=4096)
def _steps(pattern: str, length: int) -> int:
    with _reading, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return steps(pattern, length)
