"""What is read of tools and tasks, in any script."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.models import ToolDefinition
from toolhone.selection.text import (
    EMBEDDED_CHARACTERS,
    embedded_text,
    split_name,
    term_counts,
    terms,
    tool_text,
    well_formed,
)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("getWeather", ["get", "Weather"]),
        ("get_http-response.v2", ["get", "http", "response", "v", "2"]),
        ("parseHTTPResponse", ["parse", "HTTP", "Response"]),
        ("__private__", ["private"]),
        ("查询_天气", ["查询", "天气"]),
        ("", []),
    ],
)
def test_a_name_is_split_into_its_words(name: str, words: list[str]) -> None:
    assert split_name(name) == words


def test_a_tool_is_read_by_its_own_name_its_description_and_its_parameters() -> None:
    tool = ToolDefinition(
        name="files__move_fi_3fa2",
        description="Moves a file.",
        input_schema={"properties": {"fromPath": {"description": "Where it is"}, "to": {}, "odd": True}},
        server="files",
        original_name="moveFile",
    )

    assert tool_text(tool) == "files move File. Moves a file.. from Path Where it is, to, odd"


@pytest.mark.parametrize(
    "schema", [{}, {"properties": None}, {"properties": ["a"]}, {"properties": {"a": 1}}]
)
def test_a_malformed_schema_is_no_reason_to_fail(schema: dict[str, object]) -> None:
    assert "a tool" in tool_text(ToolDefinition(name="a_tool", description="", input_schema=schema))


def test_what_is_embedded_ends_at_a_word() -> None:
    text = "word " * 1000

    assert len(embedded_text(text)) <= EMBEDDED_CHARACTERS
    assert embedded_text(text).endswith("word")
    assert len(embedded_text("x" * 5000)) == EMBEDDED_CHARACTERS


def test_english_words_meet_by_their_stem_and_function_words_are_dropped() -> None:
    assert terms("What are the running databases?") == terms("run database")


@pytest.mark.parametrize(
    ("task", "description"),
    [
        ("今天北京的天气怎么样", "查询天气预报"),
        ("東京の天気を教えて", "天気予報を調べる"),
        ("ما حالة الطقس في باريس", "معرفة حالة الطقس"),
        ("КАКАЯ ПОГОДА в Москве", "погода сейчас"),
        ("ขอพยากรณ์อากาศ", "พยากรณ์อากาศวันนี้"),
        ("दिल्ली का मौसम", "मौसम की जानकारी"),
        ("서울 날씨를 알려줘", "날씨 조회"),
        ("café", "cafe"),
        ("STRASSE", "straße"),
        ("🌧 tomorrow?", "rain 🌧"),
    ],
)
def test_words_of_every_script_are_found(task: str, description: str) -> None:
    assert set(terms(task)) & set(terms(description))


def test_lone_surrogates_become_text_that_can_be_encoded() -> None:
    assert well_formed("a\ud800b").encode("utf-8") == b"a?b"


@settings(deadline=None)
@given(st.text())
def test_any_text_gives_terms_and_each_is_counted(text: str) -> None:
    assert sum(term_counts(text).values()) == len(terms(text))
    assert all(terms(text))
