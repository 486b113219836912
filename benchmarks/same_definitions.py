"""Whether a decoded tool definition is the one that was encoded: strictly, but for what may differ.

1, 1.0 and true differ; the order of keys does not count. Only `$schema`, a title that can be derived from the
name of the property or tool, and an empty `required` may be missing, and only in schemas: not in defaults,
enums or other data. Written without the codec, so that it cannot share its mistakes.
"""

import re
from collections.abc import Iterator
from typing import cast

from toolhone.models import Json, JsonObject

NAMED_SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Keywords that hold schemas by name."""

DATA = frozenset({"const", "default", "enum", "examples"})


def differences(original: JsonObject, decoded: JsonObject) -> list[str]:
    """Where the two tools differ in what may not."""
    found: list[str] = []
    for key in sorted(original.keys() | decoded.keys()):
        if key not in original or key not in decoded:
            found.append(f"{key} is {'missing' if key in original else 'new'}")
        elif key in ("inputSchema", "outputSchema"):
            found += _in_schema(original[key], decoded[key], str(original.get("name", "")), key)
        elif not same(original[key], decoded[key]):
            found.append(key)
    return found


def same(a: Json, b: Json) -> bool:
    """Strictly equal JSON."""
    waiting: list[tuple[Json, Json]] = [(a, b)]
    while waiting:
        a, b = waiting.pop()
        if type(a) is not type(b):
            return False
        if isinstance(a, dict):
            first, second = cast("JsonObject", a), cast("JsonObject", b)
            if first.keys() != second.keys():
                return False
            waiting += [(first[key], second[key]) for key in first]
        elif isinstance(a, list):
            left, right = cast("list[Json]", a), cast("list[Json]", b)
            if len(left) != len(right):
                return False
            waiting += zip(left, right, strict=True)
        elif a != b:
            return False
    return True


def _in_schema(original: Json, decoded: Json, name: str, where: str) -> Iterator[str]:
    if not isinstance(original, dict) or not isinstance(decoded, dict):
        if not same(original, decoded):
            yield where
        return
    old, new = cast("JsonObject", original), cast("JsonObject", decoded)
    for key in sorted(old.keys() | new.keys()):
        inside = f"{where}/{key}"
        if key not in new:
            if not _may_be_missing(key, old[key], name):
                yield f"{inside} is missing"
        elif key not in old:
            yield f"{inside} is new"
        elif key in DATA:
            if not same(old[key], new[key]):
                yield inside
        elif key in NAMED_SCHEMAS and isinstance(old[key], dict) and isinstance(new[key], dict):
            yield from _by_name(old[key], new[key], inside)
        elif isinstance(old[key], list) and isinstance(new[key], list) and len(old[key]) == len(new[key]):
            for number, (one, other) in enumerate(zip(old[key], new[key], strict=True)):
                yield from _in_schema(one, other, "", f"{inside}/{number}")
        else:
            yield from _in_schema(old[key], new[key], "", inside)


def _by_name(old: JsonObject, new: JsonObject, where: str) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        if name not in old or name not in new:
            yield f"{where}/{name} is {'missing' if name in old else 'new'}"
        else:
            yield from _in_schema(old[name], new[name], name, f"{where}/{name}")


def _may_be_missing(key: str, value: Json, name: str) -> bool:
    if key == "title":
        return isinstance(value, str) and value in derived_titles(name)
    return key == "$schema" or (key == "required" and value == [])


def derived_titles(name: str) -> set[str]:
    """What schema generators make of `max_results` and `maxResults`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ")
    return {name, name.replace("_", " ").title(), words.title(), words.capitalize()}
