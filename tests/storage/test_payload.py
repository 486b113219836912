"""A payload's text is valid JSON, bounded, and states what it left out."""

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.exceptions import InvalidRequestError
from toolhone.models import Json, JsonObject, canonical_json
from toolhone.storage.payload import MAX_BYTES, payload_text

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(st.text(), values))
def test_any_json_becomes_text_that_utf8_and_json_accept(payload: JsonObject) -> None:
    text = payload_text(payload)

    text.encode("utf-8")
    json.loads(text, parse_constant=pytest.fail)


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.integers() | st.text(st.characters(exclude_categories=["Cs"]))))
def test_a_small_payload_is_kept_as_it_is(payload: JsonObject) -> None:
    assert payload_text(payload) == canonical_json(payload)


@settings(deadline=None, max_examples=8)
@given(
    st.dictionaries(
        st.text(max_size=5),
        st.sampled_from(
            [
                "x" * 100_000,
                "ü" * 40_000,
                ["row"] * 30_000,
                {"deep": {"er": ["z" * 20_000, 1, {"k": "v" * 5_000}]}},
                {str(number): number for number in range(3_000)},
                "small",
                [list(range(50)) for _ in range(300)],
            ]
        ),
        max_size=10,
    )
)
def test_a_payload_is_never_over_the_bound(payload: JsonObject) -> None:
    assert len(payload_text(payload).encode()) <= MAX_BYTES


def test_the_smallest_part_that_is_too_large_is_stated_and_the_rest_stays() -> None:
    long = "ä" * 50_000
    payload: JsonObject = {
        "arguments": {"path": "notes.txt", "text": long},
        "result": {"ok": True, "rows": [1, 2, 3]},
    }

    kept: Json = json.loads(payload_text(payload))

    data = json.dumps(long, ensure_ascii=False).encode()
    assert kept == {
        "arguments": {
            "path": "notes.txt",
            "text": {"omitted": True, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()},
        },
        "result": {"ok": True, "rows": [1, 2, 3]},
    }


def test_a_payload_of_very_many_small_parts_is_stated_whole() -> None:
    payload: JsonObject = {f"key {number}": "x" * 50 for number in range(5_000)}

    assert json.loads(payload_text(payload))["omitted"] is True


def test_a_payload_that_holds_itself_is_refused() -> None:
    payload: JsonObject = {}
    payload["me"] = payload

    with pytest.raises(InvalidRequestError, match="not JSON"):
        payload_text(payload)
