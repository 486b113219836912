"""From the text of signatures back to the tools they were written from."""

import re
from collections.abc import Sequence
from typing import NoReturn, cast

from toolhone.compression import notation
from toolhone.compression.conventions import Conventions, read_conventions, with_titles
from toolhone.compression.expression_reader import ExpressionReader, put_properties
from toolhone.compression.notation import TEXT_REFERENCE
from toolhone.exceptions import SignatureError
from toolhone.models import Json, JsonObject

_STATED = re.compile(r"([%\\])([0-9]{1,6}) ")
_HINTS = {word: key for key, word in notation.HINTS.items()}
_MOST = 1_000_000
"""Values that references may expand to: a small text must not become a huge one."""
_CHARACTERS = 64
"""Characters of a text that weigh as much as one value."""

Line = tuple[int, str]


class SignatureReader:
    """Reads blocks with what a preamble stated."""

    def __init__(self) -> None:
        self.conventions = Conventions()
        self._values: dict[int, tuple[Json, int]] = {}
        self._texts: dict[int, str] = {}
        self._parameters: dict[str, Json] = {}
        self._left = _MOST
        self.number = 0
        """The line that is read."""

    def fail(self, message: str, number: int | None = None) -> NoReturn:
        at = self.number if number is None else number
        raise SignatureError(f"Line {at} is not a signature: {message}.", data={"line": at})

    def preamble(self, lines: Sequence[Line]) -> None:
        """Read what is stated before the first tool."""
        entries: list[list[Line]] = []
        for number, line in lines:
            self.number = number
            if line.startswith("& ") or _STATED.match(line):
                entries.append([(number, line)])
            elif entries:
                entries[-1].append((number, line))
            elif line.startswith("~ "):
                self.fail(f"the text is lossy and cannot be decompressed ({line[2:60]})")
            elif (stated := read_conventions(line)) is not None:
                self.conventions = stated
            elif line and not line.startswith("// "):
                self.fail("a tool's head line '## name' or a shared part is expected")
        for entry in entries:
            self._entry(entry)

    def _entry(self, lines: list[Line]) -> None:
        number, line = lines[0]
        self.number = number
        stated = _STATED.match(line)
        if stated is None:
            name, optional, schema = self._parameter(line[2:], number, lines[1:])
            if optional:
                self.fail("a shared parameter is marked optional where it is used")
            self._parameters[name] = schema
            return
        label, text = int(stated[2]), line[stated.end() :]
        if stated[1] == "\\":
            self._texts[label] = self.text([(number, text), *lines[1:]])
            return
        if any(line for _, line in lines[1:]):
            self.fail("a shared part has one line", lines[1][0])
        read = self._reader(text, number)
        value = read.json() if read.take("=") else read.schema()
        if not read.ended:
            read.fail("the end of the line")
        self._values[label] = (value, _size(value))

    def _shared(self, label: int) -> Json:
        found = self._values.get(label)
        if found is None:
            self.fail(f"%{label} is not stated before")
        self._spend(found[1])
        return _copied(found[0])

    def _text(self, label: int) -> str:
        found = self._texts.get(label)
        if found is None:
            self.fail(f"\\{label} is not stated before")
        self._spend(1 + len(found) // _CHARACTERS)
        return found

    @property
    def spent(self) -> int:
        """What references have expanded to so far, in values."""
        return _MOST - self._left

    def can_spend(self, size: int) -> bool:
        """Spend as much as a block did that was read before; whether there was as much left."""
        self._left -= size
        return not size or self._left >= 0

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            self.fail("its shared parts expand to too much")

    def _reader(self, line: str, number: int) -> ExpressionReader:
        return ExpressionReader(
            line, self._shared, self._text, closed=self.conventions.closed_objects, number=number
        )

    def text(self, lines: Sequence[Line]) -> str:
        """The prose that these lines hold."""
        kept = list(lines)
        while len(kept) > 1 and not kept[-1][1]:
            kept.pop()
        said: list[str] = []
        for number, line in kept:
            self.number = number
            if reference := TEXT_REFERENCE.fullmatch(line):
                said.append(self._text(int(reference[1])))
            elif line.startswith('\\"'):
                said.append(self._quoted(line, number))
            else:
                said.append(line[1:] if line.startswith("\\") else line)
        return "\n".join(said)

    def _quoted(self, line: str, number: int) -> str:
        read = self._reader(line, number)
        read.at = 1
        value = read.json()
        if not read.ended or not isinstance(value, str):
            read.fail("one JSON string")
        return value

    def _parameter(self, line: str, number: int, more: Sequence[Line]) -> tuple[str, bool, Json]:
        """A parameter's line and the lines that its description goes on for."""
        read = self._reader(line, number)
        name, optional, schema = read.field()
        described: Json = schema
        if read.take(":"):
            if not isinstance(schema, dict):
                read.fail("no description here")
            read.expect(" ")
            described["description"] = self.text([(number, line[read.at :]), *more])
        elif not read.ended:
            read.fail("': ' and a description, or the end of the line")
        elif any(text for _, text in more):
            self.fail("a line of text follows a parameter without a description", more[0][0])
        return name, optional, described

    def _joined(self, line: str, number: int, more: Sequence[Line]) -> list[tuple[str, bool, Json]]:
        """One parameter with its description, or several without."""
        read = self._reader(line, number)
        fields = [self._one(read)]
        while read.take(", "):
            fields.append(self._one(read))
        if len(fields) == 1 and not line.startswith("&"):
            return [self._parameter(line, number, more)]
        if not read.ended:
            read.fail("', ' or the end of the line")
        self._no_more([(number, line), *more])
        return fields

    def block(self, lines: Sequence[Line]) -> JsonObject:
        """One tool."""
        number, head = lines[0]
        self.number = number
        read = self._reader(head, number)
        read.expect("## ")
        if head.startswith("- {", read.at):
            read.at += 2
            return self._raw(read)
        tool: JsonObject = {"name": read.name()}
        if read.take(" "):
            if head.startswith("{", read.at):
                return self._raw(read)
            read.at -= 1
        flags = self._flags(read, tool)
        groups = _grouped(lines[1:])
        if groups and not _starts_entry(groups[0][0][1]):
            text = groups.pop(0)
            if any(line for _, line in text):
                tool["description"] = self.text(text)
        schema = self._input(tool, groups, flags)
        if self.conventions.titles and "-titles" not in flags and isinstance(schema, dict):
            schema = with_titles(cast("JsonObject", schema))
        if self.conventions.draft and "-draft" not in flags and isinstance(schema, dict):
            cast("JsonObject", schema).setdefault("$schema", self.conventions.draft)
        tool["inputSchema"] = schema
        return tool

    def _raw(self, read: ExpressionReader) -> JsonObject:
        value = read.json()
        if not read.ended or not isinstance(value, dict):
            read.fail("one JSON object")
        return cast("JsonObject", value)

    def _flags(self, read: ExpressionReader, tool: JsonObject) -> set[str]:
        flags: set[str] = set()
        while not read.ended and not read.line.startswith(" +", read.at):
            read.expect(" ")
            if read.take("["):
                tool["annotations"] = _annotations(read)
                continue
            flag = next((flag for flag in ("-draft", "-titles", "...", "!", "-") if read.take(flag)), None)
            flags.add(flag or read.fail("a flag"))
        read.extras(tool)
        if not read.ended:
            read.fail("the end of the line")
        return flags

    def _input(self, tool: JsonObject, groups: Sequence[Sequence[Line]], flags: set[str]) -> Json:
        fields: list[tuple[str, bool, Json]] = []
        others: Json = None
        rest: JsonObject = {}
        whole: list[Json] = []
        for group in groups:
            number, line = group[0]
            self.number = number
            if line.startswith("& "):
                self._no_more(group)
                fields.extend(self._named(line, number))
                continue
            read = self._reader(line, number)
            read.at = 1
            if line[1:2] == "+":
                read.at = 0
                read.extras(rest)
            elif line[1:2] == "*":
                others = read.others()
            elif line[1:2] in ("$", "#"):
                key = "$defs" if read.take("$") else "definitions"
                read.take("#")
                name = read.name()
                read.expect(" ")
                cast("JsonObject", rest.setdefault(key, {}))[name] = read.schema()
            elif read.take("-> "):
                tool["outputSchema"] = read.schema()
            elif read.take("<- "):
                whole.append(read.schema())
            else:
                fields.extend(self._joined(line[1:], number, group[1:]))
                continue
            self._no_more(group)
            if not read.ended:
                read.fail("the end of the line")
        if whole:
            return whole[0]
        schema: JsonObject = {"type": "object"}
        closed = "!" in flags or (self.conventions.closed and "..." not in flags)
        put_properties(schema, fields, others, closed=closed)
        if "-" in flags:
            del schema["properties"]
        schema.update(rest)
        return schema

    def _no_more(self, group: Sequence[Line]) -> None:
        for number, line in group[1:]:
            if line:
                self.fail("text is not expected here", number)

    def _named(self, line: str, number: int) -> list[tuple[str, bool, Json]]:
        read = self._reader(line, number)
        read.at = 1
        fields: list[tuple[str, bool, Json]] = []
        while not read.ended:
            read.expect(" ")
            fields.append(self._stated(read))
        return fields

    def _one(self, read: ExpressionReader) -> tuple[str, bool, Json]:
        """A parameter of the tool's own, or `&name` for a shared one."""
        return self._stated(read) if read.take("&") else read.field()

    def _stated(self, read: ExpressionReader) -> tuple[str, bool, Json]:
        name = read.name()
        found = self._parameters.get(name)
        if found is None:
            read.fail(f"a shared parameter instead of {name!r}")
        self._spend(_size(found))
        return name, read.take("?"), _copied(found)


def _starts_entry(line: str) -> bool:
    return line.startswith("& ") or (line.startswith(" ") and line[1:2] not in ("", " "))


def _grouped(lines: Sequence[Line]) -> list[list[Line]]:
    """Each line that begins something, with the text lines that follow it."""
    groups: list[list[Line]] = []
    for number, line in lines:
        if not groups or _starts_entry(line):
            groups.append([(number, line)])
        else:
            groups[-1].append((number, line))
    return groups


def _annotations(read: ExpressionReader) -> JsonObject:
    found: JsonObject = {}
    while True:
        if read.line.startswith('"', read.at):
            found["title"] = read.json()
        else:
            negated = read.take("not ")
            word = next((word for word in _HINTS if read.take(word)), None)
            found[_HINTS[word or read.fail("an annotation")]] = not negated
        if read.take("]"):
            return found
        read.expect(", ")


def _copied(value: Json) -> Json:
    """A copy, because what was read belongs to whoever reads it."""
    if isinstance(value, dict):
        return {key: _copied(part) for key, part in cast("JsonObject", value).items()}
    if isinstance(value, list):
        return [_copied(part) for part in cast("list[Json]", value)]
    return value


def _size(value: Json) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_size, cast("JsonObject", value).values()))
    if isinstance(value, list):
        return 1 + sum(map(_size, cast("list[Json]", value)))
    return 1 + len(value) // _CHARACTERS if isinstance(value, str) else 1
