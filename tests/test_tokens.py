"""Counting tokens: exact, for any text, and loaded only when needed."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone import tokens
from toolhone.models import ToolDefinition
from toolhone.tokens import count_json, count_tokens, is_loaded, load, tool_listing

_FRESH_PROCESS = """
import sys
from concurrent.futures import ThreadPoolExecutor
import toolhone.tokens as tokens

assert "bpe_openai" not in sys.modules
assert not tokens.is_loaded()
with ThreadPoolExecutor(8) as threads:
    counts = list(threads.map(tokens.count_tokens, ["hello world"] * 8))
assert counts == [2] * 8, counts
assert tokens.is_loaded()
assert "bpe_openai" not in sys.modules
"""


def test_nothing_is_loaded_before_the_first_count() -> None:
    done = subprocess.run([sys.executable, "-c", _FRESH_PROCESS], capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr


def test_loading_ahead_of_the_first_count() -> None:
    load()

    assert is_loaded()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0), ("hello world", 2), ("tiktoken is great!", 6), ("お誕生日おめでとう", 8), ("2 + 2 = 4", 7)],
)
def test_known_counts_of_the_vocabulary(text: str, expected: int) -> None:
    assert count_tokens(text) == expected


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_the_count_is_the_number_of_tokens_encoded(text: str) -> None:
    assert count_tokens(text) == len(tokens._load().encode(text))


@settings(deadline=None)
@given(st.text(st.characters()))
def test_any_text_can_be_counted(text: str) -> None:
    assert count_tokens(text) >= bool(text)


@pytest.mark.parametrize("text", ["<|endoftext|>", "a<|endofprompt|>b"])
def test_special_tokens_written_out_are_ordinary_text(text: str) -> None:
    # As special tokens they would count one each.
    assert count_tokens(text) >= 6


def test_surrogates_count_as_what_a_reader_sees() -> None:
    assert count_tokens("\ud83d\ude00") == count_tokens("\N{GRINNING FACE}")
    assert count_tokens("a\ud800b") == count_tokens("a\ufffdb")


def test_text_of_more_than_a_million_characters_is_counted() -> None:
    assert count_tokens("hello world " * 100_000) > 200_000


def test_json_is_counted_minified_and_unescaped() -> None:
    value = {"name": "größe", "items": [1, 2.5, None, True]}

    assert count_json(value) == count_tokens('{"name":"größe","items":[1,2.5,null,true]}')


def test_the_listing_holds_what_a_client_passes_on() -> None:
    tools = [
        ToolDefinition(
            name="get_weather",
            description="The weather of a place.",
            input_schema={"type": "object", "properties": {"place": {"type": "string"}}},
            output_schema={"type": "object"},
            original_name="getWeather",
        ),
        ToolDefinition(name="ping", description="", input_schema={"type": "object"}),
    ]

    assert tool_listing(tools) == (
        '[{"name":"get_weather","description":"The weather of a place.",'
        '"inputSchema":{"type":"object","properties":{"place":{"type":"string"}}}},'
        '{"name":"ping","description":"","inputSchema":{"type":"object"}}]'
    )
    assert tool_listing([]) == "[]"


def test_many_threads_count_the_same() -> None:
    texts = [json.dumps({"n": number}) for number in range(200)]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(count_tokens, texts)) == [count_tokens(text) for text in texts]
