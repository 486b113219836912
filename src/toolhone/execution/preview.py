"""A value cut to a size, as a value of the same shape, with every cut said. Pure.

Long arrays show their first items and long strings their beginning; what is small stays. Only if a value
is large in many small parts is it shown as the beginning of its JSON.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from toolhone.execution.json_values import encoded, is_array, is_object, minified
from toolhone.execution.pointers import pointer
from toolhone.models import Json

_DEEPEST = 8
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
        count = fitting_characters(value, most)
        return value[:count], [f"the first {count} of {len(value)} characters"]
    shares = _shares(value, most)
    cuts = {path: _cut(part, share) for path, part, share in shares}
    if not any(cuts.values()):
        text = minified(value)
        count = fitting_characters(text, most)
        return text[:count], [f"the first {count} of {len(text)} characters of its JSON"]
    phrases: list[str] = []
    for path, part, _ in shares:
        unit = "characters" if isinstance(part, str) else "rows"
        where = prefix + pointer(path)
        phrase = f"the first {len(cuts[path])} of {len(part)} {unit}"
        phrases.append(f"{where}: {phrase}" if where else phrase)
    return _replaced(value, (), cuts), phrases


def _shares(value: Json, most: int) -> list[tuple[tuple[str, ...], Json, int]]:
    """The parts to cut and the bytes that each may have, so that all parts get as much of it as they need
    or the same as the others; nothing if the rest alone is too large."""
    parts = sorted(
        ((size_of(part), path, part) for path, part in _parts(value, ())), key=lambda item: item[0]
    )
    parts = [item for item in parts if item[0] >= _SMALLEST_PART]
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


def _cut(part: Json, most: int) -> Json:
    if isinstance(part, str):
        return part[: fitting_characters(part, most)]
    return part[: fitting_rows(part, most)]


def _replaced(value: Json, path: tuple[str, ...], cuts: dict[tuple[str, ...], Json]) -> Json:
    if path in cuts:
        return cuts[path]
    if is_object(value) and len(path) < _DEEPEST:
        return {key: _replaced(part, (*path, key), cuts) for key, part in value.items()}
    return value
