"""Results of tools in few tokens, without losing anything: an encoder and its decoder. Pure.

A result is written as the smallest of minified JSON, tab-separated rows and tables (columns.py). The
whole text is a line that explains itself, the JSON of the value with "@1", "@2" … where a part was taken
out (left out if that is the whole value), and the parts. Instead of JSON it may be `= ` or `[= ` (in a list)
and the head line of a single row.

    @1 table 30          a head line and 30 rows; `name@2` holds row numbers of table 2
    @2 numbered 4        the same, each row led by its number, from 0
    @2 keyed 4           an object of four objects: the same, each row led by its key
    @3 paths 12, tree 9  listings.py
    @4 text 12           a string of 12 lines
    @5 lines 12          a string whose lines are paths
    @6 json 12 2         a string that is JSON, indented by 2: 12 lines, written like a whole result

Numbers of a head are how many lines follow its head line. The encoder reads what it wrote and sends
minified JSON where that is not exactly the value; only the order of the keys of an object may change, and
only where the objects of one list have their keys in different orders.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from toolhone.compression import listings
from toolhone.compression.cells import UnreadableTableError, cell_of
from toolhone.compression.columns import Column, columns_of, plain
from toolhone.compression.compaction import compact, single
from toolhone.compression.references import Pools, pools_of
from toolhone.compression.table_parts import DEEPEST, HOLE, ROW, ROW_IN_LIST, indented, read_document
from toolhone.json_values import is_array, is_object, minified
from toolhone.models import Json, JsonObject, canonical_json

Count = Callable[[str], int]

SMALLEST = 60
"""Tokens of JSON. Below, a table is not worth explaining."""

_MARK: Final = "#"
_SHORTEST_TEXT = 120
_FEWEST_KEYS = 4
_INDENTS: tuple[int | None, ...] = (2, 4, None)


@dataclass(frozen=True, slots=True)
class EncodedResult:
    """A value as text, and in which form: `json`, `tsv` or `table`."""

    text: str
    form: str


def encode_result(value: Json, count: Callable[[str], int], *, smallest: int = SMALLEST) -> EncodedResult:
    """The value in the form that takes the fewest tokens; `decode_result` gives the same value again.

    Args:
        value: Any JSON value.
        count: Counts the tokens of a text.
        smallest: Tokens of JSON below which nothing is tried.
    """
    best = EncodedResult(minified(value), "json")
    fewest = count(best.text)
    if fewest < smallest or not isinstance(value, (dict, list)):
        return best
    written: list[tuple[int, str, str]] = []
    for form, way in (("table", "shared"), ("table", "lists"), ("table", "flat"), ("tsv", "plain")):
        text = _written(value, count, way)
        if text is not None and (tokens := count(text)) < fewest:
            written.append((tokens, form, text))
    # What cannot be read back is left; on a tie the first way wins.
    for _, form, text in sorted(written, key=lambda item: item[0]):
        if _reads_as(text, value):
            return EncodedResult(text, form)
    return best


def decode_result(text: str) -> Json:
    """The value of a text that `encode_result` wrote.

    Raises:
        UnreadableTableError: It is no such text.
    """
    if not text.startswith(_MARK):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as exc:
            raise UnreadableTableError("This is neither JSON nor a table.") from exc
    try:
        return read_document(text.split("\n")[1:], 0)
    except UnreadableTableError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, StopIteration) as exc:
        raise UnreadableTableError(f"This is no table that was written here: {exc}") from exc


def _written(value: Json, count: Count, way: str) -> str | None:
    try:
        writer = _Writer(count=count, way=way)
        lines = writer.document(value, 0)
    except RecursionError:
        return None
    return "\n".join([writer.legend(), *lines]) if writer.used else None


def _reads_as(text: str, value: Json) -> bool:
    try:
        return canonical_json(decode_result(text)) == canonical_json(value)
    except (UnreadableTableError, RecursionError):
        return False


# Writing


@dataclass(slots=True, kw_only=True)
class _Writer:
    """Writes one document; remembers what of the notation its reader needs explained."""

    count: Count
    way: str
    """`plain`: only cells. `flat`: columns are compared; `lists`: lists inside rows become tables, too;
    `shared`: and objects that repeat."""
    used: set[str] = field(default_factory=set[str])

    def document(self, value: Json, depth: int) -> list[str]:
        sections: list[list[str]] = []
        frame = self._taken_apart(value, sections, depth)
        lines = [line for section in sections for line in section]
        if frame == "@1":
            return lines
        if sections:
            self.used.add("frame")
        return [self._frame_line(frame), *lines]

    def _frame_line(self, frame: Json) -> str:
        """What is left after the parts were taken out: JSON, or an object as the head line of one row."""
        line = minified(frame)
        is_list = is_array(frame) and len(frame) == 1
        row = frame[0] if is_list else frame
        if self.way == "plain" or not is_object(row) or len(row) < _FEWEST_KEYS:
            return line
        columns = columns_of([row], {})
        if columns is None:
            return line
        single(columns)
        head = "\t".join(column.head for column in columns)
        as_row = f"{ROW_IN_LIST if is_list else ROW}{head}"
        if self.count(as_row) + 12 >= self.count(line):
            return line
        self.used.add("row")
        self._note_columns(head)
        return as_row

    def _taken_apart(self, value: Json, sections: list[list[str]], depth: int) -> Json:
        if depth > DEEPEST:
            return _escaped(value)
        if isinstance(value, str):
            found = self._text(value, depth) if len(value) >= _SHORTEST_TEXT else None
            return self._placed(found, value, sections) or _escaped(value)
        if is_array(value):
            return self._list_taken_apart(value, sections, depth)
        if is_object(value):
            if len(value) >= 3 and all(is_object(part) and part for part in value.values()):
                keys = [cell_of(key, text=True) for key in value]
                if placed := self._table_placed(list(value.values()), value, sections, keys):
                    return placed
            return {key: self._taken_apart(part, sections, depth + 1) for key, part in value.items()}
        return value

    def _table_placed(
        self,
        rows: Sequence[JsonObject],
        value: Json,
        sections: list[list[str]],
        keys: Sequence[str] | None = None,
    ) -> str | None:
        number = len(sections) + 1
        tables = self._tables(rows, number, keys)
        if not tables or not self._is_shorter(tables, value):
            return None
        self._note(tables)
        sections.extend(tables)
        return f"@{number}"

    def _list_taken_apart(self, value: list[Json], sections: list[list[str]], depth: int) -> Json:
        if len(value) >= 2:
            if placed := self._placed(self._tree(value), value, sections):
                return placed
            if all(is_object(item) for item in value):
                if placed := self._table_placed(value, value, sections):
                    return placed
            elif placed := self._placed(self._paths(value), value, sections):
                return placed
        elif value and (placed := self._placed(self._tree(value), value, sections)):
            return placed
        return [self._taken_apart(item, sections, depth + 1) for item in value]

    def _placed(self, found: list[str] | None, value: Json, sections: list[list[str]]) -> str | None:
        """The mark of a new section, if there is one and it is worth its place."""
        if found is None or not self._is_shorter([found], value):
            return None
        self._note([found])
        sections.append([f"@{len(sections) + 1} {found[0]}", *found[1:]])
        return f"@{len(sections)}"

    def _is_shorter(self, sections: Sequence[Sequence[str]], value: Json) -> bool:
        text = "\n".join(line for section in sections for line in section)
        whole = minified(value)
        return len(text) < 3 * len(whole) and self.count(text) < self.count(whole)

    def _note(self, sections: Sequence[Sequence[str]]) -> None:
        self.used.update(section[0].split(" ")[0] for section in sections if section[0][0] != "@")
        for section in sections:
            if section[0].startswith("@"):
                self.used.add("table")
                self._note_columns(section[1])
                if any(
                    line.startswith("\t") or line.endswith("\t") or "\t\t" in line for line in section[2:]
                ):
                    self.used.add("blank")

    def _note_columns(self, head: str) -> None:
        for entry in head.split("\t"):
            if "?=" in entry or "?~" in entry:
                self.used.add("?")
            if re.match(r"[^=~]*=", entry):
                self.used.add("=")
            elif "~" in entry:
                self.used.add("~")
                if "{}" in entry:
                    self.used.add("{}")
            if re.match(r"[^=~\"]*@", entry):
                self.used.add("@")

    def _tree(self, value: Sequence[Json]) -> list[str] | None:
        if self.way == "plain" or (children := listings.child_key(value)) is None:
            return None
        lines = listings.tree_lines(value, children)
        return None if lines is None else [f"tree {len(lines) - 1}", *lines]

    def _paths(self, value: Sequence[Json]) -> list[str] | None:
        lines = None if self.way == "plain" else listings.paths_lines(value)
        if lines is None or listings.read_paths(lines) != value:
            return None
        return [f"paths {len(lines) - 1} {lines[0]}", *lines[1:]]

    def _text(self, value: str, depth: int) -> list[str] | None:
        """A long string as lines of its own."""
        if self.way == "plain":
            return None
        if value.lstrip()[:1] in {"{", "["} and (found := self._json_text(value, depth)):
            return found
        if "\n" not in value or re.search(r"[\x00-\x09\x0b-\x1f\x7f\x85\u2028\u2029]", value):
            return None
        lines = value.split("\n")
        if (paths := self._paths(lines)) is not None:
            return [f"lines{paths[0][len('paths') :]}", *paths[1:]]
        return [f"text {len(lines)}", *lines]

    def _json_text(self, value: str, depth: int) -> list[str] | None:
        try:
            inner = json.loads(value)
        except (ValueError, RecursionError):
            return None
        for indent in _INDENTS:
            if indented(inner, indent) == value:
                writer = _Writer(count=self.count, way=self.way)
                lines = writer.document(inner, depth + 4)
                # Here the order of keys counts, because the string must be the same.
                if not writer.used or indented(read_document(lines, 0), indent) != value:
                    return None
                self.used.update(writer.used)
                return [f"json {len(lines)} {'-' if indent is None else indent}", *lines]
        return None

    def _tables(
        self, rows: Sequence[JsonObject], number: int, keys: Sequence[str] | None
    ) -> list[list[str]] | None:
        """The table of these rows, and behind it those that it refers to."""
        pools = pools_of(rows, objects=self.way == "shared") if self.way in {"shared", "lists"} else Pools()
        columns = columns_of(rows, pools.stop)
        if columns is None or not columns:
            return None
        head = f"@{number} {'table' if keys is None else 'keyed'} {len(rows)}"
        return self._sections(columns, pools, number, head, keys, depth=0)

    def _sections(
        self,
        columns: list[Column],
        pools: Pools,
        number: int,
        head: str,
        led_by: Sequence[str] | None,
        *,
        depth: int,
    ) -> list[list[str]] | None:
        later: list[list[str]] = []
        for pool in pools.pools:
            place = number + len(later) + 1
            inner_pools = pools_of(pool.rows, objects=self.way == "shared") if depth < 3 else Pools()
            inner = columns_of(pool.rows, inner_pools.stop)
            if not inner:
                return None
            sections = self._sections(
                inner,
                inner_pools,
                place,
                f"@{place} numbered {len(pool.rows)}",
                [str(index) for index in range(len(pool.rows))],
                depth=depth + 1,
            )
            if sections is None:
                return None
            later.extend(sections)
            for column in columns:
                if column.path in pool.paths:
                    column.table = place
                    column.values = [pool.numbered(value) for value in column.values]
        if self.way == "plain":
            plain(columns)
        else:
            compact(columns, self.count)
        cells = [column.cells for column in columns if column.cells is not None]
        rows = len(columns[0].values)
        lines = ["\t".join(row) for row in zip(*cells, strict=True)] if cells else [""] * rows
        if led_by is not None:
            lines = [f"{lead}\t{line}" if cells else lead for lead, line in zip(led_by, lines, strict=True)]
        return [[head, "\t".join(column.head for column in columns), *lines], *later]

    def legend(self) -> str:
        """The first line: only as much of the notation as is used."""
        said = [text for feature, text in _LEGEND.items() if feature in self.used]
        return f"{_MARK} {'; '.join(said)}"


_LEGEND: dict[str, str] = {
    "frame": '"@1" is part 1',
    "row": "one object, tab-separated",
    "table": "tab-separated",
    "blank": "blank=no such key",
    "=": "a=1: in all rows",
    "~": "a~x{b}: a is x and the row's b",
    "{}": "{}: the cell",
    "?": "?: unless the cell says, !=no such key",
    "@": "a@2: row numbers in @2",
    "paths": "folder/ and its files",
    "lines": "lines: text, a path a line; folder/ and its files",
    "tree": "tree by indent; dir/ and its leaves",
}


def _escaped(value: Json) -> Json:
    """The value with an @ more before every string that would read as a place."""
    if isinstance(value, str):
        return f"@{value}" if HOLE.fullmatch(value) else value
    if is_array(value):
        return [_escaped(item) for item in value]
    if is_object(value):
        return {key: _escaped(part) for key, part in value.items()}
    return value
