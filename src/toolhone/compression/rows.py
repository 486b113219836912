"""The other direction of columns: a head line and rows of cells, back to objects. Pure."""

from dataclasses import dataclass, field

from toolhone.compression.cells import (
    ABSENT,
    MISSING,
    Missing,
    Path,
    UnreadableTableError,
    is_object,
    json_at,
    path_at,
    template_parts,
    value_of,
)
from toolhone.compression.columns import text_of
from toolhone.models import Json, JsonObject


@dataclass(slots=True, kw_only=True)
class Head:
    """A column as its place in the head line describes it."""

    path: Path
    text: bool = False
    table: int | None = None
    default: bool = False
    constant: Json = MISSING
    template: list[str | Path] = field(default_factory=list[str | Path])

    @property
    def has_cells(self) -> bool:
        fixed = self.constant is not MISSING or bool(self.template)
        return self.default or not fixed or () in self.template


def read_head(line: str) -> list[Head]:
    """The columns of a head line.

    Raises:
        UnreadableTableError: It is not one.
    """
    return [_read_column(entry) for entry in line.split("\t")] if line else []


def _read_column(entry: str) -> Head:
    path, at = path_at(entry)
    head = Head(path=path)
    if entry.startswith(":text", at):
        head.text, at = True, at + 5
    elif entry.startswith("@", at):
        end = at + 1
        while end < len(entry) and entry[end].isdigit():
            end += 1
        head.table, at = _number(entry[at + 1 : end]), end
    if entry.startswith("?", at):
        head.default, at = True, at + 1
    if entry.startswith("=", at):
        head.constant, at = json_at(entry, at + 1)
    elif entry.startswith("~", at):
        head.template, at = template_parts(entry[at + 1 :]), len(entry)
    if at != len(entry):
        raise UnreadableTableError(f"{entry[:80]!r} is not a column.")
    return head


def _number(text: str) -> int:
    if not text.isdigit() or len(text) > 9:
        raise UnreadableTableError(f"{text[:20]!r} is not a number.")
    return int(text)


def read_row(heads: list[Head], line: str) -> dict[Path, Json]:
    """The values of a row by their paths.

    Raises:
        UnreadableTableError: It does not match the head line.
    """
    with_cells = [head for head in heads if head.has_cells]
    cells = line.split("\t") if with_cells else []
    if len(cells) != len(with_cells) or (not with_cells and line):
        raise UnreadableTableError(f"A row has {len(cells)} cells for {len(with_cells)} columns.")
    own = {head.path: cell for head, cell in zip(with_cells, cells, strict=True)}
    by_path = {head.path: head for head in heads}
    known: dict[Path, Json] = {}
    busy: set[Path] = set()

    def value(path: Path) -> Json:
        if path in known:
            return known[path]
        head = by_path.get(path)
        if head is None or path in busy:
            raise UnreadableTableError(f"A template refers to {path!r}, which is not there or is itself.")
        busy.add(path)
        known[path] = made(head)
        return known[path]

    def made(head: Head) -> Json:
        cell = own.get(head.path)
        if () in head.template:
            return MISSING if not cell else _joined(head, value_of(cell, text=True))
        if cell == ABSENT and head.default:
            return MISSING
        if cell:
            return value_of(cell, text=head.text)
        if head.constant is not MISSING:
            return head.constant
        return _joined(head, None) if head.template else MISSING

    def _joined(head: Head, rest: Json) -> Json:
        texts: list[str] = []
        for part in head.template:
            text = part if isinstance(part, str) else rest if part == () else _text(value(part))
            if text is None:
                return MISSING
            texts.append(str(text))
        return "".join(texts)

    return {head.path: value(head.path) for head in heads}


def _text(value: Json) -> str | None:
    return None if isinstance(value, Missing) else text_of(value)


def nested(row: dict[Path, Json]) -> JsonObject:
    """A row as the object that it was, absent keys left out.

    Raises:
        UnreadableTableError: A column is inside another's value.
    """
    whole: JsonObject = {}
    for path, value in row.items():
        if isinstance(value, Missing):
            continue
        at = whole
        for key in path[:-1]:
            inner = at.setdefault(key, {})
            if not is_object(inner):
                raise UnreadableTableError(f"The column {path!r} is inside a value.")
            at = inner
        at[path[-1]] = value
    return whole
