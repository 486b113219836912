"""Excerpts of results: what is left is what was asked for, and what is left out is said."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.compression.excerpts import Fits, excerpt, slim_rows

Json = Any

ROWS: list[Json] = [
    {"id": number, "name": f"row {number}", "owner": {"login": f"user{number % 3}", "id": number % 3}}
    for number in range(120)
]


@pytest.mark.parametrize(
    ("asked", "value", "said"),
    [
        ({"limit": 2}, ROWS[:2], "2 of 120 rows"),
        ({"fields": ["id"], "limit": 1}, [{"id": 0}], "1 of 120 rows; fields id"),
        (
            {"fields": ["/owner/login"], "limit": 1},
            [{"owner": {"login": "user0"}}],
            "1 of 120 rows; fields /owner/login",
        ),
        ({"grep": "ROW 11"}, [ROWS[11], *ROWS[110:]], "11 of 120 rows with 'ROW 11'"),
        ({"grep": "row 11", "limit": 1}, [ROWS[11]], "1 of 11 rows with 'row 11', 120 in all"),
        ({"grep": ".*"}, [], "0 of 120 rows with '.*'"),
        ({"fields": ["id", "nope"], "limit": 1}, [{"id": 0}], "1 of 120 rows; fields id; no field nope"),
        ({"limit": 500}, ROWS, ""),
        ({"fields": ["id", "name", "owner"]}, ROWS, ""),
    ],
)
def test_rows_and_fields_are_chosen_and_counted(asked: Json, value: Json, said: str) -> None:
    found = excerpt(ROWS, **asked)

    assert (found.value, found.said) == (value, said)


def test_rows_inside_an_object_are_chosen_and_the_rest_of_it_stays() -> None:
    found = excerpt({"total": 120, "items": ROWS}, fields=["items.id", "/items/0/owner/id"], limit=1)

    assert found.value == {"total": 120, "items": [{"id": 0, "owner": {"id": 0}}]}
    assert found.said == "1 of 120 rows; fields items.id, /items/0/owner/id"


def test_fields_of_an_object_without_rows_and_keys_with_dots() -> None:
    value = {"a.b": 1, "a": {"b": 2, "c": 3}, "d": [{"e": 1, "f": 2}, 7]}

    assert excerpt(value, fields=["a.b"]).value == {"a.b": 1, "a": {"b": 2}}
    assert excerpt(value, fields=["d.e"]).value == {"d": [{"e": 1}, 7]}
    assert excerpt(value, grep='F"').value == {"d": value["d"]}


def test_lines_of_a_text_are_rows() -> None:
    found = excerpt("one\ntwo\nTWO", grep="two", limit=1)

    assert (found.value, found.said) == ("two", "1 of 2 lines with 'two', 3 in all")


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from("abc."), inner, max_size=4)
        ),
    ),
    st.lists(st.sampled_from(["a", "b.c", "/a/b", "", ".", "/"]), max_size=3),
    st.none() | st.integers(1, 3),
    st.none() | st.sampled_from(["a", '"', "\\", "("]),
)
def test_whatever_is_left_out_is_said(
    value: Json, fields: list[str], limit: int | None, grep: str | None
) -> None:
    found = excerpt(value, fields=fields, limit=limit, grep=grep)

    assert found.said or found.value == value


def test_slim_rows_fit_and_keep_whole_numbers() -> None:
    rows: list[Json] = [{"sha": "f" * 20 + "0" * 20, "n": 10**12 + i, "text": "word " * 50} for i in range(9)]

    slim = slim_rows(rows, Fits(150))

    assert slim is not None and Fits(150)(slim[0]) and len(slim[0]) >= 2
    assert [row["n"] for row in slim[0]] == [10**12 + i for i in range(len(slim[0]))]
    assert slim[1].endswith("of 3 fields")
