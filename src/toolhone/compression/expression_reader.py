"""From one line of a signature back to the JSON Schema it was written from."""

import json
import re
from collections.abc import Callable
from typing import NoReturn, cast

from toolhone.compression import notation
from toolhone.compression.notation import WORD_TYPES
from toolhone.exceptions import SignatureError
from toolhone.models import Json, JsonObject

_DEEPEST = 90
"""Levels that a line may nest. A level takes up to seven calls, and callers have a stack of their own."""
_TYPES = re.compile(r"(?:str|int|num|bool|null|obj|arr)(?![A-Za-z0-9_])")
_BOUNDS = re.compile(r"\(([><]?[^()<> ]*)\.\.(<?[^()<> ]*)\)")
_PATTERN = re.compile(r"~/([^/\n]*)/")
_CONST = re.compile(r"'([^'\n]*)'")
_SHARED = re.compile(r"%([0-9]{1,6})")
_KEY = re.compile(r" \+(?=[\"A-Za-z0-9_])")
_GROUP = re.compile(r"(anyOf|oneOf|allOf)\(")
_WORD = re.compile(r"[^\s\">]+")
_decoder = json.JSONDecoder()


class ExpressionReader:
    """Reads one line. `shared` and `texts` give what a preamble stated under a number."""

    def __init__(
        self,
        line: str,
        shared: Callable[[int], Json],
        texts: Callable[[int], str],
        *,
        closed: bool,
        number: int,
    ) -> None:
        self.line = line
        self.at = 0
        self._shared = shared
        self._texts = texts
        self._closed = closed
        self._number = number
        self._depth = 0

    def fail(self, expected: str) -> NoReturn:
        found = self.line[self.at : self.at + 30]
        place = f"{expected} expected at {found!r}" if found else f"{expected} expected at its end"
        raise SignatureError(f"Line {self._number} is not a signature: {place}.", data={"line": self._number})

    def take(self, mark: str) -> bool:
        """Whether `mark` comes next; if so it is passed."""
        if not self.line.startswith(mark, self.at):
            return False
        self.at += len(mark)
        return True

    def expect(self, mark: str) -> None:
        if not self.take(mark):
            self.fail(repr(mark))

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.line, self.at)
        if found is not None:
            self.at = found.end()
        return found

    @property
    def ended(self) -> bool:
        return self.at == len(self.line)

    def json(self) -> Json:
        """A JSON value."""
        try:
            value, self.at = _decoder.raw_decode(self.line, self.at)
        except (ValueError, RecursionError):
            self.fail("JSON")
        return value

    def name(self) -> str:
        """A property's or keyword's name, bare or quoted."""
        if found := self.match(notation.NAME):
            return found[0]
        name = self.json() if self.line.startswith('"', self.at) else self.fail("a name")
        return cast("str", name)

    def schema(self) -> Json:
        """A type with everything that may follow it."""
        self._depth += 1
        if self._depth > _DEEPEST:
            self.fail(f"at most {_DEEPEST} levels of nesting")
        value = self.finish(self._union())
        self._depth -= 1
        return value

    def field(self) -> tuple[str, bool, Json]:
        """A property: name, whether it is optional, its schema. An absent type is a string."""
        name = self.name()
        optional = self.take("?")
        return name, optional, self.after_name()

    def after_name(self) -> Json:
        typed = self.line.startswith(" ", self.at) and self.line[self.at + 1 : self.at + 2] not in (
            "+",
            '"',
            "\\",
        )
        if typed:
            self.at += 1
            return self.schema()
        return self.finish({"type": "string"})

    def finish(self, schema: Json) -> Json:
        """Default, other keywords and description, as they follow a type."""
        if not isinstance(schema, dict):
            return schema
        target = cast("JsonObject", schema)
        if self.take("="):
            target["default"] = self._default()
        self.extras(target)
        if self.line.startswith(' "', self.at):
            self.at += 1
            target["description"] = self.json()
        elif found := self.match(_DESCRIPTION):
            target["description"] = self._texts(int(found[1]))
        return target

    def extras(self, target: JsonObject) -> None:
        """`+key=value` and `+key(schema)`, as many as come."""
        while self.match(_KEY):
            key = self.name()
            if self.take("("):
                target[key] = self._group() if key in notation.SCHEMA_LISTS else self._enclosed()
            elif found := self.match(_SHARED):
                target[key] = self._shared(int(found[1]))
            else:
                self.expect("=")
                target[key] = self.json()

    def _default(self) -> Json:
        found = notation.DEFAULT_WORD.match(self.line, self.at)
        if found and found[0] not in notation.JSON_WORDS:
            self.at = found.end()
            return found[0]
        return self.json()

    def _enclosed(self) -> Json:
        value = self.schema()
        self.expect(")")
        return value

    def _group(self) -> list[Json]:
        values = [self.schema()]
        while self.take(", "):
            values.append(self.schema())
        self.expect(")")
        return values

    def _union(self) -> Json:
        first = self._operand()
        if not self.line.startswith("|", self.at):
            return first
        members = [first]
        while self.take("|"):
            members.append(self._operand())
        return {"anyOf": members}

    def _operand(self) -> Json:
        value = self._type()
        levels = 0
        while self.take("[]"):
            levels += 1
            if self._depth + levels > _DEEPEST:
                self.fail(f"at most {_DEEPEST} levels of nesting")
            value = self._bounded({"type": "array", "items": value})
        return value

    def _type(self) -> Json:
        if self.take("("):
            return self._enclosed()
        if self.take("{"):
            return self._object()
        if self.take("<"):
            return {"type": "string", "enum": self._words()}
        if found := self.match(_SHARED):
            return self._shared(int(found[1]))
        if found := self.match(_CONST):
            return {"type": "string", "const": found[1]}
        if found := self.match(_GROUP):
            return {found[1]: self._group()}
        if self.take("const "):
            return {"const": self.json()}
        if self.take("raw "):
            return self.json()
        for mark, prefix in (("$", "#/$defs/"), ("#", "#/definitions/")):
            if self.take(mark):
                found = self.match(notation.DEFINITION_NAME)
                return {"$ref": prefix + found[0]} if found else self.fail("a definition's name")
        if self.take("^"):
            if self.line.startswith('"', self.at):
                return {"$ref": self.json()}
            found = self.match(notation.POINTER)
            return {"$ref": "#" + (found[0] if found else "")}
        return self._named()

    def _named(self) -> Json:
        if self.take("any"):
            return {}
        names: list[str] = []
        while found := self.match(_TYPES):
            names.append(WORD_TYPES[found[0]])
            if not self.take("/"):
                break
        if not names:
            self.fail("a type")
        schema = self._bounded({"type": names[0] if len(names) == 1 else cast("Json", names)})
        if self.match(_FORMAT_MARK):
            found = self.match(notation.FORMAT)
            schema["format"] = found[0] if found else self.fail("a format")
        if found := self.match(_PATTERN):
            schema["pattern"] = found[1]
        elif self.take("~"):
            schema["pattern"] = self.json()
        return schema

    def _words(self) -> list[Json]:
        words: list[Json] = []
        while True:
            if self.line.startswith('"', self.at):
                words.append(self.json())
            else:
                found = self.match(_WORD)
                words.append(found[0] if found else self.fail("a word"))
            if self.take(">"):
                return words
            self.expect(" ")

    def _bounded(self, schema: JsonObject) -> JsonObject:
        found = self.match(_BOUNDS)
        if found is None:
            return schema
        kinds: Json = schema["type"]
        names = cast("list[str]", kinds if isinstance(kinds, list) else [kinds])
        kind = next((name for name in names if name in notation.BOUNDS), None)
        if kind is None:
            self.fail("no bounds on this type")
        for text, key, mark, exclusive in zip(
            found.groups(), notation.BOUNDS[kind], "><", ("exclusiveMinimum", "exclusiveMaximum"), strict=True
        ):
            if text:
                schema[exclusive if text[0] == mark else key] = self._bound(text.removeprefix(mark))
        return schema

    def _bound(self, text: str) -> Json:
        if text in ("safe", "-safe"):
            return notation.SAFE_INTEGER if text == "safe" else -notation.SAFE_INTEGER
        try:
            value: Json = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, int | float):
            self.fail(f"a number instead of {text!r}")
        return value

    def _object(self) -> Json:
        fields: list[tuple[str, bool, Json]] = []
        others: Json = None
        is_open = False
        if not self.take("}"):
            while True:
                if self.take("..."):
                    is_open = True
                elif self.line.startswith("*", self.at):
                    others = self.others()
                else:
                    fields.append(self.field())
                if self.take("}"):
                    break
                self.expect(", ")
        schema: JsonObject = {"type": "object"}
        if not fields and others is not None:
            schema["additionalProperties"] = others
            return schema
        return put_properties(schema, fields, others, closed=self.take("!") or (self._closed and not is_open))

    def others(self) -> Json:
        """What `*` says of keys beside the named ones."""
        self.expect("*")
        if self.take("true"):
            return True
        return self.schema() if self.take(" ") else {}


_DESCRIPTION = re.compile(r" \\([0-9]{1,6})")
_FORMAT_MARK = re.compile(r"@")


def put_properties(
    schema: JsonObject, fields: list[tuple[str, bool, Json]], others: Json, *, closed: bool
) -> JsonObject:
    """Write the properties of an object into its schema."""
    schema["properties"] = {name: value for name, _, value in fields}
    required = [name for name, optional, _ in fields if not optional]
    if required:
        schema["required"] = required
    if others is not None:
        schema["additionalProperties"] = others
    elif closed:
        schema["additionalProperties"] = False
    return schema
