"""Redacts JSON values: every string, every key, and JSON inside strings."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import count
from typing import NamedTuple, TypeAlias, cast

from toolhone.models import Json, JsonObject
from toolhone.redaction.assignments import find_assignments
from toolhone.redaction.figures import SHORTEST_CARD, find_figures
from toolhone.redaction.keys import LONGEST_KEY, Telling, names_a_version, names_secrets, telling
from toolhone.redaction.layouts import find_laid_out
from toolhone.redaction.likeness import word_set
from toolhone.redaction.placeholders import (
    FILLER,
    Kind,
    Span,
    binary_placeholder,
    blank_marks,
    placeholder,
    without_marks,
)
from toolhone.redaction.shapes import find_shapes

MAX_DEPTH = 100
"""Deeper levels are not kept, so that what comes out can always be written as JSON."""

Mark: TypeAlias = Callable[[Kind, str], str]
"""Gives the mark that stands for something of this kind with this text."""

_MAX_PASSES = 6
_SHORTEST_SECRET = 6
# Nothing is found in text without a digit, a separator, the start of a flag or of a token of ours.
_SUSPECT = re.compile(r"[0-9@=:<]|--|\"-| -p|asic |thk_")
_LARGEST_NUMBER_BITS = 14_000  # Python refuses to write integers of more than 4300 digits
_FLAG = re.compile(r"--?[A-Za-z][\w-]{0,64}\Z")

# A table as `{"columns": ["name", …], "rows": [["Bob", …], …]}`.
_COLUMN_KEYS = ("columns", "column_names", "headers", "header", "fields")
_COLUMN_WORDS = frozenset(_COLUMN_KEYS)
_ROW_KEYS = word_set("rows data values records")

_SCHEMA_TYPES = word_set("string number integer boolean array object null")
_SCHEMA_WORDS = word_set("""
    $ref $comment type title description format pattern enum const default example examples items
    properties required additionalProperties anyOf oneOf allOf not nullable deprecated readOnly writeOnly
    minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength minItems maxItems
    uniqueItems minProperties maxProperties contentEncoding contentMediaType
    """)
_SCHEMA_VALUES = word_set("enum const default example examples")


class _Key(NamedTuple):
    """What is known of a key."""

    text: str
    """As it is kept."""
    name: str
    """Without marks: by this it is judged."""
    found: Telling | None
    version: bool


class Redactor:
    """Redacts values, with marks in the place of what must not be kept.

    Args:
        mark: Gives the marks.
        settled: Texts in which nothing must go; they are passed over, and those found are added. For
            redacting one value several times.
    """

    def __init__(self, mark: Mark, *, settled: set[str] | None = None) -> None:
        self._mark = mark
        self._settled = settled

    def value(self, value: Json, inherited: Telling | None = None, depth: int = 0) -> Json:
        """A copy of `value`, redacted; a copy only where something is not a scalar."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._scalar(value, inherited, depth)
        if isinstance(value, int | float):
            return self._number(value, inherited)
        if isinstance(value, bytes | bytearray):
            return binary_placeholder(len(value))
        if not isinstance(value, dict | list | tuple | Mapping):
            return placeholder(Kind.OBJECT)
        if depth >= MAX_DEPTH:
            return placeholder(Kind.TOO_DEEP)
        if isinstance(value, list | tuple):
            items = self._items(cast("list[Json] | tuple[Json, ...]", value), inherited, depth + 1)
            return tuple(items) if isinstance(value, tuple) else items
        return self._object(cast("Mapping[object, Json]", value), inherited, depth + 1)

    def text(self, text: str, depth: int = 0, *, version: bool = False) -> str:
        """Redacts until nothing changes: what was cut out may lay bare the edge of something else."""
        if len(text) < _SHORTEST_SECRET or not _SUSPECT.search(text):
            return text
        settled = self._settled
        for _ in range(_MAX_PASSES):
            if settled is not None and text in settled:
                return text
            redacted = self._json(text, depth)
            if redacted is None:
                redacted = self._plain(text, version=version)
                if settled is not None and redacted == text and not version:
                    settled.add(text)
            if redacted == text:
                return text
            text = redacted
        return self._mark(Kind.SECRET, text)

    def _object(self, value: Mapping[object, Json], inherited: Telling | None, depth: int) -> JsonObject:
        schema = inherited is not None and _is_schema(value)
        entry = telling(_entry_name(value, depth)) if "value" in value else None
        names: Iterable[object] = value
        columns = None if _COLUMN_WORDS.isdisjoint(names) else _columns(value, depth)
        result: JsonObject = {}
        for raw_key, item in value.items():
            key = _judged(raw_key) if type(raw_key) is str and len(raw_key) <= LONGEST_KEY else None
            if key is None:
                key = self._key(raw_key, depth)
            text, name, found, version = key
            if found is None and name == "value":
                found = entry
            if inherited is not None and (found is None or found.condition is not None):
                # What the key says holds for all below it, whatever a key there would ask for.
                found = found if schema and name not in _SCHEMA_VALUES else inherited
            if found is not None:
                item = self.value(item, _passed_on(found, item), depth)
            elif type(item) is not str:
                if not _is_harmless(item):
                    item = self.value(item, None, depth)
            elif len(item) >= _SHORTEST_SECRET and _SUSPECT.search(item):
                item = self.text(item, depth, version=version)
            if columns and name in _ROW_KEYS and isinstance(item, list | tuple):
                item = self._table(cast("list[Json] | tuple[Json, ...]", item), columns, depth + 1)
            result[text if text not in result else unused_key(text, result)] = item
        return result

    def _items(
        self, value: list[Json] | tuple[Json, ...], inherited: Telling | None, depth: int
    ) -> list[Json]:
        flag: Telling | None = None
        items: list[Json] = []
        for item in value:
            if isinstance(item, str) and item[:1] == "-" and _FLAG.match(item):
                # Its value may stand behind it, as in a list of arguments.
                redacted = self.value(item, inherited, depth)
                flag = telling(item)
            else:
                redacted = self.value(item, inherited or flag, depth)
                flag = None
            items.append(redacted)
        return items

    def _table(self, rows: list[Json] | tuple[Json, ...], columns: dict[int, Telling], depth: int) -> Json:
        """Rows, redacted already, without what stands in the columns named."""
        redacted: list[Json] = []
        for row in rows:
            if isinstance(row, list | tuple):
                cells = list(cast("list[Json] | tuple[Json, ...]", row))
                for place, found in columns.items():
                    if place < len(cells):
                        cells[place] = self.value(cells[place], _passed_on(found, cells[place]), depth + 1)
                row = tuple(cells) if isinstance(row, tuple) else cells
            redacted.append(row)
        return tuple(redacted) if isinstance(rows, tuple) else redacted

    def _key(self, key: object, depth: int) -> _Key:
        """A key as JSON writes it, redacted."""
        if isinstance(key, str):
            text = self.text(key, depth)
        elif key is None or isinstance(key, bool):
            text = json.dumps(key)
        elif isinstance(key, int | float):
            text = str(self._number(key, None))
        else:
            text = placeholder(Kind.OBJECT)
        name = without_marks(text)
        return _Key(text, name, telling(name), names_a_version(name))

    def _number(self, value: float, found: Telling | None) -> Json:
        if isinstance(value, int) and value.bit_length() > _LARGEST_NUMBER_BITS:
            return placeholder(Kind.OBJECT)
        if found is not None and (found.condition is None or found.condition(str(value))):
            return self._mark(found.kind, str(value))
        # Only a card is known by its digits alone.
        if isinstance(value, int) and abs(value) >= SHORTEST_CARD:
            text = str(value)
            return value if _PLAIN.text(text) == text else self._mark(Kind.CARD, text)
        return value

    def _scalar(self, text: str, found: Telling | None, depth: int) -> str:
        if found is None:
            return self.text(text, depth)
        if not without_marks(text).strip():
            return text
        if found.condition is None or found.condition(text):
            return self._mark(found.kind, text)
        return self.text(text, depth)

    def _json(self, text: str, depth: int) -> str | None:
        """`text` redacted as the JSON object or array that it is, or `None` if it is none."""
        bare = text.strip()
        if bare[:1] + bare[-1:] not in ("{}", "[]"):
            return None
        repeated = False

        def pairs(items: list[tuple[str, Json]]) -> JsonObject:
            nonlocal repeated
            item = dict(items)
            repeated = repeated or len(item) != len(items)
            return item

        try:
            parsed = json.loads(bare, object_pairs_hook=pairs)
        except ValueError:
            return None
        except RecursionError:
            return placeholder(Kind.TOO_DEEP)
        redacted = self.value(parsed, None, depth)
        # Readers of JSON drop all but the last of repeated keys, and would miss what the others hold.
        if redacted == parsed and not repeated:
            return text
        return redacted if isinstance(redacted, str) else json.dumps(redacted, ensure_ascii=False)

    def _plain(self, text: str, *, version: bool = False) -> str:
        """`text` with every span of the rules replaced; spans that touch become one."""
        visible = blank_marks(text)
        spans = [*find_shapes(visible), *find_figures(visible, version=version)]
        if names_secrets(visible):
            spans += (*find_assignments(visible), *find_laid_out(visible))
        if not spans:
            return text
        spans = sorted(span for span in spans if visible[span.start : span.end].strip(FILLER))
        if not spans:
            return text
        parts: list[str] = []
        position = 0
        for start, end, kind in _united(spans):
            parts += (text[position:start], self._mark(kind, text[start:end]))
            position = end
        return "".join([*parts, text[position:]])


def _is_harmless(item: object) -> bool:
    """A scalar in which there is nothing to find; most are."""
    return (
        item is None
        or isinstance(item, float)
        or (isinstance(item, int) and -SHORTEST_CARD < item < SHORTEST_CARD)
    )


def _unnumbered(kind: Kind, _text: str) -> str:
    return placeholder(kind)


_PLAIN = Redactor(_unnumbered)


def redact(value: Json) -> Json:
    """A copy of `value` in which placeholders stand for everything that must not be kept.

    Never raises, and what it returns can be written as JSON. Redacting it again changes nothing.
    """
    return _PLAIN.value(value)


def redact_text(text: str) -> str:
    """`text` with placeholders for everything that must not be kept; JSON in it stays JSON."""
    return _PLAIN.text(text)


# Keys come back in every record; one in which something must go is not held on to.
@lru_cache(maxsize=4096)
def _judged(key: str) -> _Key | None:
    """What is known of a key in which there is nothing to redact, `None` for any other."""
    if _PLAIN.text(key) != key or without_marks(key) != key:
        return None
    return _Key(key, key, telling(key), names_a_version(key))


def _columns(value: Mapping[object, Json], depth: int) -> dict[int, Telling]:
    """The columns of a table whose name tells of a secret, by their place in a row."""
    for key in _COLUMN_KEYS:
        names = value.get(key)
        if isinstance(names, list | tuple):
            return {
                place: found
                for place, name in enumerate(cast("list[Json] | tuple[Json, ...]", names))
                if (found := telling(_column_name(name, depth)))
            }
    return {}


def _column_name(column: Json, depth: int) -> str:
    if isinstance(column, str):
        return without_marks(_PLAIN.text(column, depth))
    return _entry_name(cast("Mapping[object, Json]", column), depth) if isinstance(column, Mapping) else ""


def _passed_on(found: Telling | None, item: Json) -> Telling | None:
    """What a key says of a container holds for all in it, unless the key was only a hint."""
    if found is not None and found.condition is not None and isinstance(item, Mapping):
        return None
    return found


def _is_schema(value: Mapping[object, Json]) -> bool:
    """The JSON Schema of a secret describes it and holds none, except in its examples."""
    kinds = value.get("type")
    names: list[Json] = cast("list[Json]", kinds) if isinstance(kinds, list) else [kinds]
    return all(isinstance(name, str) and name in _SCHEMA_TYPES for name in names) and all(
        key in _SCHEMA_WORDS for key in value
    )


def _entry_name(value: Mapping[object, Json], depth: int) -> str:
    """The key in `{"name": key, "value": …}`, as headers and environments are listed."""
    for word in ("name", "key", "header"):
        name = value.get(word)
        if isinstance(name, str):
            return without_marks(_PLAIN.text(name, depth))
    return ""


def unused_key(key: str, taken: JsonObject) -> str:
    """Two keys may become the same mark; both keep their values."""
    if key not in taken:
        return key
    return next(name for number in count(2) if (name := f"{key} ({number})") not in taken)


def _united(spans: list[Span]) -> Iterator[Span]:
    """Overlapping spans as one, of the kind of the longest."""
    current = longest = spans[0]
    for span in spans[1:]:
        if span.start >= current.end:
            yield current._replace(kind=longest.kind)
            current = longest = span
            continue
        if span.end - span.start > longest.end - longest.start:
            longest = span
        current = current._replace(end=max(current.end, span.end))
    yield current._replace(kind=longest.kind)
