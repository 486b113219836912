"""Tasks and catalogs that nobody should send: each has an answer, or an error that says what is wrong."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.exceptions import InvalidRequestError
from toolhone.models import ToolDefinition
from toolhone.selection.encoder import EncodedTask, EncodedText, Encoder
from toolhone.selection.question import Selection
from toolhone.selection.selector import Selector
from toolhone.selection.text import TASK_CHARACTERS

if TYPE_CHECKING:
    from selection.conftest import CountingEncoder, MakeTool

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), min_size=1, max_size=200)
"""Control characters, lone surrogates and unassigned ones included."""

SCRIPTS = [
    "明天奥斯陆会下雨吗？",  # noqa: RUF001
    "明日オスロは雨が降りますか",
    "내일 오슬로에 비가 올까요?",
    "هل ستمطر غدا في أوسلو؟",
    "האם יירד גשם מחר באוסלו?",
    "Завтра в Осло будет дождь?",
    "क्या कल ओस्लो में बारिश होगी?",
    "พรุ่งนี้ฝนจะตกที่ออสโลไหม",
    "Θα βρέξει αύριο στο Όσλο;",
    "Pleuvra-t-il demain à Oslo ?",
    "\N{MATHEMATICAL DOUBLE-STRUCK SMALL R}ain",
    "☔🇳🇴❓",
    "Z̸͇͝a̷̟͘l̴̰̄g̶͈̈o̵",
]


@asynccontextmanager
async def running(encoder: Encoder, tools: Sequence[ToolDefinition]) -> AsyncGenerator[Selector]:
    selector = Selector(load_encoder=lambda: encoder, open_vectors=None, usage=dict)
    selector.update(tools)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            await group.start(selector.run)
            await selector.wait_indexed()
            yield selector
            group.cancel_scope.cancel()


async def answer(encoder: Encoder, tools: Sequence[ToolDefinition], task: str) -> Selection:
    async with running(encoder, tools) as selector:
        return await selector.select(task)


def names(selection: Selection) -> list[str]:
    return [tool.definition.name for tool in selection.tools]


def sensible(selection: Selection) -> bool:
    figures = [selection.fits, *(figure for tool in selection.tools for figure in (tool.score, tool.fits))]
    return bool(selection.tools) and all(0 <= figure <= 1 for figure in figures)


# Tasks


@pytest.mark.parametrize("task", ["", " \n\t\r", "\u2003\u3000"])
async def test_an_empty_task_is_refused(
    task: str, encoder: "CountingEncoder", office: list[ToolDefinition]
) -> None:
    async with running(encoder, office) as selector:
        with pytest.raises(InvalidRequestError, match="task is empty"):
            await selector.select(task)


@pytest.mark.parametrize(
    "piece", ["weather ", "weather. ", "w", "。", "\n", "a. ", "\x00", "\ud800", "get_weather", "天气"]
)
async def test_a_task_of_100_kb_is_answered_and_says_how_much_was_read(
    piece: str, shipped: Encoder, office: list[ToolDefinition]
) -> None:
    task = "weather " + piece * (100_000 // len(piece))

    selection = await answer(shipped, office[:3], task)

    assert sensible(selection)
    assert any(f"first {TASK_CHARACTERS:,} were read" in notice for notice in selection.notices)


@pytest.mark.parametrize("task", SCRIPTS)
async def test_every_script_has_a_sensible_answer(
    task: str, shipped: Encoder, office: list[ToolDefinition]
) -> None:
    selection = await answer(shipped, office[:3], task)

    assert sensible(selection)
    assert selection.method == "hybrid"


@pytest.mark.parametrize(
    "task", ["\x00\x1b[2J weather\x07", "weather \ud800", "\u202eweather\u202c", "weather\u200b\ufeff"]
)
async def test_what_cannot_be_seen_does_not_hide_the_words(
    task: str, shipped: Encoder, office: list[ToolDefinition]
) -> None:
    assert names(await answer(shipped, office[:3], task))[0] == "get_weather"


@settings(deadline=None, max_examples=8)
@given(st.lists(ANY_TEXT.filter(str.strip), min_size=1, max_size=5))
def test_any_text_is_answered(shipped: Encoder, office: list[ToolDefinition], tasks: list[str]) -> None:
    async def ask_all() -> None:
        async with running(shipped, office[:2]) as selector:
            for task in tasks:
                assert sensible(await selector.select(task))

    anyio.run(ask_all)


# Catalogs


async def test_tools_without_a_description_are_found_by_their_names(
    shipped: Encoder, make_tool: "MakeTool"
) -> None:
    tools = [make_tool(name) for name in ("merge_branches", "weatherForecast", "x", "_", "send-mail")]

    assert names(await answer(shipped, tools, "What will the weather be?"))[0] == "weatherForecast"


async def test_tools_with_the_same_text_are_equals_in_the_order_of_their_names(
    shipped: Encoder, make_tool: "MakeTool"
) -> None:
    tools = [make_tool(f"run_{letter}", "Runs a job.", original_name="run") for letter in "jgdaifcheb"]

    async with running(shipped, tools) as selector:
        selection = await selector.select("run a job", max_tools=10, exhaustive=True)

    assert names(selection) == sorted(tool.name for tool in tools)
    assert len({tool.score for tool in selection.tools}) == 1


@settings(deadline=None, max_examples=15)
@given(st.lists(ANY_TEXT | st.just(""), min_size=1, max_size=12), ANY_TEXT.filter(str.strip))
def test_any_description_can_be_indexed_and_asked(
    new_encoder: "type[CountingEncoder]", make_tool: "MakeTool", descriptions: list[str], task: str
) -> None:
    tools = [
        make_tool(f"tool{number}", description, server="s" if number % 2 else None)
        for number, description in enumerate(descriptions)
    ]

    assert sensible(anyio.run(answer, new_encoder(), tools, task))


async def test_vectors_that_are_not_numbers_are_not_believed(
    encoder: "CountingEncoder", office: list[ToolDefinition], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a store are left out where they are read; these come from the encoder itself."""
    honest = encoder.encode_texts

    def broken(texts: Sequence[str]) -> list[EncodedText]:
        return [
            EncodedText(np.full(64, np.nan, np.float32), text.tokens) if "weather" in name else text
            for name, text in zip(texts, honest(texts), strict=True)
        ]

    monkeypatch.setattr(encoder, "encode_texts", broken)
    selection = await answer(encoder, office, "weather")

    assert sensible(selection)
    assert names(selection)[0] == "get_weather"
    assert selection.tools[0].cosine is None
    assert any("judged by words alone" in notice for notice in selection.notices)


async def test_a_task_whose_vectors_are_not_numbers_is_answered_by_words(
    encoder: "CountingEncoder", office: list[ToolDefinition], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = encoder.encode_task

    def broken(task: str) -> EncodedTask:
        good = honest(task)
        return replace(good, parts=np.full_like(good.parts, np.nan))

    monkeypatch.setattr(encoder, "encode_task", broken)
    selection = await answer(encoder, office, "weather")

    assert sensible(selection)
    assert (selection.method, names(selection)[0]) == ("lexical", "get_weather")
    assert selection.notices == ("Chosen by words alone: the encoder failed on this task.",)


# A poisoned description: `benchmarks/poison.py` measures it on real catalogs.

FIELDS = {
    "weather": "What is the weather forecast for Oslo?",
    "invoice": "Pay the invoice of May.",
    "translate": "Translate this letter to French.",
    "flight": "Book a flight to Rome.",
    "recipe": "Find a recipe with leeks.",
    "music": "Play some quiet music.",
    "stock": "What does a share of this company cost on the stock market?",
    "email": "Send an email to my boss.",
}


@pytest.mark.parametrize("times", [1, 300])
@pytest.mark.parametrize("stuffing", [" ".join(FIELDS), " ".join(FIELDS.values())])
async def test_a_description_stuffed_with_everything_hides_no_honest_tool(
    stuffing: str, times: int, shipped: Encoder, make_tool: "MakeTool"
) -> None:
    tools = [make_tool(f"{field}_tool", f"Does what one asks of {field}.") for field in FIELDS]
    tools.append(make_tool("assistant", " ".join([stuffing] * times)))

    async with running(shipped, tools) as selector:
        for field, task in FIELDS.items():
            selection = await selector.select(task)
            assert f"{field}_tool" in names(selection)[:2], task
