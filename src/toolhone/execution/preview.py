"""A value cut to a size, as a value of the same shape, with every cut said. Pure.

Long arrays show their first items and long strings their beginning; what is small stays. Where not even
three rows fit, they show only their short fields; an object of many parts shows its first keys. An array
stays an array and an object an object; numbers are never cut.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from toolhone.compression.excerpts import Fits, slim_rows
from toolhone.json_values import encoded, is_array, is_object, minified
from toolhone.models import Json, JsonObject
from toolhone.pointers import pointer

_DEEPEST = 8
_ENOUGH_ROWS = 3
"""Rows that show what an array is; with fewer, they rather show fewer fields."""

_ERROR_KEYS = frozenset(
    {"error", "errors", "error_message", "errormessage", "exception", "stderr", "traceback"}
)
_LONGEST_ERROR = 8_192
_SMALLEST_PART = 64
"""Bytes. Parts below this are not worth a cut and a notice."""


def size_of(value: Json) -> int:
    """Bytes of the value as minified JSON."""
    return len(encoded(minified(value)))


def exceeds(value: Json, most: int) -> bool:
    """Whether the value as minified JSON is larger than so many bytes; quick also if it is far larger."""
    least = 0
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            least += len(part) + 2
        elif is_object(part):
            # A key with its quotes and colon, and at least one character of its value.
            least += sum(len(str(key)) + 3 for key in part)
            waiting.extend(part.values())
        elif is_array(part):
            least += len(part)
            waiting.extend(part)
        if least > most:
            return True
    return size_of(value) > most


def fitting_characters(text: str, most: int) -> int:
    """How many characters of the text, as a JSON string, fit into so many bytes."""
    longest = min(len(text), most)
    return max(0, bisect_right(range(longest + 1), most, key=lambda count: size_of(text[:count])) - 1)


def fitting_rows(rows: Sequence[Json], most: int) -> int:
    """How many of the first rows, as a JSON array, fit into so many bytes."""
    used = 2
    for count, row in enumerate(rows):
        used += size_of(row) + (1 if count else 0)
        if used > most:
            return count
    return len(rows)


def shrink(value: Json, most: int, *, prefix: str = "") -> tuple[Json, list[str]]:
    """The value in at most so many bytes, and a phrase for each cut.

    Args:
        value: What is too large.
        most: Bytes of JSON.
        prefix: Where the value stands in what is kept; it is put before the paths in the phrases.
    """
    if isinstance(value, str):
        return _cut(value, most)
    shares = _shares(value, most)
    if not shares:
        return _first_keys(value, most, prefix) if is_object(value) else (value, [])
    cuts: dict[tuple[str, ...], Json] = {}
    phrases: list[str] = []
    for path, part, share in shares:
        cuts[path], said = _cut(part, share)
        where = prefix + pointer(path)
        phrases += [f"{where}: {phrase}" if where else phrase for phrase in said]
    return _replaced(value, (), cuts), phrases


def _first_keys(value: JsonObject, most: int, prefix: str) -> tuple[Json, list[str]]:
    """The first keys of an object that is large in many parts, a large part itself cut."""
    shown: JsonObject = {}
    phrases: list[str] = []
    left = most - 2
    for key, part in value.items():
        room = left - size_of(key) - 2
        if room < 2:
            break
        if exceeds(part, room):
            if room < _SMALLEST_PART or not isinstance(part, (dict, list, str)):
                continue
            part, said = shrink(part, room // 2, prefix=f"{prefix}{pointer([key])}")
            if exceeds(part, room):
                continue
            phrases += (
                said
                if said and said[0].startswith("/")
                else [f"{prefix}{pointer([key])}: {one}" for one in said]
            )
        shown[key] = part
        left = room - size_of(part)
    if len(shown) < len(value):
        phrases.insert(
            0,
            f"{prefix}: {len(shown)} of {len(value)} keys"
            if prefix
            else f"{len(shown)} of {len(value)} keys",
        )
    return shown, phrases


def error_size(value: Json) -> int:
    """Bytes of what a value says went wrong, which a preview has room for besides; 0 if that is too much."""
    size = sum(size_of(part) for path, part in _parts(value, ()) if _tells_error(path))
    return size if size <= _LONGEST_ERROR else 0


def _tells_error(path: tuple[str, ...]) -> bool:
    return any(step.casefold() in _ERROR_KEYS for step in path)


def _shares(value: Json, most: int) -> list[tuple[tuple[str, ...], Json, int]]:
    """The parts to cut and the bytes that each may have, so that all parts get as much of it as they need
    or the same as the others; nothing if the rest alone is too large."""
    parts = sorted(
        ((size_of(part), path, part) for path, part in _parts(value, ())), key=lambda item: item[0]
    )
    whole = 0 < error_size(value) < most
    parts = [item for item in parts if item[0] >= _SMALLEST_PART and not (whole and _tells_error(item[1]))]
    left = most - (size_of(value) - sum(size for size, _, _ in parts))
    shares: list[tuple[tuple[str, ...], Json, int]] = []
    for position, (size, path, part) in enumerate(parts):
        share = left // (len(parts) - position)
        if size <= share:
            left -= size
        elif share < _SMALLEST_PART // 2:
            return []
        else:
            left -= share
            shares.append((path, part, share))
    return shares


def _parts(value: Json, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Json]]:
    if isinstance(value, (list, str)):
        yield path, value
    elif is_object(value) and len(path) < _DEEPEST:
        for key, part in value.items():
            yield from _parts(part, (*path, key))


def _cut(part: Json, most: int) -> tuple[Json, list[str]]:
    """An array or a string in at most so many bytes, and what of it that is."""
    if isinstance(part, str):
        count = fitting_characters(part, most)
        while 0 < count < len(part) and part[count - 1].isdigit() and part[count].isdigit():
            count -= 1  # half a number is another number
        return part[:count], [f"first {count} of {len(part)} characters"]
    count = fitting_rows(part, most)
    total = len(part)
    if count < min(_ENOUGH_ROWS, total) and (slim := slim_rows(part, Fits(most))) and len(slim[0]) > count:
        return slim[0], [f"first {len(slim[0])} of {total} rows, {slim[1]}"]
    if not count and most >= _SMALLEST_PART and isinstance(part[0], (dict, list, str)):
        first, said = shrink(part[0], most - 2)
        if not exceeds([first], most):
            return [first], [f"first 1 of {total} rows, in it {'; '.join(said)}"]
    return part[:count], [f"first {count} of {total} rows"]


def _replaced(value: Json, path: tuple[str, ...], cuts: dict[tuple[str, ...], Json]) -> Json:
    if path in cuts:
        return cuts[path]
    if is_object(value) and len(path) < _DEEPEST:
        return {key: _replaced(part, (*path, key), cuts) for key, part in value.items()}
    return value
