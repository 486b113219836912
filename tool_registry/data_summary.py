"""Summarises a CSV, TSV, JSON or JSON Lines file, row by row."""

import csv
import json
import math
import random
import re
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, cast

LARGEST_JSON = 64_000_000
SAMPLE_SIZE = 10_000
MOST_DISTINCT = 10_000
MOST_COLUMNS = 1_000
LONGEST_VALUE_SHOWN = 100

_INTEGER = re.compile(r"[+-]?\d{1,18}")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?")
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})
_BOOLEANS = frozenset({"true", "false"})


class DataError(Exception):
    """The file cannot be summarised."""


def analyze_data(
    path: str, format: str = "auto", max_rows: int = 1_000_000, top_values: int = 5
) -> dict[str, Any]:
    """Columns, types, missing values and statistics of a file of rows."""
    file = Path(path).expanduser().resolve()
    if not file.is_file():
        raise DataError(f"There is no file {str(file)!r}.")
    kind = _format(file) if format == "auto" else format
    columns: dict[str, _Column] = {}
    rows = 0
    complete = True
    with _opened(file) as stream:
        for row in _READERS[kind](stream, file):
            if rows == max_rows:
                complete = False
                break
            for name, value in row.items():
                column = columns.get(name)
                if column is None:
                    if len(columns) == MOST_COLUMNS:
                        raise DataError(f"{file.name!r} has more than {MOST_COLUMNS:,} columns.")
                    column = columns[name] = _Column()
                column.add(value)
            rows += 1
    return {
        "path": str(file),
        "format": kind,
        "rows": rows,
        "complete": complete,
        "columns": [column.summary(name, rows, top_values) for name, column in columns.items()],
    }


class _Column:
    """What is remembered of one column: bounded, however long the file is."""

    def __init__(self) -> None:
        self.seen = 0
        self.types: Counter[str] = Counter()
        self.values: Counter[Any] = Counter()
        self.overflowed = False
        self.numbers = 0
        self.mean = 0.0
        self.squares = 0.0
        self.low, self.high = math.inf, -math.inf
        self.sample: list[float] = []
        self.random = random.Random(0)  # The same file always gives the same summary.
        self.shortest: int | None = None
        self.longest = 0

    def add(self, value: Any) -> None:
        kind, value = _typed(value)
        if kind == "missing":
            return
        self.seen += 1
        self.types[kind] += 1
        if kind in ("integer", "number"):
            self._add_number(float(value))
        elif kind == "string":
            self.shortest = len(value) if self.shortest is None else min(self.shortest, len(value))
            self.longest = max(self.longest, len(value))
        shown = _shown(value)
        if shown in self.values or len(self.values) < MOST_DISTINCT:
            self.values[shown] += 1
        else:
            self.overflowed = True

    def _add_number(self, number: float) -> None:
        self.numbers += 1
        self.low, self.high = min(self.low, number), max(self.high, number)
        difference = number - self.mean
        self.mean += difference / self.numbers
        self.squares += difference * (number - self.mean)
        if len(self.sample) < SAMPLE_SIZE:
            self.sample.append(number)
        else:
            place = self.random.randrange(self.numbers)
            if place < SAMPLE_SIZE:
                self.sample[place] = number

    def summary(self, name: str, rows: int, top_values: int) -> dict[str, Any]:
        result: dict[str, Any] = {
            "name": name,
            "type": _type_of(self.types),
            "missing": rows - self.seen,
            "distinct": len(self.values),
            "distinct_is_exact": not self.overflowed,
        }
        if len(self.types) > 1:
            result["types"] = dict(self.types.most_common())
        if self.numbers:
            ordered = sorted(self.sample)
            deviation = math.sqrt(self.squares / (self.numbers - 1)) if self.numbers > 1 else 0.0
            result["numbers"] = {
                "min": _plain(self.low),
                "max": _plain(self.high),
                "mean": self.mean,
                "standard_deviation": deviation,
                "quantiles": {
                    label: _plain(_quantile(ordered, share))
                    for label, share in (("25%", 0.25), ("50%", 0.5), ("75%", 0.75), ("95%", 0.95))
                },
                "quantiles_are_exact": self.numbers <= SAMPLE_SIZE,
            }
        if self.shortest is not None:
            result["lengths"] = {"min": self.shortest, "max": self.longest}
        result["top_values"] = [
            {"value": value, "count": count} for value, count in self.values.most_common(top_values)
        ]
        return result


def _typed(value: Any) -> tuple[str, Any]:
    if value is None:
        return "missing", None
    if isinstance(value, bool):
        return "boolean", str(value).lower()
    if isinstance(value, int):
        return ("integer", value) if value.bit_length() < 1_000 else ("string", str(value))
    if isinstance(value, float):
        return ("number", value) if math.isfinite(value) else ("missing", None)
    if isinstance(value, (dict, list)):
        return ("object" if isinstance(value, dict) else "array"), json.dumps(value, ensure_ascii=False)
    text = str(value).strip()
    if text.casefold() in _MISSING:
        return "missing", None
    if _INTEGER.fullmatch(text):
        # 007 and 0043 are codes: as numbers they would lose what they say.
        code = len(text) > 1 and text.startswith("0")
        return ("string", text) if code else ("integer", int(text))
    if _NUMBER.fullmatch(text):
        return "number", float(text)
    if text.casefold() in _BOOLEANS:
        return "boolean", text.casefold()
    return ("date" if _DATE.fullmatch(text) else "string"), text


def _type_of(types: Counter[str]) -> str:
    if not types:
        return "empty"
    if set(types) == {"integer", "number"}:
        return "number"
    return next(iter(types)) if len(types) == 1 else "mixed"


def _quantile(ordered: list[float], share: float) -> float:
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _plain(number: float) -> int | float:
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _shown(value: Any) -> Any:
    if isinstance(value, str) and len(value) > LONGEST_VALUE_SHOWN:
        return f"{value[:LONGEST_VALUE_SHOWN]}… ({len(value)} characters)"
    return value


def _format(file: Path) -> str:
    known = {
        ".csv": "csv",
        ".tsv": "csv",
        ".tab": "csv",
        ".json": "json",
        ".jsonl": "jsonl",
        ".ndjson": "jsonl",
    }
    try:
        return known[file.suffix.lower()]
    except KeyError:
        raise DataError(f"{file.name!r} does not say what it is; give format: csv, json or jsonl.") from None


@contextmanager
def _opened(file: Path) -> Generator[TextIO]:
    try:
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            # A database, say: its pages would pass for a table of one wide column.
            if "\0" in stream.read(8192):
                raise DataError(f"{file.name!r} is binary, not a text of rows.")
            stream.seek(0)
            yield stream
    except csv.Error as exc:
        raise DataError(f"{file.name!r} is not a table: {exc}.") from exc


def _csv_rows(stream: TextIO, file: Path) -> Iterator[dict[str, Any]]:
    beginning = stream.read(65_536)
    stream.seek(0)
    tabs = file.suffix.lower() in (".tsv", ".tab")
    reader = csv.reader(stream, delimiter="\t" if tabs else _delimiter(beginning))
    header = next(reader, None)
    if header is None:
        return
    names = _distinct([name.strip() or f"column_{index}" for index, name in enumerate(header, start=1)])
    for row in reader:
        if not row:
            continue
        extra = [f"column_{index}" for index in range(len(names) + 1, len(row) + 1)]
        yield dict(zip([*names, *extra], row, strict=False))


def _delimiter(beginning: str) -> str:
    """What splits the first lines most evenly. csv.Sniffer takes seconds over long columns."""
    lines = beginning.splitlines(keepends=True)[:30]

    def evenness(delimiter: str) -> tuple[float, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        if not widths or widths[0] == 1:
            return 0.0, 0
        return widths.count(widths[0]) / len(widths), widths[0]

    return max(",;\t|", key=evenness)  # The first of equals: the comma.


def _distinct(names: list[str]) -> list[str]:
    counts: Counter[str] = Counter()
    distinct: list[str] = []
    for name in names:
        counts[name] += 1
        distinct.append(name if counts[name] == 1 else f"{name}_{counts[name]}")
    return distinct


def _jsonl_rows(stream: TextIO, file: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(stream, start=1):
        if line.strip():
            try:
                yield _row(json.loads(line))
            except (ValueError, RecursionError) as exc:
                raise DataError(f"Line {number} of {file.name!r} is not JSON: {exc}.") from exc


def _json_rows(stream: TextIO, file: Path) -> Iterator[dict[str, Any]]:
    if file.stat().st_size > LARGEST_JSON:
        raise DataError(
            f"{file.name!r} is larger than {LARGEST_JSON:,} bytes, which is the most for one JSON value; "
            "as JSON Lines it may be of any size."
        )
    try:
        value: Any = json.load(stream)
    except (ValueError, RecursionError) as exc:
        raise DataError(f"{file.name!r} is not JSON: {exc}.") from exc
    if isinstance(value, dict):
        # {"items": [...], "next": ...}: the rows are the longest list of objects in it.
        members = cast("dict[str, Any]", value).values()
        lists = [cast("list[Any]", part) for part in members if isinstance(part, list) and part]
        tables = [part for part in lists if all(isinstance(item, dict) for item in part)]
        value = max(tables, key=len) if tables else [cast("dict[str, Any]", value)]
    for item in cast("list[Any]", value) if isinstance(value, list) else [value]:
        yield _row(item)


def _row(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {"value": value}


_READERS = {"csv": _csv_rows, "json": _json_rows, "jsonl": _jsonl_rows}
