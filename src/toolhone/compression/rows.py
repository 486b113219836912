"""The other direction of columns: a head line and rows of cells, back to objects. Pure."""

from dataclasses import dataclass, field

from toolhone.compression.cells import (
    ABSENT,
    MISSING,
    Missing,
    Path,
    UnreadableTableError,
    json_at,
    path_at,
    template_parts,
    value_of,
)
from toolhone.compression.columns import text_of
from toolhone.json_values import is_object
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


class RowReader:
    """Reads the rows under one head line."""

    def __init__(self, heads: list[Head]) -> None:
        self._heads = heads
        self._with_cells = [head for head in heads if head.has_cells]
        self._by_path = {head.path: head for head in heads}

    def read(self, line: str) -> dict[Path, Json]:
        """The values of a row by their paths.

        Raises:
            UnreadableTableError: It does not match the head line.
        """
        cells = line.split("\t") if self._with_cells else []
        if len(cells) != len(self._with_cells) or (not self._with_cells and line):
            raise UnreadableTableError(f"A row has {len(cells)} cells for {len(self._with_cells)} columns.")
        own = {head.path: cell for head, cell in zip(self._with_cells, cells, strict=True)}
        known: dict[Path, Json] = {}
        for head in self._heads:
            if head.path not in known:
                self._make(head, own, known, set())
        return {head.path: known[head.path] for head in self._heads}

    def _make(self, head: Head, own: dict[Path, str], known: dict[Path, Json], busy: set[Path]) -> None:
        cell = own.get(head.path, "")
        if () in head.template:
            made = self._joined(head, value_of(cell, text=True), own, known, busy) if cell else MISSING
        elif cell == ABSENT and head.default:
            made = MISSING
        elif cell:
            made = value_of(cell, text=head.text)
        elif head.template:
            made = self._joined(head, None, own, known, busy)
        else:
            made = head.constant
        known[head.path] = made

    def _joined(
        self, head: Head, rest: Json, own: dict[Path, str], known: dict[Path, Json], busy: set[Path]
    ) -> Json:
        busy.add(head.path)
        texts: list[str] = []
        for part in head.template:
            if isinstance(part, str):
                text: str | None = part
            elif part == ():
                text = str(rest)
            else:
                source = self._by_path.get(part)
                if source is None or (part in busy and part not in known):
                    raise UnreadableTableError(f"A template refers to {part!r}: missing, or itself.")
                if part not in known:
                    self._make(source, own, known, busy)
                text = _text(known[part])
            if text is None:
                return MISSING
            texts.append(text)
        return "".join(texts)


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
