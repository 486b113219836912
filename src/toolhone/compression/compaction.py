"""What of a column need not stand in every row: constants, templates, defaults, common beginnings. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from toolhone.compression.cells import MISSING, Missing, Path, cell_of, template_text
from toolhone.compression.columns import Column, Count, Template, key_of, needs_text, text_of
from toolhone.models import Json

_MOST_COLUMNS = 400
"""With more, columns are not compared with each other: that takes the square of their number."""

_SAMPLES = 12
_ROWS_MEASURED = 200
_SHORTEST_SOURCE = 6
"""Characters of what may stand in others where there is only one row to see it in."""

_EXCEPTIONS = 0.3
"""The share of rows in which a template may be wrong."""


def compact(columns: Sequence[Column], count: Count) -> None:
    """Decide for every column how little of it the rows must say."""
    rows = len(columns[0].values) if columns else 0
    for column in columns:
        if rows > 1 and len({key_of(value) for value in column.values}) == 1:
            column.constant = column.values[0]
    varying = [column for column in columns if column.constant is MISSING]
    if len(varying) <= _MOST_COLUMNS and rows > 1:
        _find_templates(varying, count)
    for column in varying:
        if not column.template:
            column.text = column.text or needs_text(column)
            column.cells = [
                "" if isinstance(value, Missing) else cell_of(value, text=column.text)
                for value in column.values
            ]
            if column.table is None and rows > 2:
                _default_or_affix(column, count)


@dataclass(slots=True)
class _Source:
    column: Column
    texts: list[str | None]
    length: float
    rank: int


def _sources(columns: Sequence[Column]) -> list[_Source]:
    """Columns that can stand in others, shortest first.

    A column is made only from those before it, so that none is made from itself.
    """
    sources: list[_Source] = []
    for column in columns:
        texts = [None if isinstance(value, Missing) else text_of(value) for value in column.values]
        known = [text for text in texts if text is not None]
        if column.table is None and known:
            sources.append(_Source(column, texts, sum(map(len, known)) / len(known), 0))
    sources.sort(key=lambda source: source.length)
    return sources


def _find_templates(columns: Sequence[Column], count: Count) -> None:
    sources = _sources(columns)
    for rank, target in enumerate(sources):
        target.rank = rank
        if target.length >= 4 and any(isinstance(value, str) for value in target.column.values):
            _fit_template(target, sources[:rank], count)


def _fit_template(target: _Source, shorter: Sequence[_Source], count: Count) -> None:
    column = target.column
    rows = [index for index, value in enumerate(column.values) if isinstance(value, str) and value]
    step = max(1, len(rows) // _SAMPLES)
    samples = rows[::step][:_SAMPLES]
    if len(rows) < 2:
        return
    near = [source for source in shorter if _occurs(source, target, samples)]
    near.sort(key=lambda source: (-source.length, source.rank))
    by_path = {source.column.path: source for source in near}
    beside = [source for source in near if _is_there_when(source, column)]
    tried = [(choice, seed) for choice in (beside, near) for seed in {samples[0], samples[-1]} if choice]
    for choice, seed in tried:
        parts = _parts_of(str(column.values[seed]), choice, seed)
        if all(isinstance(part, str) for part in parts):
            continue
        wrong = [
            index
            for index, value in enumerate(column.values)
            if _rendered(parts, by_path, index) != value and not _both_absent(parts, by_path, index, value)
        ]
        if not wrong:
            column.template = parts
            return
        kept = len(column.values) - len(wrong)
        if len(wrong) <= _EXCEPTIONS * len(column.values) and kept * target.length > 80:
            column.template, column.default = parts, True
            exceptions = set(wrong)
            column.cells = [
                "" if index not in exceptions else _exception(value)
                for index, value in enumerate(column.values)
            ]
            return
    _fit_prefix(target, beside or near, rows, count)


def _is_there_when(source: _Source, column: Column) -> bool:
    """Whether the source has a text in exactly the rows in which the column has one."""
    return all(
        (text is None) == (not isinstance(value, str))
        for text, value in zip(source.texts, column.values, strict=True)
    )


def _occurs(source: _Source, target: _Source, samples: Sequence[int]) -> bool:
    found = 0
    for index in samples:
        text = source.texts[index]
        found += text is not None and text in str(target.column.values[index])
    return 4 * found >= 3 * len(samples)


def _parts_of(value: str, sources: Sequence[_Source], row: int) -> Template:
    """The value with the texts of other columns taken out, longest first."""
    parts: Template = [value]
    for source in sources:
        text = source.texts[row]
        if text is None:
            continue
        taken: Template = []
        for part in parts:
            if not isinstance(part, str):
                taken.append(part)
                continue
            start = 0
            at = _place(part, text, start)
            while at >= 0:
                if at > start:
                    taken.append(part[start:at])
                taken.append(source.column.path)
                start = at + len(text)
                at = _place(part, text, start)
            if start < len(part):
                taken.append(part[start:])
        parts = taken
    return parts


def _place(value: str, text: str, start: int) -> int:
    """Where the text stands by itself, not inside a longer word or number."""
    while (at := value.find(text, start)) >= 0:
        end = at + len(text)
        before = at > 0 and value[at - 1].isalnum() and text[0].isalnum()
        behind = end < len(value) and value[end].isalnum() and text[-1].isalnum()
        if not before and not behind:
            return at
        start = at + 1
    return -1


def _rendered(parts: Template, sources: Mapping[Path, _Source], row: int) -> str | None:
    texts: list[str] = []
    for part in parts:
        text = part if isinstance(part, str) else sources[part].texts[row]
        if text is None:
            return None
        texts.append(text)
    return "".join(texts)


def _both_absent(parts: Template, sources: Mapping[Path, _Source], row: int, value: Json) -> bool:
    return isinstance(value, Missing) and _rendered(parts, sources, row) is None


def _exception(value: Json) -> str:
    return "!" if isinstance(value, Missing) else cell_of(value)


def _fit_prefix(target: _Source, near: Sequence[_Source], rows: Sequence[int], count: Count) -> None:
    """A longer column that the value begins with in every row, then the same text, then the row's own."""
    column = target.column
    if any(not isinstance(value, (str, Missing)) for value in column.values):
        return
    for source in near:
        if all((text := source.texts[row]) and column.values[row].startswith(text) for row in rows):
            rests = {row: str(column.values[row])[len(str(source.texts[row])) :] for row in rows}
            common = _common_prefix(list(rests.values()))
            parts: Template = [source.column.path, common] if common else [source.column.path]
            _use_affix(column, parts, {row: rest[len(common) :] for row, rest in rests.items()}, count)
            return


# Defaults and common beginnings


def _default_or_affix(column: Column, count: Count) -> None:
    if _use_default(column, count):
        return
    if all(isinstance(value, (str, Missing)) for value in column.values):
        texts = {index: value for index, value in enumerate(column.values) if isinstance(value, str)}
        common = _common_prefix(list(texts.values()))
        if len(texts) > 2 and common:
            rests = {index: value[len(common) :] for index, value in texts.items()}
            _use_affix(column, [common], rests, count)


def _use_default(column: Column, count: Count) -> bool:
    """Leave the value that costs most where it stands often; a rare one is not worth a reader's effort."""
    cells = column.cells or []
    by_cell = Counter(cell for cell in cells if cell)
    if not by_cell:
        return False
    best = max(by_cell, key=lambda cell: by_cell[cell] * len(cell))
    often, each = by_cell[best], count(best)
    absent = sum(not cell for cell in cells)
    saved = often * each - absent - each - 3
    if often < 3 or saved <= 4 or (20 * often < len(cells)) or (4 * often < len(cells) and saved < 24):
        return False
    at = cells.index(best)
    column.constant, column.default = column.values[at], True
    column.cells = ["" if cell == best else cell or "!" for cell in cells]
    return True


def _common_prefix(texts: Sequence[str]) -> str:
    low, high = min(texts), max(texts)
    for at, (one, other) in enumerate(zip(low, high, strict=False)):
        if one != other:
            low = low[:at]
            break
    # Digits and letters stay whole: half a number or word is hard to read.
    at = len(low)
    if any(len(text) > at and text[at].isalnum() for text in texts):
        while at and low[at - 1].isalnum():
            at -= 1
    return low[:at]


def _use_affix(column: Column, parts: Template, rests: Mapping[int, str], count: Count) -> None:
    """Say only the rest of each value, if that is shorter."""
    shown = list(rests)[:_ROWS_MEASURED]
    before = count("\n".join(cell_of(column.values[index]) for index in shown))
    after = count("\n".join(cell_of(rests[index], text=True) for index in shown))
    template: Template = [*parts, ()]
    if after + count(template_text(template)) + 4 < before:
        column.template, column.text, column.default = template, False, False
        column.cells = [
            cell_of(rests[index], text=True) if index in rests else "" for index in range(len(column.values))
        ]


def single(columns: Sequence[Column]) -> None:
    """Say one row in its head line, with no cells."""
    sources = _sources(columns)
    long = [source for source in sources if source.length >= _SHORTEST_SOURCE]
    if len(long) <= _MOST_COLUMNS:
        for rank, target in enumerate(long):
            value = str(target.column.values[0])
            parts = _parts_of(value, list(reversed(long[:rank])), 0)
            if any(not isinstance(part, str) for part in parts) and target.column.table is None:
                target.column.template = parts
    for column in columns:
        if not column.template:
            column.constant = column.values[0]
