"""Where sentences begin and end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.selection.sentences import MOST, sentence_spans
from toolhone.selection.text import TASK_CHARACTERS

PIECES = st.sampled_from(
    [
        "Look up the weather.",
        "Send it! ",
        "e.g. ",
        "Dr. ",
        "3.14 ",
        "\n",
        " ",
        "a.",
        "...",
        "?)",
        "获取天气。",
        "Thanks",
    ]
)


def sentences(text: str) -> list[str]:
    return [text[start:end].strip() for start, end in sentence_spans(text)]


@settings(deadline=None)
@given(st.text() | st.lists(PIECES, max_size=120).map("".join))
def test_they_are_in_order_do_not_overlap_and_cover_all_that_is_not_blank(text: str) -> None:
    spans = sentence_spans(text)

    assert len(spans) <= MOST
    assert bool(spans) == bool(text.strip())
    end_before = 0
    for start, end in spans:
        assert end_before <= start < end <= len(text)
        assert not text[end_before:start].strip()
        assert text[start:end].strip()
        end_before = end
    assert not text[end_before:].strip()


@pytest.mark.parametrize("end", [".", "!", "?", "...", '."', "!?)", "\n", "\n\n\n"])
def test_a_sentence_ends_with(end: str) -> None:
    first, second = f"Find the invoice{end}", "Pay half of it now"

    assert sentences(f"{first} {second}") == [first.strip(), second]


@pytest.mark.parametrize(
    "text",
    [
        "Compare cities, e.g. Oslo and Bergen",
        "Ask Dr. Miller about the appointment",
        "Compare it vs. the one of last year",
        "Write to John F. Kennedy and his wife",
        "Convert 3.5 kilometres to miles",
        "Open https://example.org/a.b?c=d!e",
        "Read the file report.final.csv",
        "Tell me what to do",
    ],
)
def test_a_stop_inside_a_sentence_does_not_end_it(text: str) -> None:
    assert sentences(text) == [text]


def test_a_line_ends_a_sentence_whatever_it_ends_with() -> None:
    assert sentences("Buy milk, bread etc.\nThen call my mother") == [
        "Buy milk, bread etc.",
        "Then call my mother",
    ]


def test_a_piece_too_short_to_say_something_goes_with_its_neighbour() -> None:
    assert sentences("Hi! Find the invoice of May. Thanks!") == ["Hi! Find the invoice of May. Thanks!"]
    assert sentences("1. Find the invoice.\n2. Pay half of it.") == [
        "1. Find the invoice.",
        "2. Pay half of it.",
    ]


def test_sentences_end_without_spaces_where_the_script_has_none() -> None:
    text = "请帮我查一下明天奥斯陆的天气预报。然后把结果用电子邮件发给我的老板!"

    assert sentences(text) == ["请帮我查一下明天奥斯陆的天气预报。", "然后把结果用电子邮件发给我的老板!"]


def test_neighbours_are_grouped_when_there_are_too_many() -> None:
    said = [f"This is the sentence number {number}." for number in range(100)]

    parts = sentences(" ".join(said))

    assert len(parts) == MOST
    assert " ".join(parts) == " ".join(said)
    assert {part.count("number") for part in parts} == {4, 5}


@pytest.mark.parametrize(
    "piece",
    ["a. ", ".", "e.g. ", "\n", " \n", "a.\n", '."', "!]]", "]", "Hi! ", "。", "word ", "x" * 30 + ". "],
)
def test_a_task_of_one_piece_over_and_over_is_cut_at_once(piece: str) -> None:
    # Two of these once took half a minute: what pytest's time limit would notice.
    text = piece * (TASK_CHARACTERS // len(piece))

    assert len(sentence_spans(text)) <= MOST
