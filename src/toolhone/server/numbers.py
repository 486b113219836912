"""Numbers that JSON cannot carry: NaN, the infinities, and what is too large to be read as less. Pure.

Readers of JSON take them all the same; whoever gets them next (a downstream server, a schema) fails.
"""

import json
import math
import re
from typing import NoReturn

_EXPONENTS = (re.compile(rb"e\+?[0-9]{3}"), re.compile(rb"E\+?[0-9]{3}"))
"""Two expressions, because one that begins with either letter is searched for five times as slowly."""

_LONG = re.compile(rb"[0-9]{200}")
"""A number of that many digits may overflow with an exponent of two."""

_STRIDE = 100
_HINT = re.compile(rb"[0-9]{2}")
"""200 digits in a row show at least twice in a row among every hundredth byte."""

_SHOWN = 30


class _ImpossibleError(Exception):
    """Not a ValueError: the text may be no JSON besides, which its reader says better."""


def impossible_number(text: bytes) -> str | None:
    """The number in a JSON text that no JSON can carry, for a message; `None` if there is none.

    A text that is not JSON for another reason is left to its reader.
    """
    if not _may_hold_one(text):
        return None
    try:
        json.loads(text, parse_int=_anything, parse_float=_finite, parse_constant=_refuse, strict=False)
    except _ImpossibleError as exc:
        return str(exc)
    except (ValueError, RecursionError):
        return None
    return None


def _may_hold_one(text: bytes) -> bool:
    """Quick, and right whenever it says no."""
    return (
        b"NaN" in text
        or b"Infinity" in text
        or any(one.search(text) for one in _EXPONENTS)
        or (_HINT.search(text[::_STRIDE]) is not None and _LONG.search(text) is not None)
        or not json.detect_encoding(text).startswith("utf-8")
    )


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        _refuse(number)
    return value


def _anything(number: str) -> str:
    # An integer may have any length, and what it is does not matter here.
    return number


def _refuse(number: str) -> NoReturn:
    raise _ImpossibleError(number if len(number) <= _SHOWN else f"{number[:_SHOWN]}…")
