"""Large results: a preview that says what it left out, and pages that give it all back."""

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.exceptions import InvalidRequestError, ToolFailedError, UnknownHandleError
from toolhone.execution.pages import page_of
from toolhone.execution.preview import exceeds, shrink, size_of
from toolhone.json_values import minified
from toolhone.models import Caller, Json, JsonObject, ToolOutput

if TYPE_CHECKING:
    from execution.conftest import Workbench

ROWS = [{"id": number, "name": f"row {number}"} for number in range(2000)]


def replying(bench: "Workbench", answer: Json) -> None:
    async def reply(arguments: JsonObject) -> Json:
        return answer

    bench.tool("reply", reply)


async def everything(bench: "Workbench", handle: str | None, path: str | None = None) -> Json:
    """All pages of a result, put together."""
    assert handle
    page = await bench.keeper.read(handle, "local", path=path)
    value: Json = page["value"]
    while "next_offset" in page:
        assert size_of(page["value"]) <= 16_384
        page = await bench.keeper.read(handle, "local", path=path, offset=page["next_offset"])
        value = value + page["value"]
    assert len(value) == page["total"]
    return value


@pytest.mark.parametrize(
    ("answer", "path"),
    [(ROWS, None), ({"rows": ROWS, "more": False}, "/rows"), ({"data": {"result": ROWS}}, "/data/result")],
)
async def test_a_long_array_shows_its_first_rows_and_all_can_be_read(
    bench: "Workbench", answer: Json, path: str | None
) -> None:
    replying(bench, answer)
    result = await bench.one("reply")
    shown: Json = result.result
    for key in (path or "").split("/")[1:]:
        shown = shown[key]
    assert shown == ROWS[: len(shown)]
    assert f"{len(shown)} of 2000 rows" in result.notices[0]
    assert 120 < size_of(result.result) <= 224
    assert await everything(bench, result.handle, path) == ROWS
    assert result.handle and bench.events[0].payload["handle"] == f"{result.handle[:6]}…"
    assert result.handle not in str(bench.events), "who reads the audit could read the result with it"


async def test_long_text_shows_its_beginning(bench: "Workbench") -> None:
    text = "Grüße 🐝\n" * 5000
    replying(bench, text)
    result = await bench.one("reply")
    assert text.startswith(result.result)
    assert f"first {len(result.result)} of {len(text)} characters" in result.notices[0]
    assert await everything(bench, result.handle) == text
    assert await everything(bench, result.handle, "/text") == text


async def test_json_in_a_text_stays_json(bench: "Workbench") -> None:
    replying(bench, json.dumps(ROWS))
    result = await bench.one("reply")
    shown = json.loads(result.result)
    assert shown == ROWS[: len(shown)]
    assert size_of(result.result) <= 16_384
    assert await everything(bench, result.handle) == ROWS


async def test_a_small_result_is_sent_as_it_is(bench: "Workbench") -> None:
    replying(bench, {"a": 1})
    result = await bench.one("reply")
    assert (result.result, result.handle, result.notices) == ({"a": 1}, None, ())
    assert bench.store.kept == {}


async def test_references_see_the_whole_of_a_result_that_was_previewed(bench: "Workbench") -> None:
    async def last(arguments: JsonObject) -> Json:
        return arguments

    replying(bench, ROWS)
    bench.tool("last", last)
    results = await bench.run(
        [
            {"id": "all", "tool": "reply", "arguments": {}},
            {"tool": "last", "arguments": {"x": {"$from": "all", "path": "/1999/id"}}},
        ]
    )
    assert results[1].result == {"x": 1999}


async def test_a_large_error_goes_behind_a_handle_too(bench: "Workbench") -> None:
    replying(bench, ToolOutput(content=({"type": "text", "text": "bad " * 10_000},), is_error=True))
    result = await bench.one("reply")
    assert result.error is not None and result.error.message.startswith("bad bad")
    assert len(result.error.message) < 17_000
    assert await everything(bench, result.handle) == "bad " * 10_000


@pytest.mark.parametrize(
    ("message", "data"), [("bad " * 10_000, {"code": -32000}), ("bad", {"rows": ["x" * 100] * 1000})]
)
async def test_a_large_error_that_was_raised_goes_behind_a_handle_too(
    bench: "Workbench", message: str, data: JsonObject
) -> None:
    async def fail(arguments: JsonObject) -> Json:
        raise ToolFailedError(message, data=data)

    bench.tool("fail", fail)
    result = await bench.one("fail")
    error = result.error
    assert error is not None and error.code == "tool_failed" and result.handle
    whole = f"{message}\n{minified(data)}"
    shown, _ = error.message.split("…\n")
    assert whole.startswith(shown) and len(error.message) < 3_000
    assert f"first {len(shown)} of {len(whole)} characters" in error.message
    assert f"read_result with the handle {result.handle!r}" in error.message
    assert error.data is not None and ("rows" in error.data, error.data["handle"]) == (False, result.handle)
    assert await everything(bench, result.handle) == whole
    assert result.handle not in str(bench.events)
    assert result.handle[:6] in bench.events[0].payload["error"]["message"]


async def test_a_small_error_is_told_as_it_is(bench: "Workbench") -> None:
    async def fail(arguments: JsonObject) -> Json:
        raise ToolFailedError("bad", data={"code": 5})

    bench.tool("fail", fail)
    result = await bench.one("fail")
    assert result.error is not None
    assert (result.error.message, result.error.data, result.handle) == ("bad", {"code": 5}, None)


async def test_a_large_picture_goes_behind_a_handle_and_a_small_one_through(bench: "Workbench") -> None:
    small: JsonObject = {"type": "image", "data": "A" * 50_000, "mimeType": "image/png"}
    large: JsonObject = {"type": "image", "data": "B" * 2_000_000, "mimeType": "image/png"}
    replying(bench, ToolOutput(content=({"type": "text", "text": "look"}, small, large)))
    result = await bench.one("reply")
    assert (result.result, result.content) == ("look", (small,))
    assert "image/png is not shown, it is at '/content/2'" in result.notices[0]
    page = await bench.keeper.read(result.handle or "", "local", path="/content/2/data", limit=10)
    assert (page["value"], page["total"]) == ("B" * 10, 2_000_000)


async def test_if_the_store_fails_the_whole_result_is_sent(
    bench: "Workbench", caplog: pytest.LogCaptureFixture
) -> None:
    bench.store.broken = True
    replying(bench, ROWS)
    result = await bench.one("reply")
    assert result.result == ROWS
    assert result.handle is None
    assert "could not be kept" in result.notices[0]
    assert "/home/someone" not in str(result.notices)


async def test_a_handle_is_good_for_its_own_caller_only(bench: "Workbench") -> None:
    replying(bench, ROWS)
    (result,) = await bench.run([{"tool": "reply", "arguments": {}}], caller=Caller(principal="ann"))
    assert (await bench.keeper.read(result.handle or "", "ann"))["count"]
    with pytest.raises(UnknownHandleError):
        await bench.keeper.read(result.handle or "", "bob")


@pytest.mark.parametrize(
    ("path", "offset", "limit", "says"),
    [
        ("/nope", 0, None, "'rows'"),
        ("rows[0:2]", 0, None, "JSON Pointer"),
        ("/rows", 3, None, "beyond the end: there are 3 rows"),
        ("/rows", -1, None, "at least 0"),
        ("/rows", 0, 0, "at least 1"),
        ("/big", 0, None, "path '/big/0'"),
    ],
)
def test_a_page_that_cannot_be_given_says_why(path: str, offset: int, limit: int | None, says: str) -> None:
    value = {"rows": [1, 2, 3], "big": ["x" * 1000]}
    with pytest.raises(InvalidRequestError, match=says):
        page_of(value, path=path, offset=offset, limit=limit, most=500)


def test_empty_values_have_one_empty_page() -> None:
    assert page_of([], path="", offset=0, limit=None, most=100)["value"] == []
    assert page_of("", path="", offset=0, limit=None, most=100)["value"] == ""


def test_an_object_of_many_small_parts_shows_its_first_keys() -> None:
    value = {f"key{number}": number for number in range(1000)}
    shown, phrases = shrink(value, 500)
    assert shown == dict(list(value.items())[: len(shown)]) and len(shown) > 20
    assert phrases == [f"{len(shown)} of 1000 keys"]


def test_rows_too_wide_to_show_three_of_show_their_short_telling_fields() -> None:
    rows = [
        {
            "url": f"https://x.example/{number}",
            "kind": "page",
            "number": number,
            "owner": {"login": "a" * 300},
            "title": f"The title of page {number}" * 9,
        }
        for number in range(50)
    ]
    shown, phrases = shrink({"total": 50, "items": rows}, 400)
    assert shown["total"] == 50
    assert [row["number"] for row in shown["items"]] == list(range(len(shown["items"])))
    assert len(shown["items"]) >= 3 and shown["items"][0].keys() == {"number", "title"}
    assert phrases == [f"/items: first {len(shown['items'])} of 50 rows, 2 of 5 fields, long texts to the …"]


def test_two_long_parts_share_the_room() -> None:
    shown, phrases = shrink({"a": "x" * 5000, "b": list(range(5000)), "c": 1}, 1000)
    assert len(shown["a"]) > 400 and size_of(shown["b"]) > 400 and shown["c"] == 1
    assert len(phrases) == 2


VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=40,
)


@settings(deadline=None, max_examples=60)
@given(VALUES, st.integers(64, 2000))
def test_a_preview_fits_and_says_every_cut(value: Json, most: int) -> None:
    assert exceeds(value, most) == (size_of(value) > most)
    shown, phrases = shrink(value, most)
    assert size_of(shown) <= max(most, 2) or not isinstance(value, (list, dict, str))
    if shown != value:
        assert phrases


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(max_size=30), max_size=50) | st.text(max_size=300), st.integers(150, 400))
def test_the_pages_of_a_value_are_the_value(value: Json, most: int) -> None:
    whole: Json = value[:0]
    offset = 0
    while True:
        page = page_of(value, path="", offset=offset, limit=None, most=most)
        whole = whole + page["value"]
        assert size_of(page["value"]) <= most or not page["count"]
        if "next_offset" not in page:
            break
        offset = page["next_offset"]
    assert whole == value
