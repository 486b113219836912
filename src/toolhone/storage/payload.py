"""A redacted payload as the audit keeps it: canonical JSON text of a bounded size.

A payload over `MAX_BYTES` is not cut. Its largest parts (a string, list or object at any depth) are
each replaced by a statement of what stood there:

    {"omitted": true, "bytes": 181233, "sha256": "9f2c…"}

where `bytes` and `sha256` are of the part's own canonical JSON. Small parts around it stay. Numbers
that JSON does not know (NaN, the infinities) are kept as the strings "NaN", "Infinity", "-Infinity".
"""

import hashlib
import json
import math
from typing import cast

from toolhone.exceptions import InvalidRequestError
from toolhone.models import Json, JsonObject, canonical_json

MAX_BYTES = 64 * 1024

_PART_LIMITS = (16 * 1024, 4 * 1024, 1024)
"""What one part may take, from generous to strict, until the whole fits."""


def payload_text(payload: JsonObject) -> str:
    """The text that is stored and hashed.

    Raises:
        InvalidRequestError: The payload is not JSON.
    """
    try:
        text = _canonical(payload)
        if _size(text) <= MAX_BYTES:
            return text
        plain = json.loads(text)
        for limit in _PART_LIMITS:
            shrunk = {key: _shrink(value, limit)[0] for key, value in plain.items()}
            smaller = _canonical(shrunk)
            if _size(smaller) <= MAX_BYTES:
                return smaller
        return _canonical(_omitted(text))
    except (TypeError, ValueError, RecursionError) as exc:
        raise InvalidRequestError(f"An audit payload is not JSON: {exc}.") from exc


def column_text(text: str | None, longest: int = 1024) -> str | None:
    """A name or id as a column keeps it; one that is absurdly long is replaced by a statement of that."""
    if text is None:
        return None
    if len(text) > longest:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return f"[omitted: {len(text)} characters, sha256 {digest}]"
    return _storable(text)


def _canonical(value: Json) -> str:
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = canonical_json(_finite(value))
    return _storable(text)


def _storable(text: str) -> str:
    """Lone surrogates, which UTF-8 cannot spell, become `\\udXXX`: JSON's own escape for them."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8"))


def _finite(value: Json) -> Json:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in cast(JsonObject, value).items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in cast(list[Json], value)]
    return value


def _shrink(value: Json, limit: int) -> tuple[Json, int]:
    """The value with every part over the limit stated instead, innermost first, and its size."""
    shrunk: Json = value
    if isinstance(value, dict):
        parts = {key: _shrink(item, limit) for key, item in cast(JsonObject, value).items()}
        shrunk = {key: part for key, (part, _) in parts.items()}
        size = 2 + sum(_size(_canonical(key)) + 2 + size for key, (_, size) in parts.items())
    elif isinstance(value, list):
        items = [_shrink(item, limit) for item in cast(list[Json], value)]
        shrunk = [item for item, _ in items]
        size = 2 + sum(1 + size for _, size in items)
    else:
        size = _size(_canonical(value))
    if size <= limit:
        return shrunk, size
    stated = _omitted(_canonical(value))
    return stated, _size(_canonical(stated))


def _omitted(text: str) -> JsonObject:
    data = text.encode("utf-8")
    return {"omitted": True, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
