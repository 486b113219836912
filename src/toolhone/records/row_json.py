"""Rows and pairs of a dataset as lines of JSON: how they stand in a dataset's files. Pure.

The keys are the names of the fields; a field that has its default is left out.
"""

from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from typing import IO, TypeVar

from toolhone.json_values import is_array, is_object, minified, parse_json, well_formed, well_formed_json
from toolhone.models import Json, JsonObject
from toolhone.records.datasets import Pair, Row

Record = TypeVar("Record", Row, Pair)


def _defaults(kind: type[Row] | type[Pair]) -> dict[str, Json]:
    return {one.name: one.default for one in fields(kind)}


_ROW = _defaults(Row)
_PAIR = _defaults(Pair)


def row_json(row: Row) -> JsonObject:
    """The row as a JSON object."""
    return _told(row, _ROW)


def pair_json(pair: Pair) -> JsonObject:
    """The pair as a JSON object."""
    return _told(pair, _PAIR)


def row_from(value: JsonObject) -> Row:
    """The row that a JSON object tells of.

    Raises:
        TypeError: A field is missing.
    """
    return Row(**_read(value, _ROW))


def pair_from(value: JsonObject) -> Pair:
    """The pair that a JSON object tells of.

    Raises:
        TypeError: A field is missing.
    """
    return Pair(**_read(value, _PAIR))


def line(value: JsonObject) -> bytes:
    """One line of a file. Half a surrogate pair, which no tokenizer takes, becomes U+FFFD."""
    text = minified(value)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        return well_formed(text).encode() + b"\n"


def read_lines(file: IO[bytes], read: Callable[[JsonObject], Record]) -> Iterator[Record]:
    """What the lines of a file tell of, with U+FFFD for the halves of surrogate pairs that old files have.

    Raises:
        ValueError: A line tells of nothing; the message says which and why.
    """
    for number, text in enumerate(file, 1):
        try:
            value: Json = parse_json(well_formed_json(text.decode()))
            if not is_object(value):
                raise ValueError("it is not an object")
            record = read(value)
        except (ValueError, TypeError) as exc:
            raise ValueError(f"line {number} cannot be read: {exc}") from exc
        yield record


def _told(record: Row | Pair, defaults: dict[str, Json]) -> JsonObject:
    told: JsonObject = {}
    for name, default in defaults.items():
        value: Json = getattr(record, name)
        if default is MISSING or value != default:
            told[name] = value
    return told


def _read(value: JsonObject, known: dict[str, Json]) -> dict[str, Json]:
    # All lists of a row are tuples; those inside of messages stay what they are.
    return {name: tuple(item) if is_array(item) else item for name, item in value.items() if name in known}
