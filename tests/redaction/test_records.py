"""One record has one mark for one thing, all through it."""

import json
import random
import re
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.models import Json
from toolhone.redaction import MAX_DEPTH, redact, redact_record
from toolhone.redaction.records import _Record

TOKEN = "gh" + "p_" + "q7Rt2xKp9Lm4Zs8Vq7Rt2xKp9Lm4Zs8VaB12"
MARK = re.compile(r"\[REDACTED:(\w+) (\d+)\]")


def test_the_same_person_has_the_same_number_wherever_they_stand() -> None:
    record = {
        "input": "Write to ada@analytical.org and bob@analytical.org.",
        "output": {
            "to": ["bob@analytical.org"],
            "cc": "Ada@Analytical.org",
            "note": json.dumps(["ada%40analytical.org"]),
        },
    }

    assert redact_record(record) == {
        "input": "Write to [REDACTED:email 1] and [REDACTED:email 2].",
        "output": {
            "to": ["[REDACTED:email 2]"],
            "cc": "[REDACTED:email 1]",
            "note": '["[REDACTED:email 1]"]',
        },
    }


def test_numbers_written_in_several_ways_are_the_same_number() -> None:
    card = "4111" + "1111" * 3
    spaced = "4111 " + " ".join(["1111"] * 3)

    assert redact_record([card, int(card), f"paid with {spaced}"]) == [
        "[REDACTED:card 1]",
        "[REDACTED:card 1]",
        "paid with [REDACTED:card 1]",
    ]


def test_a_secret_has_one_mark_though_its_places_would_call_it_differently() -> None:
    record = {
        "headers": {"Authorization": f"Bearer {TOKEN}"},
        "env": f"GITHUB_TOKEN={TOKEN}",
        "said": f"use {TOKEN}",
    }

    assert redact_record(record) == {
        "headers": {"Authorization": "[REDACTED:authorization 1]"},
        "env": "GITHUB_TOKEN=[REDACTED:authorization 1]",
        "said": "use [REDACTED:authorization 1]",
    }


def test_what_one_place_gave_away_goes_from_all_places() -> None:
    record = {
        "text": "I log in with Tr0ub4dor3x, not with Tr0ub4dor3xyz.",
        "login": {"password": "Tr0ub4dor3x"},
    }

    assert redact_record(record) == {
        "text": "I log in with [REDACTED:password 1], not with Tr0ub4dor3xyz.",
        "login": {"password": "[REDACTED:password 1]"},
    }


@pytest.mark.parametrize("password", ["blackbird", "abc123", "the blue door"])
def test_a_password_of_plain_words_goes_only_from_its_place(password: str) -> None:
    record = redact_record({"password": password, "text": f"We saw {password} today."})

    assert record == {"password": "[REDACTED:password 1]", "text": f"We saw {password} today."}


def test_digits_that_are_known_do_not_break_json_in_a_string() -> None:
    record = redact_record(
        {"pin_password": 12345678, "body": '{"order": 12345678}', "text": "it is 12345678"}
    )

    assert record["body"] == '{"order": 12345678}'
    assert record["text"] == "it is [REDACTED:password 1]"


def test_a_record_without_secrets_is_unchanged() -> None:
    record = {"messages": [{"role": "user", "content": "What is 2 + 2?"}], "n": 1, "x": [None, True, 0.5]}

    assert redact_record(record) == record


def test_marks_that_were_there_are_things_of_their_own() -> None:
    record = ["[REDACTED:email 3], [REDACTED:email]", "ada@analytical.org", "[REDACTED:email 1]"]

    assert redact_record(record) == [
        "[REDACTED:email 1], [REDACTED:email]",
        "[REDACTED:email 2]",
        "[REDACTED:email 3]",
    ]


def test_redact_keeps_numbered_marks() -> None:
    record = redact_record({"a": "ada@analytical.org", "password": "blackbird"})

    assert redact(record) == record


def test_long_numbers_in_a_mark_are_not_taken_for_a_mark() -> None:
    assert redact("[REDACTED:phone 4155552671]") == redact_record("[REDACTED:phone 4155552671]")
    assert "password 1" in redact_record({"password": "[REDACTED:password 4155552671]"})["password"]


def test_two_keys_stay_two_keys() -> None:
    record = redact_record({"ada@analytical.org": 1, "Ada@analytical.org": 2, "bob@analytical.org": 3})

    assert record == {"[REDACTED:email 1]": 1, "[REDACTED:email 1] (2)": 2, "[REDACTED:email 2]": 3}


def test_more_things_than_numbers_have_a_mark_without_one() -> None:
    record = redact_record([f"user{number}@analytical.org" for number in range(10_001)])

    assert record[9_998] == "[REDACTED:email 9999]"
    assert record[9_999:] == ["[REDACTED:email]", "[REDACTED:email]"]


def test_what_is_no_json_does_no_harm() -> None:
    circle: list[Json] = ["ada@analytical.org"]
    circle.append(circle)

    assert json.dumps(redact_record({1: b"\x00", None: object(), "nan": float("nan"), "circle": circle}))
    assert json.dumps(redact_record(float("nan"))) == "NaN"


def test_deep_values_are_cut() -> None:
    value: Json = "ada@analytical.org"
    for _ in range(MAX_DEPTH * 20):
        value = [value]

    assert "[REDACTED:too_deep]" in json.dumps(redact_record({"email": "bob@analytical.org", "deep": value}))


def test_many_threads_do_not_mix_their_records(labelled_values: list[Json]) -> None:
    records = [labelled_values[place : place + 5] for place in range(0, 400, 5)]
    alone = [redact_record(record) for record in records]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(redact_record, records * 3)) == alone * 3


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_records_are_idempotent_consistent_and_in_order(
    labelled_values: list[Json], data: st.DataObject
) -> None:
    parts = data.draw(st.lists(st.sampled_from(labelled_values), min_size=1, max_size=6))
    again = data.draw(st.integers(0, len(parts) - 1))
    record = {"parts": parts, "again": parts[again], "text": json.dumps(parts[again])}

    once = cast("dict[str, Json]", redact_record(record))

    written = json.dumps(once, ensure_ascii=False)
    assert redact_record(once) == once
    assert redact(once) == once
    assert once["again"] == once["parts"][again]
    numbers: dict[str, list[int]] = {}
    for kind, number in MARK.findall(written):
        if int(number) not in numbers.setdefault(kind, []):
            numbers[kind].append(int(number))
    assert all(seen == list(range(1, len(seen) + 1)) for seen in numbers.values())


PIECES = [
    *"\"'`\\{}[]()<>:=,;&@. \n\t-+_/%",
    *(
        "\\n",
        '\\"',
        "password",
        "token",
        "Cookie: ",
        "--password ",
        "[REDACTED:token]",
        "[REDACTED:token 1]",
        "[REDACTED:",
    ),
    *(
        "[REDACTED:email 2]",
        "email 1]",
        "?token=",
        "abc123def456",
        "q7Rt2xKp9Lm4Zs8Vq7Rt2",
        "hunter2_77",
        "ada@analytical.org",
    ),
    *(
        "bob@analytical.org",
        "203.0.113.77",
        "4111 ",
        "1111",
        "Bearer abcdef123456abcdef",
        "12345678",
        "PGPASSWORD=",
    ),
]
texts = st.lists(st.sampled_from(PIECES), max_size=20).map("".join)
keys = st.sampled_from(["password", "token", "phone", "name", "value", "columns", "rows", "a@b.org"]) | texts
documents = st.recursive(
    texts | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=12,
)


@settings(deadline=None, max_examples=60)
@given(documents)
def test_any_record_comes_out_as_json_and_stays_as_it_is(record: Json) -> None:
    once = redact_record(record)

    assert json.loads(json.dumps(once)) == once
    assert redact_record(once) == once


@settings(deadline=None, max_examples=60)
@given(documents)
def test_passing_over_settled_texts_changes_nothing(record: Json) -> None:
    forgetful = _Record(record)
    forgetful._redactor._settled = None

    assert forgetful.redacted() == redact_record(record)


def test_numbers_tell_nothing_of_the_values() -> None:
    names = [f"user{number}@analytical.org" for number in range(20)]
    shuffled = random.Random(1).sample(names, len(names))

    assert redact_record(names) == redact_record(shuffled)
