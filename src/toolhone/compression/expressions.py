"""From a JSON Schema to one line: types, nesting and bounds in short forms, everything else as it is."""

from typing import cast

from toolhone.compression import notation
from toolhone.compression.notation import minified, written_name
from toolhone.compression.parts import Parts
from toolhone.compression.texts import text_part
from toolhone.models import Json, JsonObject

_UNIONS = {"anyOf": "", "oneOf": "oneOf", "allOf": "allOf"}


class ExpressionWriter:
    """Writes the schemas of one catalog; what repeats becomes a part."""

    def __init__(self, parts: Parts, *, closed: bool) -> None:
        self._parts = parts
        self._closed = closed

    def schema(self, schema: Json) -> str:
        """A whole schema, description included, for a place where nothing else follows."""
        core, text = self.split(schema)
        return core if text is None else f"{core} {text_part(self._parts, text, 'q')}"

    def split(self, schema: Json) -> tuple[str, str | None]:
        """A schema without its description, and the description if it is a text."""
        core, text, _ = self._written(schema)
        return core, text

    def _written(self, schema: Json) -> tuple[str, str | None, bool]:
        """The same, and whether the schema is one plain type, which `[]` or `|` can follow."""
        if not isinstance(schema, dict):
            return f"raw {minified(schema)}", None, False
        rest = dict(cast("JsonObject", schema))
        text = rest.pop("description") if isinstance(rest.get("description"), str) else None
        one_type = isinstance(rest.get("type"), str) or not any(key in rest for key in ("type", *_UNIONS))
        core = self._base(rest)
        plain = one_type and not rest
        if "default" in rest:
            core += f"={_default(rest.pop('default'))}"
        core += self.extras(rest)
        return self._parts.expression(core), text, plain

    def extras(self, keywords: JsonObject) -> str:
        """Keywords without a place of their own."""
        return "".join(f" +{written_name(key)}{self._extra(key, value)}" for key, value in keywords.items())

    def _extra(self, key: str, value: Json) -> str:
        if key in notation.SCHEMA_VALUES and isinstance(value, dict):
            return f"({self.schema(value)})"
        if key in notation.SCHEMA_LISTS and isinstance(value, list) and value:
            return f"({', '.join(self.schema(item) for item in cast('list[Json]', value))})"
        return self._parts.expression(f"={minified(value)}")

    def _base(self, rest: JsonObject) -> str:
        """The type with its bounds; takes what it says out of `rest`."""
        kind = rest.get("type")
        if kind is None and "type" not in rest:
            return self._untyped(rest)
        if isinstance(kind, list):
            return self._several(rest, cast("list[Json]", kind))
        if not isinstance(kind, str) or kind not in notation.TYPE_WORDS:
            return "any"
        del rest["type"]
        if kind == "string":
            return self._string(rest)
        if kind == "array":
            return self._array(rest)
        if kind == "object":
            return self._object(rest)
        return notation.TYPE_WORDS[kind] + _bounds(kind, rest)

    def _untyped(self, rest: JsonObject) -> str:
        if isinstance(reference := rest.get("$ref"), str):
            del rest["$ref"]
            return _reference(reference)
        for key, word in _UNIONS.items():
            members = rest.get(key)
            if isinstance(members, list) and members:
                del rest[key]
                return self._union(word, cast("list[Json]", members))
        if "const" in rest:
            return f"const {minified(rest.pop('const'))}"
        return "any"

    def _union(self, word: str, members: list[Json]) -> str:
        if word:
            return f"{word}({', '.join(self.schema(member) for member in members)})"
        if len(members) == 1:
            return f"anyOf({self.schema(members[0])})"
        return self._parts.expression("|".join(self._operand(member) for member in members))

    def _operand(self, schema: Json) -> str:
        """A schema that something is joined to: in parentheses unless it is one plain type."""
        core, text, plain = self._written(schema)
        if text is not None:
            return f"({core} {text_part(self._parts, text, 'q')})"
        return core if plain else f"({core})"

    def _several(self, rest: JsonObject, kinds: list[Json]) -> str:
        known = all(isinstance(kind, str) and kind in notation.TYPE_WORDS for kind in kinds)
        if not known or len(kinds) < 2:
            return "any"
        del rest["type"]
        names = cast("list[str]", kinds)
        word = "/".join(notation.TYPE_WORDS[name] for name in names)
        bounded = next((name for name in names if name in notation.BOUNDS), "")
        return word + _bounds(bounded, rest)

    def _string(self, rest: JsonObject) -> str:
        values = rest.get("enum")
        if (
            isinstance(values, list)
            and values
            and all(isinstance(v, str) for v in cast("list[Json]", values))
        ):
            del rest["enum"]
            words = " ".join(_enum_word(value) for value in cast("list[str]", values))
            return self._parts.expression(f"<{words}>")
        const = rest.get("const")
        if isinstance(const, str) and notation.CONST_WORD.fullmatch(const):
            del rest["const"]
            return f"'{const}'"
        core = "str" + _bounds("string", rest)
        if isinstance(form := rest.get("format"), str) and notation.FORMAT.fullmatch(form):
            core += f"@{rest.pop('format')}"
        if isinstance(pattern := rest.get("pattern"), str):
            del rest["pattern"]
            plain = notation.PLAIN_PATTERN.fullmatch(pattern)
            core += f"~/{pattern}/" if plain else f"~{minified(pattern)}"
        return core

    def _array(self, rest: JsonObject) -> str:
        core = "arr"
        if isinstance(items := rest.get("items"), dict):
            del rest["items"]
            core = self._operand(cast("JsonObject", items)) + "[]"
        return self._parts.expression(core + _bounds("array", rest))

    def _object(self, rest: JsonObject) -> str:
        properties = rest.get("properties")
        others = rest.get("additionalProperties")
        if not isinstance(properties, dict) or (
            not properties and (isinstance(others, dict) or others is True)
        ):
            if isinstance(others, dict) or others is True:
                del rest["additionalProperties"]
                return self._parts.expression(f"{{{self.others(others) if others else '* any'}}}")
            return "obj"
        del rest["properties"]
        inner, mark = self.properties(cast("JsonObject", properties), rest, self._closed)
        fields = [self.field(name, optional, schema) for name, optional, schema in inner]
        if isinstance(others, dict) or others is True:
            del rest["additionalProperties"]
            fields.append(self.others(others))
        if mark == "...":
            fields.append("...")
            mark = ""
        return self._parts.expression("{" + ", ".join(fields) + "}" + mark)

    def others(self, schema: Json) -> str:
        """What keys beside the named ones may hold."""
        if schema is True:
            return "*true"
        return f"* {self.schema(schema)}" if schema else "*"

    def field(self, name: str, optional: bool, schema: Json) -> str:
        """One property inside an object."""
        core, text = self.split(schema)
        line = written_name(name) + ("?" if optional else "") + after_name(core)
        return line if text is None else f"{line} {text_part(self._parts, text, 'q')}"

    @staticmethod
    def properties(
        properties: JsonObject, rest: JsonObject, closed: bool
    ) -> tuple[list[tuple[str, bool, Json]], str]:
        """The properties as (name, optional, schema), and the mark of a closed or an open object.

        Takes `required` and a plain `additionalProperties` out of `rest` where the marks say the same.
        """
        required: Json = rest.get("required")
        names: set[str] = set()
        if isinstance(required, list):
            names = {name for name in cast("list[Json]", required) if isinstance(name, str)}
            said = [name for name in properties if name in names]
            if said and said == required:
                del rest["required"]
        mark = ""
        if "additionalProperties" not in rest:
            mark = "..." if closed else ""
        elif rest["additionalProperties"] is False:
            del rest["additionalProperties"]
            mark = "" if closed else "!"
        return [(name, name not in names, schema) for name, schema in properties.items()], mark


def after_name(core: str) -> str:
    """What stands after a property's name: a plain string needs no type."""
    if core == "str":
        return ""
    return core[3:] if core.startswith("str=") else f" {core}"


def _reference(target: str) -> str:
    for prefix, mark in (("#/$defs/", "$"), ("#/definitions/", "#")):
        name = target.removeprefix(prefix)
        if name != target and notation.DEFINITION_NAME.fullmatch(name):
            return mark + name
    if target.startswith("#") and notation.POINTER.fullmatch(target[1:]):
        return "^" + target[1:]
    return "^" + minified(target)


def _default(value: Json) -> str:
    if isinstance(value, str) and notation.DEFAULT_WORD.fullmatch(value) and value not in notation.JSON_WORDS:
        return value
    return minified(value)


def _enum_word(value: str) -> str:
    return value if notation.ENUM_WORD.fullmatch(value) else minified(value)


def _bounds(kind: str, rest: JsonObject) -> str:
    """`(lo..hi)`, taken out of `rest`; nothing where a bound is odd."""
    if kind not in notation.BOUNDS:
        return ""
    low, high = notation.BOUNDS[kind]
    sides = [_bound(rest, low), _bound(rest, high)]
    if kind in ("integer", "number"):
        for side, (key, mark) in enumerate((("exclusiveMinimum", ">"), ("exclusiveMaximum", "<"))):
            if not sides[side] and (bound := _bound(rest, key)):
                sides[side] = mark + bound
    if not any(sides):
        return ""
    for key in (low, high):
        if _bound(rest, key):
            del rest[key]
    for side, key in ((0, "exclusiveMinimum"), (1, "exclusiveMaximum")):
        if sides[side][:1] in (">", "<"):
            del rest[key]
    return f"({sides[0]}..{sides[1]})"


def _bound(rest: JsonObject, key: str) -> str:
    value = rest.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    if isinstance(value, int) and abs(value) == notation.SAFE_INTEGER:
        return "safe" if value > 0 else "-safe"
    text = minified(value)
    return text if notation.NUMBER.fullmatch(text) else ""
