"""How one value, one column's name and one template are spelled in a table of results. Pure.

A cell is the bare text of a string wherever that cannot be taken for anything else, and JSON otherwise.
Nothing spelled here contains a tab or a line break, which part cells and rows.
"""

import json
import re
from typing import Final

from toolhone.json_values import minified
from toolhone.models import Json

Path = tuple[str, ...]
"""The keys that lead to a value inside a row."""

ABSENT: Final = "!"
"""A cell for a key that the row does not have, in a column where an empty cell means something else."""


class Missing:
    """Stands for the value of a key that a row does not have."""

    __slots__ = ()


MISSING: Final = Missing()

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_BARE_NAME = re.compile(r"[^\s.=~?@:\"{}\[\]/|\x00-\x1f\x7f]+")
_ESCAPED = re.compile(r"[\\{}\x00-\x1f\x7f\x85\u2028\u2029]")


class UnreadableTableError(ValueError):
    """The text is not what the encoder writes."""


def cell_of(value: Json, *, text: bool = False) -> str:
    """One value as a cell.

    Args:
        value: What the cell says; never MISSING.
        text: Whether the column holds strings only, so that "1.0" needs no quotes.
    """
    if isinstance(value, str) and _is_bare(value, text):
        return value
    return _on_one_line(minified(value))


def value_of(cell: str, *, text: bool = False) -> Json:
    """The value of a cell that is neither empty nor ABSENT.

    Raises:
        UnreadableTableError: It looks like JSON but is not.
    """
    if cell[0] == '"':
        return _json(cell)
    if text:
        return cell
    if cell in {"true", "false", "null"} or _NUMBER.fullmatch(cell):
        return _json(cell)
    if cell[0] in "[{":
        try:
            return json.loads(cell)
        except ValueError:
            return cell
    return cell


def _is_bare(value: str, text: bool) -> bool:
    if not value or value == ABSENT or value[0] == '"' or value != value.strip() or _CONTROL.search(value):
        return False
    return text or _reads_as_itself(value)


def _reads_as_itself(value: str) -> bool:
    try:
        return value_of(value) is value
    except RecursionError:
        return False


def _on_one_line(text: str) -> str:
    """JSON without the line breaks that it may carry unescaped."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _json(text: str) -> Json:
    try:
        return json.loads(text)
    except ValueError as exc:
        raise UnreadableTableError(f"{text[:80]!r} is not JSON: {exc}.") from exc


def json_at(text: str, start: int) -> tuple[Json, int]:
    """The JSON value that starts there, and where it ends.

    Raises:
        UnreadableTableError: There is none.
    """
    try:
        return json.JSONDecoder().raw_decode(text, start)
    except ValueError as exc:
        raise UnreadableTableError(f"{text[:80]!r} has no JSON at {start}.") from exc


def name_of(path: Path) -> str:
    """A column's name: its keys joined by dots, a key in quotes if it would be misread."""
    return ".".join(key if _BARE_NAME.fullmatch(key) else _on_one_line(minified(key)) for key in path)


def path_at(text: str, start: int = 0) -> tuple[Path, int]:
    """The path whose name starts there, and where it ends.

    Raises:
        UnreadableTableError: There is no name.
    """
    keys: list[str] = []
    while True:
        if text[start : start + 1] == '"':
            key, start = json_at(text, start)
        else:
            match = _BARE_NAME.match(text, start)
            if match is None:
                raise UnreadableTableError(f"{text[:80]!r} has no column name at {start}.")
            key, start = match[0], match.end()
        keys.append(str(key))
        if text[start : start + 1] != ".":
            return tuple(keys), start
        start += 1


def template_text(parts: list[str | Path]) -> str:
    """A template: its literal parts escaped, columns in braces, the column's own cell as `{}`."""
    return "".join(
        _ESCAPED.sub(_escape, part)
        if isinstance(part, str)
        else "{" + _ESCAPED.sub(_escape, name_of(part)) + "}"
        for part in parts
    )


def template_parts(text: str) -> list[str | Path]:
    """What `template_text` was given, neighbouring literals joined.

    Raises:
        UnreadableTableError: It is not a template.
    """
    parts: list[str | Path] = []
    literal: list[str] = []
    start = 0
    while start < len(text):
        if text[start] != "{":
            char, start = _char_at(text, start)
            literal.append(char)
            continue
        if literal:
            parts.append("".join(literal))
            literal = []
        name: list[str] = []
        start += 1
        while start < len(text) and text[start] != "}":
            char, start = _char_at(text, start)
            name.append(char)
        if start >= len(text):
            raise UnreadableTableError(f"{text[:80]!r} has a brace that is not closed.")
        start += 1
        parts.append(path_at("".join(name))[0] if name else ())
    if literal:
        parts.append("".join(literal))
    return parts


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    return f"\\{char}" if char in "\\{}" else f"\\u{ord(char):04x}"


def _char_at(text: str, start: int) -> tuple[str, int]:
    if text[start] != "\\":
        return text[start], start + 1
    if text[start + 1 : start + 2] == "u":
        try:
            return chr(int(text[start + 2 : start + 6], 16)), start + 6
        except ValueError as exc:
            raise UnreadableTableError(f"{text[:80]!r} has a broken escape at {start}.") from exc
    return text[start + 1 : start + 2], start + 2
