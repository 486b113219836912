"""What changed between two definitions of a tool, field by field, fit to be shown to a person. Pure.

A change is

    {"field": "/inputSchema/properties/path/description", "change": "added" | "removed" | "changed",
     "before": TEXT | null, "after": TEXT | null,
     "words": [{"kind": "same" | "removed" | "added", "text": TEXT}, …]}

`field` is a JSON Pointer. Texts stand as they are, other values as JSON; characters that are not seen stand
as `⟨U+202E⟩`, and what is too long ends in `…`. `words` is there when both are texts that are not too long.
"""

from collections.abc import Iterator
from difflib import SequenceMatcher
from re import findall
from typing import cast

from toolhone.invisible import unseen_in, with_unseen_shown
from toolhone.json_values import minified, texts
from toolhone.models import Json, JsonObject, canonical_json
from toolhone.pointers import pointer

MOST_CHANGES = 200

MOST_CHARACTERS = 20_000
"""Of one text that is shown."""

MOST_WORDS = 2_000
"""Comparing takes time with the square of them."""


def differences(old: JsonObject | None, new: JsonObject) -> JsonObject:
    """`changes`, `more_changes` and `unseen` of what was approved, if anything was, and what is offered."""
    changes = list(_changes(old or {}, new, ()))
    return {
        "changes": [_told(*change) for change in changes[:MOST_CHANGES]],
        "more_changes": max(0, len(changes) - MOST_CHANGES),
        "unseen": unseen_in("\n".join(texts(new))),
    }


_MISSING = object()


def _changes(old: Json, new: Json, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Json, Json]]:
    """Path, before and after of the smallest parts that differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        before, after = cast("JsonObject", old), cast("JsonObject", new)
        for key in dict.fromkeys([*before, *after]):
            yield from _changes(before.get(key, _MISSING), after.get(key, _MISSING), (*path, key))
    # 1 and true are equal to Python, and not to a schema.
    elif old is _MISSING or new is _MISSING or canonical_json(old) != canonical_json(new):
        yield path, old, new


def _told(path: tuple[str, ...], old: Json, new: Json) -> JsonObject:
    told: JsonObject = {
        "field": with_unseen_shown(pointer(path)),
        "change": "added" if old is _MISSING else "removed" if new is _MISSING else "changed",
        "before": None if old is _MISSING else _shown(old),
        "after": None if new is _MISSING else _shown(new),
    }
    if isinstance(old, str) and isinstance(new, str):
        words = _words(with_unseen_shown(old), with_unseen_shown(new))
        if words is not None:
            told["words"] = words
    return told


def _shown(value: Json) -> str:
    text = with_unseen_shown(value if isinstance(value, str) else minified(value))
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"


def _words(old: str, new: str) -> list[JsonObject] | None:
    """The new text with what was removed and added, by words; `None` if it is too long for that."""
    before: list[str] = findall(r"\s+|\w+|[^\w\s]", old)
    after: list[str] = findall(r"\s+|\w+|[^\w\s]", new)
    if max(len(before), len(after)) > MOST_WORDS:
        return None
    told: list[JsonObject] = []
    matcher = SequenceMatcher(a=before, b=after, autojunk=False)
    for what, start, end, new_start, new_end in matcher.get_opcodes():
        if what == "equal":
            told.append({"kind": "same", "text": "".join(before[start:end])})
            continue
        if end > start:
            told.append({"kind": "removed", "text": "".join(before[start:end])})
        if new_end > new_start:
            told.append({"kind": "added", "text": "".join(after[new_start:new_end])})
    return told
