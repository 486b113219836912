"""Tables back to results: the parts of a text that `tables.py` wrote, put together again. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from toolhone.compression import listings
from toolhone.compression.cells import UnreadableTableError, value_of
from toolhone.compression.rows import RowReader, nested, read_head
from toolhone.json_values import is_array, is_object
from toolhone.models import Json, JsonObject

DEEPEST = 24
HOLE = re.compile(r"@+\d+")
"""Strings that stand for a part, or, with one @ more, for themselves."""

ROW: Final = "= "
ROW_IN_LIST: Final = "[= "


def indented(value: Json, indent: int | None) -> str:
    """JSON as programs print it."""
    return json.dumps(value, indent=indent, ensure_ascii=False)


def read_document(lines: Sequence[str], depth: int) -> Json:
    """The value of the lines under the first one.

    Raises:
        UnreadableTableError: They are no such lines. Other errors of reading are left to the caller.
    """
    if depth > DEEPEST:
        raise UnreadableTableError("It is nested too deeply.")
    frame: Json = "@1"
    start = 0
    if not lines[0].startswith("@"):
        frame, start = _read_frame(lines[0]), 1
    sections: dict[int, tuple[str, Sequence[str]]] = {}
    while start < len(lines):
        number, kind, count, rest = _section_head(lines[start])
        extra = 1 if kind in {"table", "numbered", "keyed", "tree"} else 0
        end = start + 1 + extra + count
        if end > len(lines):
            raise UnreadableTableError(f"Part {number} has fewer lines than it says.")
        sections[number] = (f"{kind} {rest}", lines[start + 1 : end])
        start = end
    return _filled(frame, _Parts(sections, depth))


def _read_frame(line: str) -> Json:
    for mark in (ROW, ROW_IN_LIST):
        if line.startswith(mark):
            row = nested(RowReader(read_head(line[len(mark) :])).read(""))
            return row if mark == ROW else [row]
    return json.loads(line)


def _section_head(line: str) -> tuple[int, str, int, str]:
    match = re.fullmatch(
        r"@(\d{1,9}) (table|numbered|keyed|paths|lines|tree|text|json) (\d{1,9})(?: (.*))?", line
    )
    if match is None:
        raise UnreadableTableError(f"{line[:80]!r} is not the head of a part.")
    return int(match[1]), match[2], int(match[3]), match[4] or ""


def _filled(value: Json, parts: "_Parts") -> Json:
    if isinstance(value, str) and HOLE.fullmatch(value):
        return value[1:] if value.startswith("@@") else parts.value(int(value[1:]))
    if is_array(value):
        return [_filled(item, parts) for item in value]
    if is_object(value):
        return {key: _filled(part, parts) for key, part in value.items()}
    return value


@dataclass(slots=True)
class _Parts:
    """The parts of a document, read when they are needed, each once."""

    sections: Mapping[int, tuple[str, Sequence[str]]]
    depth: int
    known: dict[int, Json] = field(default_factory=dict[int, Json])
    busy: set[int] = field(default_factory=set[int])

    def value(self, number: int) -> Json:
        if number not in self.known:
            if number in self.busy or number not in self.sections:
                raise UnreadableTableError(f"Part {number} is missing or inside itself.")
            self.busy.add(number)
            self.known[number] = self._read(*self.sections[number])
        return self.known[number]

    def _read(self, head: str, lines: Sequence[str]) -> Json:
        kind, _, rest = head.partition(" ")
        if kind == "table":
            return self._rows(lines)
        if kind in {"numbered", "keyed"}:
            parted = [line.partition("\t") for line in lines[1:]]
            rows = self._rows([lines[0], *(line for _, _, line in parted)])
            if kind == "numbered":
                return rows
            keys = [str(value_of(lead, text=True)) for lead, _, _ in parted]
            return dict(zip(keys, rows, strict=True))
        if kind == "paths":
            return listings.read_paths([rest, *lines])
        if kind == "lines":
            return "\n".join(str(path) for path in listings.read_paths([rest, *lines]))
        if kind == "tree":
            return listings.read_tree(lines)
        if kind == "text":
            return "\n".join(lines)
        return indented(read_document(lines, self.depth + 4), None if rest == "-" else int(rest))

    def _rows(self, lines: Sequence[str]) -> list[JsonObject]:
        heads = read_head(lines[0])
        reader = RowReader(heads)
        rows: list[JsonObject] = []
        for line in lines[1:]:
            row = reader.read(line)
            for head in heads:
                if head.table is not None:
                    row[head.path] = self._referred(row[head.path], head.table)
            rows.append(nested(row))
        return rows

    def _referred(self, cell: Json, table: int) -> Json:
        rows = self.value(table)
        if is_array(cell):
            return [rows[number] for number in cell]
        return rows[cell] if isinstance(cell, int) and not isinstance(cell, bool) else cell
