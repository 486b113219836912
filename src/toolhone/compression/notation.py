"""The words, marks and characters that the writer and the reader of signatures agree on."""

import json
import re
from collections.abc import Mapping
from types import MappingProxyType

from toolhone import json_values
from toolhone.models import Json

TYPE_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "string": "str",
        "integer": "int",
        "number": "num",
        "boolean": "bool",
        "null": "null",
        "object": "obj",
        "array": "arr",
    }
)
WORD_TYPES: Mapping[str, str] = MappingProxyType({word: name for name, word in TYPE_WORDS.items()})

BOUNDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "string": ("minLength", "maxLength"),
        "integer": ("minimum", "maximum"),
        "number": ("minimum", "maximum"),
        "array": ("minItems", "maxItems"),
    }
)
"""What `(lo..hi)` stands for, by type. On numbers `(>lo..<hi)` are the exclusive bounds."""

SAFE_INTEGER = 9007199254740991
"""The largest integer that every JSON reader keeps; written `safe` in bounds."""

SCHEMA_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
SCHEMA_VALUES = frozenset(
    {
        "additionalItems",
        "additionalProperties",
        "contains",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
SCHEMA_MAPS = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})

DRAFTS: Mapping[str, str] = MappingProxyType(
    {
        "draft-07": "http://json-schema.org/draft-07/schema#",
        "2020-12": "https://json-schema.org/draft/2020-12/schema",
    }
)

HINTS: Mapping[str, str] = MappingProxyType(
    {
        "readOnlyHint": "read-only",
        "destructiveHint": "destructive",
        "idempotentHint": "idempotent",
        "openWorldHint": "open-world",
    }
)

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_$@.\-]*")
DEFINITION_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
POINTER = re.compile(r"[A-Za-z0-9_$/.\-%~]*")
FORMAT = re.compile(r"[A-Za-z][A-Za-z0-9\-]*")
DEFAULT_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
ENUM_WORD = re.compile('[^\\s"<>\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]+')
PLAIN_PATTERN = re.compile("[^/\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]+")
CONST_WORD = re.compile("[^'\\\\\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]*")
NUMBER = re.compile(r"-?[0-9]{1,300}(?:\.[0-9]{1,40})?(?:e[+-]?[0-9]{1,4})?")
JSON_WORDS = frozenset({"true", "false", "null"})

UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")
"""What a line of text may not hold as it is: it would be cut, changed or refused on its way."""

MUST_ESCAPE = re.compile(r" (?! )|[\\&%]|## |$")
"""A line of text that begins like this gets a backslash in front, or it would be read as something else.

An empty line needs it only at the end of a text."""

TEXT_REFERENCE = re.compile(r"\\([0-9]{1,6})")


def minified(value: Json) -> str:
    """`value` as JSON on one line, without a character that is unsafe in a line of text."""
    text = json_values.minified(value)
    if UNSAFE.search(text) is None:
        return text
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True).replace("\x7f", "\\u007f")


def written_name(name: str) -> str:
    """A parameter's name, quoted where it holds a mark."""
    return name if NAME.fullmatch(name) else minified(name)
