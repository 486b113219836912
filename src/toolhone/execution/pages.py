"""One page of a value: rows of an array, characters of anything else. Pure."""

from toolhone.exceptions import InvalidRequestError
from toolhone.execution.json_values import is_array, minified
from toolhone.execution.pointers import follow
from toolhone.execution.preview import fitting_characters, fitting_rows, size_of
from toolhone.models import Json, JsonObject


def page_of(value: Json, *, path: str, offset: int, limit: int | None, most: int) -> JsonObject:
    """The page as `{"total", "unit", "offset", "count", "next_offset"?, "value"}`.

    Args:
        value: The whole.
        path: JSON Pointer to the part of it that is read.
        offset: The first row or character.
        limit: How many at most.
        most: The most bytes of JSON in a page.

    Raises:
        InvalidRequestError: The path or the offset leads nowhere, or one row alone is too large.
    """
    if offset < 0 or (limit is not None and limit < 1):
        raise InvalidRequestError(
            f"offset must be at least 0 and limit at least 1, not {offset} and {limit}."
        )
    value = follow(value, path)
    if is_array(value):
        unit, rest = "rows", value[offset : None if limit is None else offset + limit]
        count = fitting_rows(rest, most)
        if rest and not count:
            raise InvalidRequestError(
                f"Row {offset} alone is {size_of(rest[0])} bytes, more than a page of {most}. "
                f"Read it with the path '{path}/{offset}'."
            )
    else:
        value = value if isinstance(value, str) else minified(value)
        unit, rest = "characters", value[offset : None if limit is None else offset + limit]
        count = fitting_characters(rest, most)
    total = len(value)
    if offset and offset >= total:
        raise InvalidRequestError(f"The offset {offset} is beyond the end: there are {total} {unit}.")
    page: JsonObject = {"total": total, "unit": unit, "offset": offset, "count": count}
    if offset + count < total:
        page["next_offset"] = offset + count
    return {**page, "value": rest[:count]}
