"""A JSON Schema in a few words, for the cell of a table. Pure."""

import json
from collections.abc import Callable
from typing import cast

from toolhone.models import Json, JsonObject

BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
}
SIZES = (("minLength", "maxLength", " characters"), ("minItems", "maxItems", ""))


def in_words(schema: JsonObject, link: Callable[[str], str] = str) -> str:
    """What a value is; `link` makes something of the name of another schema."""
    if reference := schema.get("$ref"):
        return link(str(reference).rpartition("/")[2])
    if "const" in schema:
        return _literal(schema["const"])
    if "enum" in schema:
        return ", ".join(map(_literal, schema["enum"]))
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(in_words(choice, link) for choice in choices))
    if schema.get("format") == "path":
        return "path"
    kind = schema.get("type")
    if isinstance(kind, list):
        return " or ".join(cast("list[str]", kind))
    if kind == "array":
        items: JsonObject = schema.get("items") or {}
        return f"list of {in_words(items, link)}{_bounds(schema)}" if items else f"list{_bounds(schema)}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {in_words(schema['additionalProperties'], link)}"
    return f"{kind or 'anything'}{_bounds(schema)}"


def fields(schema: JsonObject, link: Callable[[str], str] = str) -> list[tuple[str, str, str, str]]:
    """The fields of an object: name, type, whether it is needed or its default, description."""
    needed = set(schema.get("required", ()))
    properties: dict[str, JsonObject] = schema.get("properties", {})
    rows: list[tuple[str, str, str, str]] = []
    for name, field in properties.items():
        default = "" if field.get("default") is None else _literal(field["default"])
        rows.append(
            (
                f"`{name}`",
                in_words(field, link),
                "required" if name in needed else default,
                str(field.get("description", "")),
            )
        )
    return rows


def _literal(value: Json) -> str:
    if value in ([], {}, ""):
        return "empty"
    if isinstance(value, bool) or value is None:
        return str(value).lower().replace("none", "null")
    if isinstance(value, str):
        return f"`{value}`"
    return str(value) if isinstance(value, int | float) else f"`{json.dumps(value)}`"


def _bounds(schema: JsonObject) -> str:
    told = [_range(schema.get(low), schema.get(high), unit) for low, high, unit in SIZES]
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        told.append(_range(low, high))
    else:
        told += [f"{words} {_number(schema[name])}" for name, words in BOUNDS.items() if name in schema]
    return "".join(f", {one}" for one in told if one)


def _range(low: float | None, high: float | None, unit: str = "") -> str:
    if high is None:
        return "" if low is None else "not empty" if low == 1 else f"at least {_number(low)}{unit}"
    return f"at most {_number(high)}{unit}" if low is None else f"{_number(low)} to {_number(high)}{unit}"


def _number(value: float) -> str:
    return f"{int(value):,}" if float(value).is_integer() else str(value)
