"""Rows of objects as columns, and what of a column need not be repeated in every row. Pure.

Nested objects become dotted columns. A column is one of

- `name`            a cell in every row, empty if the row does not have the key,
- `name=JSON`       the same in every row, no cells,
- `name~TEMPLATE`   made from other columns of the row, no cells; with `{}` the row's own cell is a part,
- `name?=JSON`, `name?~TEMPLATE`   the same, but a cell that is not empty says otherwise (`!`: no such key).

`name:text` holds only strings, and `name@2` row numbers of table 2.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from toolhone.compression.cells import MISSING, Missing, Path, cell_of, name_of, template_text
from toolhone.json_values import is_array, is_object, minified
from toolhone.models import Json, JsonObject, canonical_json

Count = Callable[[str], int]
Template = list[str | Path]
"""Literals and columns; the empty path is the column's own cell."""

_DEEPEST = 8


@dataclass(slots=True, kw_only=True)
class Column:
    """One column: its values, and how it is written."""

    path: Path
    values: list[Json]
    """One a row; MISSING where the row does not have the key."""
    text: bool = False
    table: int | None = None
    """The table that the values are row numbers of."""
    default: bool = False
    """Whether cells may say otherwise than `constant` or `template`."""
    constant: Json = MISSING
    template: Template = field(default_factory=list[str | Path])
    cells: list[str] | None = None
    """What stands in the rows; `None` if nothing does."""

    @property
    def head(self) -> str:
        """The column's place in the head line."""
        name = name_of(self.path)
        kind = f"@{self.table}" if self.table is not None else ":text" if self.text else ""
        unless = "?" if self.default else ""
        if self.constant is not MISSING:
            return f"{name}{kind}{unless}={cell_json(self.constant)}"
        if self.template:
            return f"{name}{kind}{unless}~{template_text(self.template)}"
        return f"{name}{kind}"


def cell_json(value: Json) -> str:
    """JSON on one line."""
    cell = cell_of(value)
    return cell if not isinstance(value, str) or cell[0] == '"' else minified(value)


def flattened(row: Mapping[str, Json], stop: Mapping[Path, int], deepest: int) -> list[tuple[Path, Json]]:
    """The row's leaves with their paths; objects at the paths in `stop` count as leaves."""
    leaves: list[tuple[Path, Json]] = []

    def walk(value: Mapping[str, Json], path: Path) -> None:
        for key, part in value.items():
            here = (*path, key)
            if is_object(part) and part and here not in stop and len(here) < deepest:
                walk(part, here)
            else:
                leaves.append((here, part))

    walk(row, ())
    return leaves


def columns_of(rows: Sequence[JsonObject], stop: Mapping[Path, int]) -> list[Column] | None:
    """Rows taken apart into columns, in the order of the keys; `None` if that would be mostly holes."""
    for deepest in (_DEEPEST, 1):
        flat = [flattened(row, stop, deepest) for row in rows]
        order = _merged_order(flat)
        leaves = sum(map(len, flat))
        if len(order) * len(rows) > 6 * leaves + 100:
            continue
        columns = {path: [MISSING] * len(rows) for path in order}
        for index, row in enumerate(flat):
            for path, value in row:
                columns[path][index] = value
        return [Column(path=path, values=list(values)) for path, values in columns.items()]
    return None


def _merged_order(flat: Sequence[Sequence[tuple[Path, Json]]]) -> list[Path]:
    """Every path once, a path that an earlier row lacks behind the one that it follows in its own row."""
    follows: dict[Path, Path | None] = {}
    for row in flat:
        before: Path | None = None
        for path, _ in row:
            follows.setdefault(path, before)
            before = path
    children: dict[Path | None, list[Path]] = {}
    for path, before in follows.items():
        children.setdefault(before, []).append(path)
    order: list[Path] = []
    waiting = list(children.get(None, ()))[::-1]
    while waiting:
        path = waiting.pop()
        order.append(path)
        # What was seen first comes right after; what came later in other rows is put before it.
        waiting.extend(children.get(path, ()))
    return order


def plain(columns: Sequence[Column]) -> None:
    """Give every column cells, and nothing else: TSV."""
    for column in columns:
        column.text = column.text or needs_text(column)
        column.cells = [
            "" if isinstance(value, Missing) else cell_of(value, text=column.text) for value in column.values
        ]


def key_of(value: Json) -> tuple[str, Json]:
    """What tells JSON values apart: 1, 1.0 and true differ."""
    kind = str(type(value).__name__)
    if is_object(value) or is_array(value):
        return (kind, canonical_json(value))
    return (kind, repr(value) if isinstance(value, float) else value)


def needs_text(column: Column) -> bool:
    """Whether every value is a string, and some would need quotes among others."""
    present = [value for value in column.values if not isinstance(value, Missing)]
    return all(isinstance(value, str) for value in present) and any(
        cell_of(value) != cell_of(value, text=True) for value in present
    )


def text_of(value: Json) -> str | None:
    """How a value stands inside another's text; `None` if it cannot."""
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None
