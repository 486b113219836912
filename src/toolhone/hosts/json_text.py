"""Members put into and taken out of the text of a JSON file, with every other character left as it is. Pure.

Comments and trailing commas are read, as VS Code and Cursor do. A file that was strict JSON stays so; one
with a comma behind its last member keeps that habit.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from toolhone.exceptions import ConfigurationError
from toolhone.models import Json

DEEPEST = 200
"""Levels that are read; hosts write five."""

_SPACE = re.compile(r"(?:[ \t\r\n]+|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_SCALAR = re.compile(r"-?[0-9][0-9.eE+-]*|true|false|null")
_LINE_START = re.compile(r"[ \t]*")


@dataclass(frozen=True, slots=True)
class Value:
    """A value and where it stands: `text[start:end]`."""

    start: int
    end: int
    json: Json
    members: "tuple[Member, ...] | None" = None
    """Of an object."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an object. `start` is where its key begins."""

    key: str
    start: int
    value: Value
    comma: int | None
    """Where the comma behind it is."""


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    end: int
    text: str


def read(text: str) -> Value:
    """The value that the text is.

    Raises:
        ConfigurationError: It is not JSON; the message has the line.
    """
    return _Scanner(text).whole()


def with_member(text: str, path: Sequence[str], value: Json) -> str:
    """The text in which the member at `path` has this value. A text without anything counts as `{}`.

    Raises:
        ConfigurationError: It is not JSON, or what stands on the way to the member is no object.
    """
    if not text.strip():
        text = "{}\n"
    within = read(text)
    unit = _unit(text, within)
    for depth, key in enumerate(path):
        member = _member(within, key, path[:depth])
        if member is None:
            for missing in reversed(path[depth + 1 :]):
                value = {missing: value}
            return _inserted(text, within, key, value, unit)
        within = member.value
    if within.json == value and type(within.json) is type(value):
        return text
    rendered = _rendered(value, _indentation(text, within.start), unit, text)
    return _applied(text, [_Edit(within.start, within.end, rendered)])


def without_member(text: str, path: Sequence[str]) -> str:
    """The text without the member at `path`, with its line if it had one for itself.

    Raises:
        ConfigurationError: It is not JSON, or what stands on the way to the member is no object.
    """
    within = read(text)
    members: tuple[Member, ...] = ()
    found: Member | None = None
    for depth, key in enumerate(path):
        found = _member(within, key, path[:depth])
        if found is None:
            return text
        members, within = within.members or (), found.value
    if found is None:
        return text
    index = members.index(found)
    edits: list[_Edit] = []
    end = found.value.end
    if found.comma is not None:
        # What stands between the value and its comma is a comment, which stays.
        if text[end : found.comma].strip():
            edits.append(_Edit(found.comma, found.comma + 1, ""))
        else:
            end = found.comma + 1
    elif index > 0 and (before := members[index - 1].comma) is not None:
        edits.append(_Edit(before, before + 1, ""))
    start, end = _with_line(text, found.start, end)
    return _applied(text, [*edits, _Edit(start, end, "")])


def _with_line(text: str, start: int, end: int) -> tuple[int, int]:
    """The span, and the whole line if nothing else stands on it."""
    line = _line_start(text, start)
    rest = re.compile(r"[ \t]*(\r?\n)?").match(text, end)
    assert rest is not None
    if text[line:start].strip() == "" and rest[1]:
        return line, rest.end()
    return start, rest.end() if rest[1] is None else end


def _member(within: Value, key: str, path: Sequence[str]) -> Member | None:
    where = "/".join(path) or "the top"
    if within.members is None:
        raise ConfigurationError(f"What stands at {where} is not an object.")
    found = [member for member in within.members if member.key == key]
    if len(found) > 1:
        raise ConfigurationError(f"{key!r} stands twice at {where}; remove one of them.")
    return found[0] if found else None


def _inserted(text: str, within: Value, key: str, value: Json, unit: str) -> str:
    members = within.members
    assert members is not None
    newline = "\r\n" if "\r\n" in text else "\n"
    outer = _indentation(text, within.start)
    spread = "\n" in text[within.start : within.end] or (not members and "\n" in text.strip())
    if not members and not spread and within.start == text.find("{"):
        spread = True  # The whole file is `{}`.
    inner = outer + unit
    if members and spread and _begins_its_line(text, members[-1].start):
        inner = _indentation(text, members[-1].start)
    name = json.dumps(key, ensure_ascii=False)
    if not spread:
        written = f"{name}: {json.dumps(value, ensure_ascii=False)}"
        if not members:
            return _applied(text, [_Edit(within.start + 1, within.start + 1, written)])
        last = members[-1]
        if last.comma is None:
            return _applied(text, [_Edit(last.value.end, last.value.end, f", {written}")])
        return _applied(text, [_Edit(last.comma + 1, last.comma + 1, f" {written},")])
    edits: list[_Edit] = []
    habit = bool(members) and members[-1].comma is not None
    if members and not habit:
        edits.append(_Edit(members[-1].value.end, members[-1].value.end, ","))
    # Behind everything, comments too: one at the end of the last member's line belongs to that member.
    tail = len(text[: within.end - 1].rstrip())
    written = f"{newline}{inner}{name}: {_rendered(value, inner, unit, text)}{',' if habit else ''}"
    if "\n" not in text[tail : within.end - 1]:
        written += newline + outer
    edits.append(_Edit(tail, tail, written))
    return _applied(text, edits)


def _rendered(value: Json, indentation: str, unit: str, text: str) -> str:
    if "\n" not in text.strip() and len(text.strip()) > 2:
        return json.dumps(value, ensure_ascii=False)
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = json.dumps(value, indent=unit, ensure_ascii=False).split("\n")
    return f"{newline}{indentation}".join(lines)


def _applied(text: str, edits: Sequence[_Edit]) -> str:
    # From the end; of two edits at one place the first in the list comes to stand first.
    for edit in sorted(edits, key=lambda edit: edit.start)[::-1]:
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _begins_its_line(text: str, at: int) -> bool:
    return text[_line_start(text, at) : at].strip() == ""


def _indentation(text: str, at: int) -> str:
    """The white space with which the line of this place begins."""
    match = _LINE_START.match(text, _line_start(text, at))
    assert match is not None
    return match[0]


def _unit(text: str, whole: Value) -> str:
    """What one level is indented by in this text."""
    for member in whole.members or ():
        if _begins_its_line(text, member.start) and (found := _indentation(text, member.start)):
            return found
    return "  "


class _Scanner:
    """Reads a text once, from its beginning."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def whole(self) -> Value:
        self._space()
        value = self._value(0)
        self._space()
        if self._at < len(self._text):
            self._fail("there is something behind the end")
        return value

    def _space(self) -> None:
        match = _SPACE.match(self._text, self._at)
        assert match is not None
        self._at = match.end()

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _value(self, depth: int) -> Value:
        if depth > DEEPEST:
            self._fail(f"it is nested deeper than {DEEPEST} levels")
        start = self._at
        match self._next():
            case "{":
                return self._object(depth)
            case "[":
                return self._array(depth)
            case '"':
                text = self._string()
                return Value(start, self._at, text)
            case _:
                scalar = _SCALAR.match(self._text, self._at)
                if scalar is None:
                    self._fail("a value is missing")
                self._at = scalar.end()
                return Value(start, self._at, self._loaded(scalar[0]))

    def _string(self) -> str:
        match = _STRING.match(self._text, self._at)
        if match is None:
            self._fail("a string in double quotes is missing or not closed")
        self._at = match.end()
        value = self._loaded(match[0])
        assert isinstance(value, str)
        return value

    def _loaded(self, part: str) -> Json:
        try:
            return json.loads(part)
        except ValueError:
            self._fail(f"{part[:40]!r} is not a value")

    def _object(self, depth: int) -> Value:
        start = self._at
        self._at += 1
        members: list[Member] = []
        while True:
            self._space()
            if self._next() == "}":
                self._at += 1
                value = {member.key: member.value.json for member in members}
                return Value(start, self._at, value, tuple(members))
            if members and members[-1].comma is None:
                self._fail("',' or '}' is missing")
            key_at = self._at
            key = self._string()
            self._space()
            if self._next() != ":":
                self._fail("':' is missing")
            self._at += 1
            self._space()
            value = self._value(depth + 1)
            members.append(Member(key, key_at, value, self._comma()))

    def _array(self, depth: int) -> Value:
        start = self._at
        self._at += 1
        items: list[Json] = []
        ended = False
        while True:
            self._space()
            if self._next() == "]":
                self._at += 1
                return Value(start, self._at, items)
            if ended:
                self._fail("',' or ']' is missing")
            items.append(self._value(depth + 1).json)
            ended = self._comma() is None

    def _comma(self) -> int | None:
        self._space()
        if self._next() != ",":
            return None
        self._at += 1
        return self._at - 1

    def _fail(self, why: str) -> NoReturn:
        line = self._text.count("\n", 0, self._at) + 1
        raise ConfigurationError(f"It is not JSON: line {line}: {why}.")
