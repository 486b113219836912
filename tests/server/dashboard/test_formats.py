"""How numbers, times and texts are written on pages."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.server.dashboard.formats import (
    LONGEST,
    ago,
    compact,
    duration,
    milliseconds,
    most_usd,
    number,
    percent,
    pretty,
    query,
    segment,
    size,
    usd,
)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (number(1234567), "1,234,567"),
        (number(0.1234), "0.123"),
        (number(None), "–"),  # noqa: RUF001
        (compact(9999), "9,999"),
        (compact(12_345), "12.3 k"),
        (compact(999_950), "1 M"),
        (compact(1_234_567), "1.23 M"),
        (compact(-2_500_000), "-2.5 M"),
        (milliseconds(0), "0 ms"),
        (milliseconds(0.43), "0.4 ms"),
        (milliseconds(999.7), "1 s"),
        (milliseconds(1240), "1.24 s"),
        (milliseconds(200_000), "3 min 20 s"),
        (duration(7_500), "2 h 5 min"),
        (duration(86_400), "1 d"),
        (percent(0.0001), "<1%"),
        (percent(0.9999), ">99%"),
        (percent(0), "0%"),
        (percent(1), "100%"),
        (percent(0.125, 1), "12.5%"),
        (usd(12.345), "$12.35"),
        (usd(0.00123), "$0.0012"),
        (most_usd(0.0), "$0.00"),
        (most_usd(0.01234), "$0.0124"),
        (most_usd(0.29), "$0.2900"),
        (most_usd(1234.561), "$1,234.57"),
        (size(1_500_000), "1.5 MB"),
        (segment("a/b?c#d"), "a%2Fb%3Fc%23d"),
        (query({"a": "x y", "b": "", "c": None}, d="&"), "?a=x+y&d=%26"),
    ],
)
def test_it_is_written_as_people_read_it(written: str, expected: str) -> None:
    assert written == expected


def test_moments_are_told_by_how_long_ago_they_were() -> None:
    now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    told = [ago((now - timedelta(seconds=back)).isoformat(), now) for back in (0, 59, 61, 7200, 90_000, -300)]
    assert told == ["now", "59 s ago", "1 min ago", "2 h ago", "1 d ago", "in 5 min"]


def test_an_endless_text_is_cut_and_says_so() -> None:
    text = pretty("x" * (LONGEST + 5))
    assert text.endswith("5 more characters")


@settings(deadline=None)
@given(st.floats(allow_nan=True, allow_infinity=True))
def test_every_number_can_be_written(value: float) -> None:
    for write in (number, compact, milliseconds, duration, percent, usd):
        assert write(value)


@settings(deadline=None)
@given(st.floats(0, 1e6))
def test_a_bound_is_never_written_as_less_than_it_is(value: float) -> None:
    written = float(most_usd(value).replace("$", "").replace(",", ""))
    # A binary fraction of a millionth of its last digit is no money.
    assert value - 1e-9 <= written <= value + 0.0101
