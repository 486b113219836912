"""Random MCP tool definitions with every keyword of JSON Schema 2020-12, usual and odd, from one seed.

Used by the tests of signatures and by the benchmark: `tools(random.Random(1), 10_000)`.
"""

import random
from typing import cast

from toolhone.models import Json, JsonObject

_WORDS = (
    "owner", "repo", "path", "query", "page", "limit", "state", "labels", "filter", "name", "id",
    "user", "title", "body", "since", "order", "cursor", '"', '"$filter', "@type", "x-y", "a.b",
    "fields[]", "'q'", "2nd", "_id", "naïve", "日本", "😀", "def", "raw", "any", "str", "*", "+", "-",
    "=", "&", "#", "~",
)  # fmt: skip
_TEXTS = (
    "The owner of the repository.",
    "Maximum number of results to return (default 20, at most 100).",
    "First line.\nSecond line: with a colon.\n\n  - indented\n - one space\n## a heading\n# another",
    "& looks shared\n%1 looks stated\n\\1 looks like a reference\n\\",
    "",
    " ",
    "\n",
    "ends with a newline\n",
    "\nbegins with one",
    "tab\tand \\ backslash \"quoted\" 'single' `code`",
    "control \x00\x07\x1b\x7f characters",
    "separators \u2028 \u2029 \x85 and a carriage\r\nreturn",
    "a lone surrogate \ud800 stands here",
    "emoji 🦀 and 漢字、全角。",
    "defaults: closed",
    "~ lossy",
    "// a comment",
    '{"json": true}',
    "x" * 400,
)
_VALUES: tuple[Json, ...] = (
    None, True, False, 0, 1, -1, 1.0, 0.5, -0.0, 1e300, 9007199254740991, 10**30, "", "a", "true", "null",
    "1", "two words", "=x", "a|b", 'q"uote', "\n", "\ud800", [], {}, [1, 1.0, True], {"a": {"b": [None]}},
    ["%1", "\\1"],
)  # fmt: skip
_PATTERNS = ("^a+$", "^(a+)+$", "a/b", "\\d{3}", "\n", '"', "[", "")
_APPLIED = (
    "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedItems",
    "unevaluatedProperties", "additionalItems",
)  # fmt: skip
_CARRIED = (
    "examples", "$comment", "$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$vocabulary",
    "deprecated", "readOnly", "writeOnly", "contentEncoding", "contentMediaType", "contentSchema",
    "dependentRequired", "minContains", "maxContains", "uniqueItems", "minProperties",
    "maxProperties", "multipleOf", "nullable", "discriminator", "x-odd",
)  # fmt: skip
_SCHEMAS = (
    "http://json-schema.org/draft-07/schema#",
    "https://json-schema.org/draft/2020-12/schema",
    "x,y",
    1,
)
_ANNOTATIONS: tuple[Json, ...] = (
    {"readOnlyHint": True},
    {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": False, "openWorldHint": True},
    {"title": "A title", "readOnlyHint": True},
    {"readOnlyHint": None},
    {"other": 1},
    {},
    None,
)
_BOUNDS: tuple[Json, ...] = (0, 1, -5, 1.0, 0.5, 9007199254740991, -9007199254740991, 1e-7, True, "1")
_TYPES: tuple[Json, ...] = ("boolean", "null", "object", "array", "string", "odd", 7, ["string", "null"])
_ENUM = ("open", "closed", "a b", "<x>", "1", "", "null", "+1", 'q"', "é")
_FORMATS = ("date-time", "uri", "email", "odd format", "", "x@y")


def tools(rng: random.Random, count: int) -> list[JsonObject]:
    """So many tools with names of their own; some share parameters with the tool before them."""
    made: list[JsonObject] = []
    for number in range(count):
        tool = _tool(rng, number)
        if made and rng.random() < 0.4:
            before, own = _properties(made[-1]), _properties(tool)
            if before and own:
                tool["inputSchema"]["properties"] = {**own, **before}
        made.append(tool)
    return made


def _properties(tool: JsonObject) -> JsonObject:
    schema: Json = tool["inputSchema"]
    return cast("JsonObject", schema).get("properties") or {} if isinstance(schema, dict) else {}


def _tool(rng: random.Random, number: int) -> JsonObject:
    tool: JsonObject = {"name": f"{_word(rng)}_{number}"}
    if rng.random() < 0.9:
        tool["description"] = _text(rng) if rng.random() < 0.95 else None
    schema = _object(rng, 4) if rng.random() < 0.95 else _schema(rng, 4)
    tool["inputSchema"] = schema
    if isinstance(schema, dict):
        if rng.random() < 0.3:
            schema["$schema"] = rng.choice(_SCHEMAS)
        if rng.random() < 0.2:
            schema[rng.choice(["$defs", "definitions"])] = {
                _word(rng): _schema(rng, 2) for _ in range(rng.randint(0, 3))
            }
    if rng.random() < 0.2:
        tool["outputSchema"] = _object(rng, 2)
    if rng.random() < 0.3:
        tool["annotations"] = rng.choice(_ANNOTATIONS)
    for key in ("title", "_meta", "icons", "execution", "odd key"):
        if rng.random() < 0.1:
            tool[key] = rng.choice(_VALUES)
    return tool


def _word(rng: random.Random) -> str:
    return rng.choice(_WORDS) + (str(rng.randint(0, 9)) if rng.random() < 0.3 else "")


def _text(rng: random.Random) -> str:
    if rng.random() < 0.2:
        return "".join(
            chr(rng.choice([32, 10, 92, 38, 37, 35, 97, 58, 34, 48, 0, 0xD800])) for _ in range(12)
        )
    return rng.choice(_TEXTS)


def _object(rng: random.Random, depth: int) -> JsonObject:
    schema: JsonObject = {"type": "object"}
    if rng.random() < 0.9:
        names = list(dict.fromkeys(_word(rng) for _ in range(rng.randint(0, 5))))
        schema["properties"] = {name: _schema(rng, depth - 1) for name in names}
        required = [name for name in names if rng.random() < 0.5]
        if rng.random() < 0.1:
            rng.shuffle(required)
        if rng.random() < 0.05:
            required.append("missing")
        if required or rng.random() < 0.1:
            schema["required"] = required
    if rng.random() < 0.5:
        others: list[Json] = [False, False, True, {}, _schema(rng, depth - 1)]
        schema["additionalProperties"] = rng.choice(others)
    _extras(rng, schema, depth)
    return schema


def _schema(rng: random.Random, depth: int) -> Json:
    kind = rng.random()
    if kind < 0.03:
        return rng.random() < 0.5
    schema: JsonObject
    if kind < 0.3:
        schema = _string(rng)
    elif kind < 0.45:
        schema = {"type": rng.choice(["integer", "number"])}
        for key in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"):
            if rng.random() < 0.25:
                schema[key] = rng.choice(_BOUNDS)
    elif kind < 0.55 or depth <= 0:
        schema = {"type": rng.choice(_TYPES)}
    elif kind < 0.68:
        schema = {"type": "array"}
        if rng.random() < 0.9:
            schema["items"] = _schema(rng, depth - 1)
        for key in ("minItems", "maxItems"):
            if rng.random() < 0.3:
                schema[key] = rng.randint(0, 9)
    elif kind < 0.82:
        schema = _object(rng, depth - 1)
    elif kind < 0.93:
        members = [_schema(rng, depth - 1) for _ in range(rng.randint(0, 3))]
        schema = {rng.choice(["anyOf", "oneOf", "allOf", "prefixItems"]): members}
        if rng.random() < 0.2:
            schema["type"] = rng.choice(["object", "array"])
    else:
        schema = rng.choice(
            [
                {"$ref": "#/$defs/owner"},
                {"$ref": "#/definitions/a.b"},
                {"$ref": "#/properties/a/items"},
                {"$ref": "#"},
                {"$ref": "https://example.com/x.json#/a b"},
                {"const": rng.choice(_VALUES)},
                {"enum": [rng.choice(_VALUES)]},
                {},
            ]
        )
        schema = dict(schema)
    _extras(rng, schema, depth)
    return schema


def _string(rng: random.Random) -> JsonObject:
    schema: JsonObject = {"type": "string"}
    if rng.random() < 0.25:
        schema["enum"] = [rng.choice(_ENUM) for _ in "abc"]
    if rng.random() < 0.1:
        schema["const"] = rng.choice(["x", "it's", "", "a\\b", "\n"])
    lengths = (("minLength", (0, 1)), ("maxLength", (5, 10**6, 2.0)))
    for key, choices in (*lengths, ("format", _FORMATS), ("pattern", _PATTERNS)):
        if rng.random() < 0.2:
            schema[key] = rng.choice(choices)
    return schema


def _extras(rng: random.Random, schema: JsonObject, depth: int) -> None:
    if rng.random() < 0.5:
        schema["description"] = _text(rng) if rng.random() < 0.97 else rng.choice(_VALUES)
    if rng.random() < 0.2:
        schema["default"] = rng.choice(_VALUES)
    if rng.random() < 0.1:
        schema["title"] = rng.choice(["Owner", "Owner Name", "", None])
    if rng.random() < 0.12:
        key = rng.choice(_APPLIED)
        schema[key] = _schema(rng, depth - 2)
    if rng.random() < 0.06:
        key = rng.choice(["patternProperties", "dependentSchemas", "$defs"])
        schema[key] = {_word(rng): _schema(rng, depth - 2) for _ in range(rng.randint(0, 2))}
    if rng.random() < 0.1:
        key = rng.choice(_CARRIED)
        schema[key] = rng.choice(_VALUES)
