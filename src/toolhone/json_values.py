"""JSON values: telling them apart, and their one spelling here. Pure."""

import json
import math
import re
from collections.abc import Iterator
from itertools import islice
from typing import NoReturn, TypeGuard

from toolhone.models import Json, JsonObject

_LARGE = 2_000
"""Nodes. Checking so many against a schema takes some 20 ms."""

_CHARACTERS_OF_A_NODE = 256

_HALF = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")
"""What may be half a surrogate pair in a JSON text; a pair that is escaped looks the same."""


def is_object(value: Json) -> TypeGuard[JsonObject]:
    return isinstance(value, dict)


def is_array(value: Json) -> TypeGuard[list[Json]]:
    return isinstance(value, list)


_MINIFIED = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def minified(value: Json) -> str:
    """The JSON spelling in which sizes and tokens are counted."""
    return _MINIFIED.encode(value)


def is_large(*values: Json) -> bool:
    """Whether going through the values takes long enough to be worth a worker thread. Quick itself."""
    seen = 0
    waiting: list[Json] = [*values]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            seen += len(value) // _CHARACTERS_OF_A_NODE
        elif is_object(value):
            # A key is read as often as its value.
            seen += len(value) + sum(len(str(key)) // _CHARACTERS_OF_A_NODE for key in islice(value, _LARGE))
        elif is_array(value):
            seen += len(value)
        if seen > _LARGE:
            return True
        if is_object(value):
            waiting.extend(value.values())
        elif is_array(value):
            waiting.extend(value)
    return False


def texts(value: Json) -> Iterator[str]:
    """Every text in a value, keys too, in the order in which they stand; however deeply it is nested."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif is_object(value):
            for key, part in reversed(value.items()):
                waiting += [part, key]
        elif is_array(value):
            waiting.extend(reversed(value))


def encoded(text: str) -> bytes:
    """UTF-8; half a surrogate pair, which JSON can carry, survives."""
    return text.encode("utf-8", "surrogatepass")


def well_formed(text: str) -> str:
    """The text as UTF-8 can carry it: surrogate pairs become the character they stand for, halves U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def well_formed_json(text: str) -> str:
    """The JSON text without halves of surrogate pairs, escaped ones too; the text itself if it has none.

    Raises:
        ValueError: It may have some, and is not JSON.
    """
    if not _HALF.search(text):
        return text
    text = well_formed(text)
    value = minified(parse_json(text))
    try:
        value.encode()
    except UnicodeEncodeError:
        return well_formed(value)
    return text


def parse_json(text: str) -> Json:
    """The JSON value in a text.

    Raises:
        ValueError: It is not JSON; `NaN` and `Infinity`, which Python would accept, are not. Or a number is
            so large that it could only be kept as one of them.
    """
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise ValueError(f"{number[:30]} is too large a number")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
