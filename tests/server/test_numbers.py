"""Numbers that JSON cannot carry are found wherever they stand, and nothing else is taken for one."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.json_values import is_array, is_object
from toolhone.models import Json
from toolhone.server.numbers import impossible_number

TEXTS = st.text(max_size=20) | st.sampled_from(["NaN", "-Infinity", "1e999", "7" * 400])
NUMBERS = st.integers() | st.floats() | st.just(10**400)
VALUES = st.recursive(
    st.none() | TEXTS | NUMBERS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)


def finite(value: Json) -> bool:
    if is_object(value):
        return all(map(finite, value.values()))
    if is_array(value):
        return all(map(finite, value))
    return not isinstance(value, float) or math.isfinite(value)


@settings(deadline=None)
@given(value=VALUES, encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32-be"]))
def test_a_text_has_one_exactly_if_its_value_has(value: Json, encoding: str) -> None:
    text = json.dumps(value).encode(encoding)
    assert (impossible_number(text) is None) is finite(value)


@settings(deadline=None)
@given(
    digits=st.integers(1, 320),
    behind=st.integers(0, 3),
    exponent=st.integers(-400, 400) | st.none(),
    letter=st.sampled_from(["e", "E", "e+", "E+"]),
    before=st.integers(0, 250),
)
def test_what_overflows_is_found_however_it_is_spelled(
    digits: int, behind: int, exponent: int | None, letter: str, before: int
) -> None:
    number = "9" * digits + ("." + "9" * behind if behind else "")
    if exponent is not None:
        number += f"{letter[0]}{exponent}" if exponent < 0 else f"{letter}{exponent}"
    is_float = bool(behind) or exponent is not None
    found = impossible_number(f"[{' ' * before}{number}]".encode())
    assert (found is not None) is (is_float and math.isinf(float(number)))


@pytest.mark.parametrize("text", ["", "NaN[", "[NaN", "{'a': Infinity", '"NaN', "[1e999" + "[" * 100_000])
def test_what_is_not_json_ends_nothing(text: str) -> None:
    assert impossible_number(text.encode()) in {None, "NaN", "1e999"}


def test_only_the_beginning_of_a_long_number_is_told() -> None:
    found = impossible_number(b"[" + b"1" * 400 + b".5]")
    assert found == "1" * 30 + "\u2026"


def test_a_number_is_found_that_a_later_one_of_the_same_name_covers() -> None:
    assert impossible_number(b'{"a": NaN, "a": 1}') == "NaN"
    # However long an integer is, what stands behind it is seen.
    assert impossible_number(b"[" + b"1" * 5_000 + b", -Infinity]") == "-Infinity"
