"""Pages of a list: together they are the list, whatever the limit; a strange cursor is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.exceptions import InvalidRequestError
from toolhone.server.api.paging import Page, cursor_of, page_of, place_of


@settings(deadline=None)
@given(st.lists(st.text(max_size=20), unique=True, max_size=30), st.integers(1, 40))
def test_pages_together_are_the_list(names: list[str], limit: int) -> None:
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page: Page[str] = page_of(names, limit, cursor, name=str)
        assert len(page.items) <= limit
        seen += page.items
        cursor = page.next_cursor
        if cursor is None:
            break

    assert seen == names


@settings(deadline=None)
@given(st.text(max_size=50), st.integers(0, 2**53))
def test_a_cursor_stands_for_its_place(text: str, number: int) -> None:
    assert place_of(cursor_of(text, number), str, int) == [text, number]


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_other_text_is_refused_and_nothing_breaks(text: str) -> None:
    try:
        (place,) = place_of(text, str)
    except InvalidRequestError as exc:
        assert exc.code == "invalid_request"
    else:
        assert isinstance(place, str)


def test_what_came_meanwhile_shifts_no_page() -> None:
    first: Page[str] = page_of(["c", "b", "a"], 2, None, name=str)
    second: Page[str] = page_of(["e", "d", "c", "b", "a"], 2, first.next_cursor, name=str)

    assert (first.items, second.items) == (["c", "b"], ["a"])


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="no cursor of this list"):
        page_of(["a", "b"], 1, cursor_of("elsewhere"), name=str)
