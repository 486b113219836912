"""Lists a page at a time. A cursor is what a page ends with, and means nothing to whoever sends it back."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from toolhone.exceptions import InvalidRequestError
from toolhone.json_values import is_array, minified

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]

Cursor = Annotated[
    str | None,
    Query(
        max_length=1_000,
        description="The `next_cursor` of the page before, with the same filters; without it the first page.",
    ),
]


class Page(BaseModel, Generic[T]):
    """Some of a list."""

    items: list[T]
    next_cursor: Annotated[
        str | None, Field(description="Asks for the next page; null if this is the last.")
    ] = None


def cursor_of(*parts: str | int) -> str:
    """A cursor that stands for a place."""
    return base64.urlsafe_b64encode(minified(parts).encode()).decode().rstrip("=")


def place_of(cursor: str, *kinds: type[str] | type[int]) -> list[str | int]:
    """The place that a cursor stands for.

    Raises:
        InvalidRequestError: It is none of ours.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as exc:
        raise strange(cursor) from exc
    if not is_array(parts) or [type(part) for part in parts] != list(kinds):
        raise strange(cursor)
    return parts


def page_of(found: Sequence[T], limit: int, cursor: str | None, *, name: Callable[[T], str]) -> Page[T]:
    """One page of a list that is known whole, and to which new ones come at its head.

    Args:
        name: The id of one of them, by which the place is found again.

    Raises:
        InvalidRequestError: The cursor is not of this list.
    """
    begin = 0
    if cursor is not None:
        (last,) = place_of(cursor, str)
        begin = 1 + next((place for place, one in enumerate(found) if name(one) == last), -1)
        if begin == 0:
            raise strange(cursor)
    page = list(found[begin : begin + limit])
    more = begin + limit < len(found)
    return Page(items=page, next_cursor=cursor_of(name(page[-1])) if more else None)


def strange(cursor: str) -> InvalidRequestError:
    """The error for a cursor that is of another list, or of none."""
    shown = cursor if len(cursor) <= 40 else f"{cursor[:40]}…"
    return InvalidRequestError(
        f"{shown!r} is no cursor of this list. Send the next_cursor of its last page with the same filters, "
        "or none."
    )
