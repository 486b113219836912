"""Whether something handed in is a snapshot that can be kept, and if not, what to change. Pure."""

import json
from difflib import get_close_matches
from typing import cast

from pydantic import ValidationError

from toolhone.exceptions import InvalidRequestError
from toolhone.json_values import is_array, is_object, minified
from toolhone.models import Category, Json, JsonObject
from toolhone.records.snapshots import NewSnapshot

LARGEST_SNAPSHOT = 1024 * 1024
"""Bytes of JSON."""

DEEPEST = 90
"""Levels of one field. The redactor reads 100, counted from a record around it, and keeps nothing below."""

_LARGEST_INTEGER = 2**63 - 1
_SHOWN = 80
_FREE_FIELDS = ("input_data", "output_data", "metadata")


def new_snapshot(value: JsonObject) -> NewSnapshot:
    """The snapshot that a JSON object describes.

    Raises:
        InvalidRequestError: It describes none; the message names the fields, their values and what to do.
    """
    if not is_object(value):
        raise InvalidRequestError(
            f"A snapshot is a JSON object with {_listed(_REQUIRED)}; this is {_shown(value)}."
        )
    try:
        snapshot = NewSnapshot.model_validate(value)
    except ValidationError as exc:
        problems = [
            _problem(str(error["loc"][0]), error["type"], error["msg"], value) for error in exc.errors()
        ]
        raise InvalidRequestError(
            f"The snapshot is not valid: {'; '.join(dict.fromkeys(problems))}.",
            data={"fields": sorted({str(error["loc"][0]) for error in exc.errors()})},
        ) from exc
    check_content(snapshot)
    return snapshot


def check_content(snapshot: NewSnapshot) -> None:
    """What the fields' types do not say: plain JSON of a bounded size and depth.

    Raises:
        InvalidRequestError: It is not; the message names the field.
    """
    if snapshot.tokens_used > _LARGEST_INTEGER:
        raise InvalidRequestError(
            f"'tokens_used' is {snapshot.tokens_used!r}; the most that can be kept is {_LARGEST_INTEGER}."
        )
    size = _bytes(minified([snapshot.tools_offered, snapshot.tools_used]))
    for field in _FREE_FIELDS:
        # The text first: it finds what is not JSON, and what refers to itself, at the speed of C.
        text = _json_text(field, getattr(snapshot, field))
        size += _bytes(text)
        if size > LARGEST_SNAPSHOT:
            raise InvalidRequestError(
                f"The snapshot is too large: up to {field!r} it takes {size} bytes of JSON, "
                f"and {LARGEST_SNAPSHOT} are the most. Leave out what nobody can learn from.",
                data={"field": field, "bytes": size},
            )
        # A level has a bracket: hardly anything has so many that it must be gone through.
        if text.count("{") + text.count("[") > DEEPEST and _is_deeper(getattr(snapshot, field), DEEPEST):
            raise _too_deep(field)


def _json_text(field: str, value: Json) -> str:
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    except RecursionError as exc:
        raise _too_deep(field) from exc
    except (TypeError, ValueError) as exc:
        raise InvalidRequestError(
            f"{field!r} is not JSON: {exc}. It has no word for NaN, infinities and objects of a program.",
            data={"field": field},
        ) from exc


def _too_deep(field: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{field!r} is nested more than {DEEPEST} levels deep. Hand in something flatter.",
        data={"field": field},
    )


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _is_deeper(value: Json, levels: int) -> bool:
    level: list[Json] = [value]
    for _ in range(levels + 1):
        below: list[Json] = []
        for item in level:
            if is_object(item):
                below += item.values()
            elif is_array(item) or isinstance(item, tuple):
                below += cast("list[Json]", item)
        if not below:
            return False
        level = below
    return True


_REQUIRED = [name for name, field in NewSnapshot.model_fields.items() if field.is_required()]
_CATEGORIES = [category.value for category in Category]


def _problem(field: str, kind: str, message: str, value: JsonObject) -> str:
    if kind == "missing":
        return f"{field!r} is missing"
    if kind == "extra_forbidden":
        return f"there is no field {_shown(field)}{_instead(field)}"
    if field == "category":
        given = value.get(field)
        near = _near(given, _CATEGORIES) if isinstance(given, str) else None
        meant = f"; did you mean {near!r}?" if near else ""
        return f"'category' is {_shown(given)}, there are {_listed(_CATEGORIES)}{meant}"
    return f"{field!r} is {_shown(value.get(field))}: {message[:1].lower()}{message[1:]}"


def _instead(field: str) -> str:
    if field in {"timestamp", "recorded_at", "snapshot_id"}:
        return ": toolhone sets time and id itself"
    near = _near(field, list(NewSnapshot.model_fields))
    return f"; did you mean {near!r}?" if near else "; put what has none into 'metadata'"


def _near(word: str, words: list[str]) -> str | None:
    plain = "_".join(word.lower().replace("-", " ").replace("_", " ").split())
    bare = {known.replace("_", ""): known for known in words}
    if known := bare.get(plain.replace("_", "")):
        return known
    return next(iter(get_close_matches(plain, words, 1, cutoff=0.6)), None)


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _shown(value: Json) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
