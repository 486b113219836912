"""One page of a value: rows of an array, characters of anything else. Pure."""

from collections.abc import Sequence

from toolhone.compression.excerpts import excerpt, place_of_rows
from toolhone.exceptions import InvalidRequestError
from toolhone.execution.json_paths import found_at
from toolhone.execution.preview import fitting_characters, fitting_rows, size_of
from toolhone.json_values import is_array, minified
from toolhone.models import Json, JsonObject
from toolhone.pointers import pointer


def page_of(
    value: Json,
    *,
    path: str,
    offset: int,
    limit: int | None,
    most: int,
    fields: Sequence[str] = (),
    grep: str | None = None,
) -> JsonObject:
    """The page as `{"total", "unit", "offset", "count", "next_offset"?, "excerpt"?, "value"}`.

    Args:
        value: The whole.
        path: JSON Pointer or plain JSONPath to the part of it that is read.
        offset: The first row or character.
        limit: How many at most.
        most: The most bytes of JSON in a page.
        fields: What to keep of each row, or of an object.
        grep: Only rows or lines that contain this.

    Raises:
        InvalidRequestError: The path or the offset leads nowhere, or one row alone is too large.
    """
    if offset < 0 or (limit is not None and limit < 1):
        raise InvalidRequestError(
            f"offset must be at least 0 and limit at least 1, not {offset} and {limit}."
        )
    value = found_at(value, path)
    said = ""
    if fields or grep is not None:
        if not path and (place := place_of_rows(value)) is not None:
            # As for a call: the rows are what is asked for, and they are read in pages.
            value, path = value[place], pointer([place])
        part = excerpt(value, fields=fields, grep=grep)
        value, said = part.value, part.said
    if is_array(value):
        unit, rest = "rows", value[offset : None if limit is None else offset + limit]
        count = fitting_rows(rest, most)
        if rest and not count:
            step = f"/{offset}" if not path or path.startswith("/") else f"[{offset}]"
            raise InvalidRequestError(
                f"Row {offset} alone is {size_of(rest[0])} bytes, more than a page of {most}. "
                f"Read it with the path '{path}{step}'."
            )
    else:
        value = value if isinstance(value, str) else minified(value)
        unit, rest = "characters", value[offset : None if limit is None else offset + limit]
        count = fitting_characters(rest, most)
    total = len(value)
    if not total and said:
        return {"total": 0, "unit": unit, "offset": 0, "count": 0, "excerpt": said, "value": value}
    if offset and offset >= total:
        raise InvalidRequestError(f"The offset {offset} is beyond the end: there are {total} {unit}.")
    page: JsonObject = {"total": total, "unit": unit, "offset": offset, "count": count}
    if offset + count < total:
        page["next_offset"] = offset + count
    if said:
        page["excerpt"] = said
    return {**page, "value": rest[:count]}
