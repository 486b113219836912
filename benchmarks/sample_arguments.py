"""The smallest arguments that a tool's schema accepts, so that recorded tools can really be called."""

from typing import cast

from jsonschema import Draft202012Validator

from toolhone.models import Json, JsonObject

DEPTH = 8
"""Deeper required values are not made up."""

WORDS = ("x", "2026-01-01", "2026-01-01T00:00:00Z", "https://example.com", "a@example.com", "1", "abcdef12")
"""Tried in this order where a string must have a form."""


def sample_arguments(schema: JsonObject) -> JsonObject | None:
    """Values for the required parameters only; `None` if none were found that the schema accepts."""
    try:
        arguments = _sample(schema, schema, DEPTH)
    except (LookupError, TypeError, ValueError, StopIteration):
        return None
    return arguments if _accepts(schema, arguments) else None


def _accepts(schema: JsonObject, value: Json) -> bool:
    validator: Json = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return validator.is_valid(value)


def _sample(schema: Json, root: JsonObject, depth: int) -> Json:
    if depth < 0:
        raise ValueError("too deep")
    if not isinstance(schema, dict):
        return "x"
    given = cast("JsonObject", schema)
    if "$ref" in given:
        return _sample(_target(given["$ref"], root), root, depth - 1)
    for key in ("const", "default"):
        if key in given:
            return given[key]
    if given.get("enum"):
        return given["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if given.get(key) and "properties" not in given:
            return _sample(given[key][0], root, depth - 1)
    return _of_type(given, root, depth)


def _of_type(schema: JsonObject, root: JsonObject, depth: int) -> Json:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = cast("list[str]", kind)[0]
    if kind in ("integer", "number"):
        low = schema.get(
            "minimum", schema.get("exclusiveMinimum", 0) + 1 if "exclusiveMinimum" in schema else 1
        )
        return min(low, schema.get("maximum", low))
    if kind == "boolean":
        return True
    if kind == "null":
        return None
    if kind == "array":
        return [_sample(schema.get("items", {}), root, depth - 1)] * max(schema.get("minItems", 0), 0)
    if kind == "object":
        properties = schema.get("properties", {})
        return {
            name: _sample(properties.get(name, {}), root, depth - 1) for name in schema.get("required", ())
        }
    words = [*WORDS, "x" * schema.get("minLength", 1)]
    return next(word for word in words if _accepts(schema, word))


def _target(reference: str, root: JsonObject) -> Json:
    found: Json = root
    for part in reference.removeprefix("#/").split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found
