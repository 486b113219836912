"""What a model reads of a result in place of its JSON, if that takes fewer tokens. Pure."""

import json
from collections.abc import Callable
from decimal import Decimal

from toolhone.compression.tables import SMALLEST, encode_result
from toolhone.json_values import minified, parse_json
from toolhone.models import Json

_BRIEF = 120
"""Characters. Below, a result takes fewer tokens than any table would need to be explained."""

_LONGEST = 262_144
"""Characters of JSON. Writing as many takes seconds, in a worker thread; nobody reads so much."""


def is_brief(value: Json) -> bool:
    """Whether trying is not worth it; quick."""
    if isinstance(value, str):
        return len(value) < _BRIEF
    return not isinstance(value, (dict, list)) or not value


def in_few_tokens(value: Json, count: Callable[[str], int]) -> str | None:
    """The value as a table, or the JSON that a text holds without its spaces; `None` if neither is shorter.

    Text that is not JSON is left as it is, and so is JSON whose exact value Python cannot hold.
    """
    is_text = isinstance(value, str)
    parts = exact_parts(value) if is_text else value
    if not isinstance(parts, (dict, list)):
        return None
    plain = value if is_text else minified(value)
    if len(plain) < _BRIEF or len(plain) > _LONGEST:
        return None
    encoded = encode_result(parts, count)
    if encoded.form == "json" and not is_text:
        return None
    before = count(plain)
    return encoded.text if before >= SMALLEST and count(encoded.text) < before else None


def exact_parts(text: str) -> Json:
    """The array or object that a text is the JSON of; `None` if it is not, or could not be written again."""
    if text.lstrip()[:1] not in {"{", "["}:
        return None
    try:
        # First without Python code for every object, which most texts that are no JSON do not survive.
        parse_json(text)
        return json.loads(text, object_pairs_hook=_object, parse_float=_number)
    except (ValueError, RecursionError):
        return None


def _object(pairs: list[tuple[str, Json]]) -> Json:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key stands twice")
    return made


def _number(text: str) -> float:
    number = float(text)
    if repr(number) != text and Decimal(repr(number)) != Decimal(text):
        raise ValueError(f"{text} is no float")
    return number
