"""A part of a result that its reader asked for: some fields, some rows, what contains a text. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from toolhone.compression.cells import Path
from toolhone.compression.columns import flattened
from toolhone.json_values import is_array, is_object, minified
from toolhone.models import Json, JsonObject
from toolhone.pointers import tokens_of

_NAMED = 12
"""Fields that are named in what is said of an excerpt."""

_LOOKED_AT = 20
_LONG_TEXT = 48
_DEEPEST = 3
_OPAQUE = re.compile(r"(?!\d{4}-\d\d)(?=\S*\d)(?=\S*[a-zA-Z])\S{12,}|\S{40,}")
"""Digests and the like: long, without spaces, digits and letters mixed, and no date."""

Steps = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Excerpted:
    """What is left of a value, and in words what of it that is; nothing is said if it is all."""

    value: Json
    said: str = ""


def excerpt(
    value: Json, *, fields: Sequence[str] = (), limit: int | None = None, grep: str | None = None
) -> Excerpted:
    """The part of a value that was asked for.

    Rows are the items of an array, or of the longest array of objects directly inside an object, which
    keeps its other keys; of a text, its lines.

    Args:
        value: JSON, or a text.
        fields: Dotted names or JSON Pointers of what to keep of each row, or of an object without rows.
        limit: At most so many rows.
        grep: Only rows that contain this, in whatever case.
    """
    if isinstance(value, str):
        lines = value.split("\n")
        kept, said = _rows(lines, limit, grep, "lines")
        return Excerpted("\n".join(kept), said) if said else Excerpted(value)
    if is_array(value):
        place, rows = None, value
    else:
        place = place_of_rows(value)
        if place is None:
            return _of_object(value, fields, grep)
        rows = value[place]
    kept, said_rows = _rows(rows, limit, grep, "rows")
    steps = [_without(_steps(name), place) for name in fields]
    shown = [_projected(row, steps) for row in kept] if steps else kept
    said = _joined(said_rows, _said_fields(fields, steps, kept, shown))
    if not said:
        return Excerpted(value)
    whole: Json = value
    return Excerpted(shown if place is None else {**whole, place: shown}, said)


def slim_rows(rows: Sequence[Json], fits: "Fits") -> tuple[list[Json], str] | None:
    """Rows with only as many of their short, telling fields that two rows fit; and what was kept.

    Args:
        rows: The rows of an array.
        fits: Whether rows are small enough.
    """
    objects = [row for row in rows[:_LOOKED_AT] if is_object(row)]
    if not objects or len(objects) < len(rows[:_LOOKED_AT]):
        return None
    leaves = [dict(flattened(row, {}, _DEEPEST)) for row in objects]
    paths = list(dict.fromkeys(path for row in leaves for path in row))
    telling = [path for path in paths if _is_telling([row.get(path) for row in leaves])] or paths[:1]
    for count in range(len(telling), 0, -1):
        slim: list[Json] = [_built(row, telling[:count]) for row in leaves]
        if fits(slim[:2]) or count == 1:
            shown = 0
            while shown < len(slim) and fits(slim[: shown + 1]):
                shown += 1
            cut = any(
                _cut(row.get(path)) != row.get(path) for row in leaves[:shown] for path in telling[:count]
            )
            said = f"{count} of {len(paths)} fields" + (", long texts to the …" if cut else "")
            return slim[:shown], said
    return None


def _built(leaves: Mapping[Path, Json], chosen: Sequence[Path]) -> JsonObject:
    """A row of only the chosen leaves."""
    row: JsonObject = {}
    for path in chosen:
        if path in leaves:
            at = row
            for key in path[:-1]:
                at = at.setdefault(key, {})
            at[path[-1]] = _cut(leaves[path])
    return row


class Fits:
    """Whether rows, as JSON, take at most so many bytes."""

    def __init__(self, most: int) -> None:
        self._most = most

    def __call__(self, rows: Sequence[Json]) -> bool:
        return len(minified(rows).encode("utf-8", "surrogatepass")) <= self._most


def _is_telling(values: Sequence[Json]) -> bool:
    """Whether a field tells rows apart in few words: no object, no address, no digest."""
    if any(isinstance(value, (dict, list)) for value in values):
        return False
    texts = [value for value in values if isinstance(value, str)]
    if any("://" in text or _OPAQUE.fullmatch(text) for text in texts):
        return False
    return len(values) < 2 or len({minified(value) for value in values}) > 1


def _cut(value: Json) -> Json:
    if isinstance(value, str) and len(value) > _LONG_TEXT:
        return value[: _LONG_TEXT - 1] + "…"
    return value


def _rows(rows: Sequence[Json], limit: int | None, grep: str | None, unit: str) -> tuple[list[Json], str]:
    kept = [row for row in rows if grep is None or _contains(row, grep)]
    found = len(kept)
    if limit is not None:
        kept = kept[:limit]
    if len(kept) == len(rows):
        return kept, ""
    matching = f" with {grep!r}" if grep is not None else ""
    if grep is not None and found != len(kept):
        return kept, f"{len(kept)} of {found} {unit}{matching}, {len(rows)} in all"
    return kept, f"{len(kept)} of {len(rows)} {unit}{matching}"


def _contains(row: Json, grep: str) -> bool:
    text = row if isinstance(row, str) else minified(row)
    if grep.casefold() in text.casefold():
        return True
    # What needs an escape in JSON is searched as it would stand there.
    return (
        not isinstance(row, str) and json.dumps(grep, ensure_ascii=False)[1:-1].casefold() in text.casefold()
    )


def _of_object(value: Json, fields: Sequence[str], grep: str | None) -> Excerpted:
    if not is_object(value):
        return Excerpted(value)
    kept: JsonObject = value
    said_keys = ""
    if grep is not None:
        kept = {key: part for key, part in value.items() if _contains({key: part}, grep)}
        if len(kept) < len(value):
            said_keys = f"{len(kept)} of {len(value)} keys with {grep!r}"
    steps = [_steps(name) for name in fields]
    shown = _projected(kept, steps) if steps else kept
    said = _joined(said_keys, _said_fields(fields, steps, [kept], [shown]))
    return Excerpted(shown, said) if said else Excerpted(value)


def place_of_rows(value: Json) -> str | None:
    """The key of the longest array of objects in an object."""
    if not is_object(value):
        return None
    places = [
        key
        for key, part in value.items()
        if is_array(part) and part and all(is_object(item) for item in part)
    ]
    return max(places, key=lambda key: len(value[key]), default=None)


def _steps(name: str) -> Steps:
    if name.startswith("/"):
        return tuple(tokens_of(name))
    return tuple(name.split("."))


def _without(steps: Steps, place: str | None) -> Steps:
    """A field may be named from the top, too: `items.id`, `/items/0/id`."""
    if place is None or len(steps) < 2 or steps[0] != place:
        return steps
    inner = steps[1:]
    return inner[1:] if len(inner) > 1 and (inner[0].isdigit() or inner[0] in {"*", "[*]"}) else inner


def _projected(value: Json, steps: Sequence[Steps]) -> Json:
    """Only what the steps lead to; arrays on the way are gone through."""
    if is_array(value):
        return [_projected(item, steps) for item in value]
    if not is_object(value):
        return value
    kept: JsonObject = {}
    for key, part in value.items():
        # A key may itself contain dots: then the whole rest of the name is the key.
        if any(step == (key,) or ".".join(step) == key for step in steps):
            kept[key] = part
            continue
        inner = [step[1:] for step in steps if len(step) > 1 and step[0] == key]
        if inner and isinstance(part, (dict, list)):
            projected = _projected(part, inner)
            if projected != {} or part == {}:
                kept[key] = projected
    return kept


def _said_fields(
    fields: Sequence[str], steps: Sequence[Steps], before: Sequence[Json], after: Sequence[Json]
) -> str:
    if not fields or list(before) == list(after):
        return ""
    missing = [
        name
        for name, step in zip(fields, steps, strict=True)
        if not any(_projected(row, [step]) not in ({}, []) for row in before if isinstance(row, (dict, list)))
    ]
    there = [name for name in fields if name not in missing]
    more = f" and {len(there) - _NAMED} more" if len(there) > _NAMED else ""
    said = f"fields {', '.join(there[:_NAMED])}{more}" if there else ""
    return _joined(said, f"no field {', '.join(missing[:_NAMED])}" if missing and before else "")


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
