"""Check the shape of a foreign JSON Schema, fast enough for ten thousand of them.

The 2020-12 metaschema's rules for the types of the keywords, some ten microseconds a schema where
the metaschema itself takes milliseconds. Unknown keywords pass, as they do there.
"""

from collections.abc import Iterator
from typing import cast

from toolhone.models import Json, JsonObject

_TYPES = frozenset({"null", "boolean", "object", "array", "number", "integer", "string"})

_SCHEMA = frozenset(
    {
        *("additionalProperties", "unevaluatedProperties", "unevaluatedItems", "propertyNames"),
        *("contains", "not", "if", "then", "else"),
    }
)
_SCHEMA_LIST = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_SCHEMA_MAP = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"})
_NUMBER = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_COUNT = frozenset({"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"})
_STRING = frozenset({"$ref", "$dynamicRef", "pattern", "format", "title", "description"})


def shape_problem(schema: Json, *, of_object: bool) -> str | None:
    """What is wrong with the schema, or `None`. `of_object` also asks that it describes an object."""
    if not isinstance(schema, dict):
        return "is not a JSON object"
    kind: Json = cast("JsonObject", schema).get("type", "object")
    if of_object and kind != "object":
        return f"has type {kind!r} where MCP asks for 'object'"
    try:
        return next(_problems(schema, ""), None)
    except RecursionError:
        return "is nested too deeply"


def _problems(schema: Json, path: str) -> Iterator[str]:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        yield f"{path}: must be a schema, not {schema!r:.40}"
        return
    for keyword, value in cast("JsonObject", schema).items():
        place = f"{path}/{keyword}"
        if keyword == "type":
            kinds = cast("list[Json]", value) if isinstance(value, list) else [value]
            if not kinds or not all(isinstance(kind, str) and kind in _TYPES for kind in kinds):
                yield f"{place}: {value!r:.40} is not a type"
        elif keyword in _SCHEMA_MAP:
            if isinstance(value, dict):
                for name, part in cast("JsonObject", value).items():
                    yield from _problems(part, f"{place}/{name}")
            else:
                yield f"{place}: must be an object of schemas"
        elif keyword in _SCHEMA_LIST or (keyword == "items" and isinstance(value, list)):
            if isinstance(value, list) and value:
                for index, part in enumerate(cast("list[Json]", value)):
                    yield from _problems(part, f"{place}/{index}")
            else:
                yield f"{place}: must be a list of schemas"
        elif keyword in _SCHEMA or keyword == "items":
            yield from _problems(value, place)
        elif keyword == "required":
            if not isinstance(value, list) or not all(isinstance(n, str) for n in cast("list[Json]", value)):
                yield f"{place}: must be a list of property names"
        elif keyword == "enum":
            if not isinstance(value, list):
                yield f"{place}: must be a list"
        elif keyword in _STRING:
            if not isinstance(value, str):
                yield f"{place}: must be a string"
        elif keyword in _NUMBER:
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                yield f"{place}: must be a number"
        elif keyword in _COUNT and (not isinstance(value, (int, float)) or value < 0 or value % 1):
            yield f"{place}: must be a whole number of at least 0"
