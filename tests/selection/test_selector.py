"""The selector as its callers see it."""

import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, cast

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from toolhone.exceptions import InvalidRequestError, ModelUnavailableError, NotRunningError
from toolhone.models import Category, JsonObject, ToolDefinition
from toolhone.selection.bundle import DEFAULT_FOLDER, WEIGHTS, load_bundle
from toolhone.selection.encoder import Encoder
from toolhone.selection.question import MAX_TOOLS, Selection
from toolhone.selection.selector import PATIENCE_TEXTS, Selector
from toolhone.selection.text import TASK_CHARACTERS
from toolhone.storage.indexes import IndexFiles
from toolhone.storage.memory import MemoryVectorStore
from toolhone.storage.vectors import SqliteVectorStore
from toolhone.stores import ToolUsage

if TYPE_CHECKING:
    from selection.conftest import CountingEncoder, MakeTool


def no_usage() -> Mapping[str, ToolUsage]:
    return {}


def lexical_selector(
    tools: list[ToolDefinition], usage: Callable[[], Mapping[str, ToolUsage]] = no_usage
) -> Selector:
    """One whose `run` is never started, so it goes by words."""
    selector = Selector(load_encoder=absent_model, open_vectors=None, usage=usage)
    selector.update(tools)
    return selector


def absent_model() -> Encoder:
    raise ModelUnavailableError("The package with the embedding model is not installed.")


@asynccontextmanager
async def running(
    load: Callable[[], Encoder],
    tools: list[ToolDefinition],
    store: MemoryVectorStore | None = None,
    usage: Callable[[], Mapping[str, ToolUsage]] = no_usage,
) -> AsyncGenerator[Selector]:
    selector = Selector(
        load_encoder=load, open_vectors=(lambda: store) if store is not None else None, usage=usage
    )
    selector.update(tools)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            await group.start(selector.run)
            yield selector
            group.cancel_scope.cancel()


def names(selection: Selection) -> list[str]:
    return [tool.definition.name for tool in selection.tools]


def many(make_tool: "MakeTool", count: int) -> list[ToolDefinition]:
    return [make_tool(f"tool_{number}", f"Does the thing number {number}.") for number in range(count)]


# What is found


async def test_a_cold_question_about_the_weather_finds_get_weather(
    shipped: Encoder, office: list[ToolDefinition]
) -> None:
    async with running(lambda: shipped, office[:3]) as selector:
        selection = await selector.select("What's the weather in Paris?")

    assert selection.method == "hybrid"
    assert selection.notices == ()
    assert names(selection)[0] == "get_weather"
    assert selection.considered == 3
    assert {*names(selection), *selection.roster} == {"get_weather", "query_database", "analyze_data"}


async def test_meaning_finds_what_shares_no_word(shipped: Encoder, office: list[ToolDefinition]) -> None:
    async with running(lambda: shipped, office) as selector:
        selection = await selector.select("Will it rain tomorrow?")

    assert names(selection)[0] == "get_weather"
    assert selection.tools[0].lexical == 0


@pytest.mark.parametrize("task", ["call scan_secrets", "scanSecrets now", "what about `scan-secrets`?"])
async def test_a_named_tool_comes_first_whatever_else_fits(task: str, office: list[ToolDefinition]) -> None:
    selection = await lexical_selector(office).select(f"{task} and query a database with SQL", max_tools=1)

    assert names(selection) == ["scan_secrets"]
    assert selection.tools[0].exact
    assert selection.tools[0].score == 1


async def test_more_named_tools_than_asked_for_are_mentioned(office: list[ToolDefinition]) -> None:
    selection = await lexical_selector(office).select("create_issue in a project", max_tools=1)

    assert names(selection) == ["gitlab__create_issue"]
    assert any("names 2 tools" in notice for notice in selection.notices)


async def test_an_ordinary_word_gets_only_its_normal_score(office: list[ToolDefinition]) -> None:
    selection = await lexical_selector(office).select("search for credentials in these files")

    assert names(selection)[0] == "scan_secrets"
    assert not any(tool.exact for tool in selection.tools)


@pytest.mark.parametrize(
    ("task", "found"),
    [("查一下天气", "weather_cn"), ("حالة الطقس", "weather_ar"), ("ПОГОДА", "weather_ru"), ("🌧?", "rain")],
)
async def test_every_script_is_found_by_words_alone(
    task: str, found: str, make_tool: "MakeTool", office: list[ToolDefinition]
) -> None:
    tools = [
        *office,
        make_tool("weather_cn", "获取城市的天气预报"),
        make_tool("weather_ar", "معرفة حالة الطقس"),
        make_tool("weather_ru", "Погода в городе"),
        make_tool("rain", "🌧 radar"),
    ]

    assert names(await lexical_selector(tools).select(task))[0] == found


async def test_a_task_that_shares_no_word_still_gets_tools_and_is_told(office: list[ToolDefinition]) -> None:
    selection = await lexical_selector(office).select("zzz")

    assert selection.tools
    assert selection.nothing_fits
    assert all(tool.score == 0 for tool in selection.tools)
    assert any("not matches" in notice for notice in selection.notices)


# What may be asked


async def test_only_available_tools_are_candidates_and_unknown_names_are_listed(
    office: list[ToolDefinition],
) -> None:
    selection = await lexical_selector(office).select(
        "weather", available=["query_database", "nonesuch", "clock__time"]
    )

    assert {*names(selection), *selection.roster} == {"query_database", "clock__time"}
    assert selection.considered == 2
    assert any("'nonesuch'" in notice for notice in selection.notices)


async def test_a_category_narrows_the_candidates(office: list[ToolDefinition]) -> None:
    selector = lexical_selector(office)

    assert names(await selector.select("weather", category=Category.CORE_SECURITY)) == ["scan_secrets"]
    nothing = await selector.select("weather", category=Category.ECOMMERCE)
    assert nothing.tools == ()
    assert "No tool passes the filters." in nothing.notices


@pytest.mark.parametrize("task", ["", " \n\t"])
async def test_an_empty_task_is_refused(task: str, office: list[ToolDefinition]) -> None:
    with pytest.raises(InvalidRequestError, match="empty"):
        await lexical_selector(office).select(task)


@pytest.mark.parametrize("max_tools", [0, -1, MAX_TOOLS + 1])
async def test_a_bound_outside_of_its_range_is_refused(max_tools: int, office: list[ToolDefinition]) -> None:
    with pytest.raises(InvalidRequestError, match=str(max_tools)):
        await lexical_selector(office).select("x", max_tools=max_tools)


@pytest.mark.parametrize("available", [[], "get_weather"])
async def test_available_tools_must_be_a_list_with_something_in_it(
    available: list[str] | str, office: list[ToolDefinition]
) -> None:
    with pytest.raises(InvalidRequestError, match="available tools"):
        await lexical_selector(office).select("x", available=available)


async def test_a_huge_task_is_cut_and_says_so(shipped: Encoder, office: list[ToolDefinition]) -> None:
    async with running(lambda: shipped, office) as selector:
        selection = await selector.select("weather " * 13_000)

    assert names(selection)[0] == "get_weather"
    assert any(f"{TASK_CHARACTERS:,}" in notice for notice in selection.notices)
    assert any("from its beginning" in notice for notice in selection.notices)


async def test_control_characters_and_lone_surrogates_are_only_text(
    shipped: Encoder, office: list[ToolDefinition]
) -> None:
    async with running(lambda: shipped, office) as selector:
        selection = await selector.select("\x00\x1b[2J weather \ud800\u202e")

    assert names(selection)[0] == "get_weather"


async def test_an_empty_catalog_answers_with_nothing_and_says_so() -> None:
    selection = await lexical_selector([]).select("weather")

    assert (selection.tools, selection.considered) == ((), 0)
    assert "There are no tools yet." in selection.notices


async def test_a_preference_reorders_near_equals_by_records(make_tool: "MakeTool") -> None:
    twins = [make_tool("fetch_b", "Fetch a page."), make_tool("fetch_c", "Fetch a page.")]
    records = {
        "fetch_b": ToolUsage(calls=9, failures=0, mean_ms=900, mean_tokens=10),
        "fetch_c": ToolUsage(calls=9, failures=0, mean_ms=30, mean_tokens=500),
    }
    selector = lexical_selector(twins, lambda: records)

    assert names(await selector.select("fetch a page")) == ["fetch_b", "fetch_c"]
    assert names(await selector.select("fetch a page", prefer_fast=True)) == ["fetch_c", "fetch_b"]
    assert names(await selector.select("fetch a page", prefer_cheap=True)) == ["fetch_b", "fetch_c"]


async def test_a_preference_never_puts_a_tool_before_one_that_was_named(make_tool: "MakeTool") -> None:
    twins = [make_tool("fetch_b", "Fetch a page."), make_tool("fetch_c", "Fetch a page.")]
    records = {
        "fetch_b": ToolUsage(calls=9, failures=0, mean_ms=900, mean_tokens=10),
        "fetch_c": ToolUsage(calls=9, failures=0, mean_ms=30, mean_tokens=500),
    }

    selection = await lexical_selector(twins, lambda: records).select("fetch_b a page", prefer_fast=True)

    assert names(selection) == ["fetch_b", "fetch_c"]


# How the index comes to be


async def test_nothing_is_loaded_before_the_first_question(
    encoder: "CountingEncoder", office: list[ToolDefinition]
) -> None:
    loads: list[str] = []

    def load() -> Encoder:
        loads.append("loaded")
        return encoder

    async with running(load, office) as selector:
        await anyio.wait_all_tasks_blocked()
        assert loads == []
        await selector.select("? weather")
        await selector.select("? time")

    assert loads == ["loaded"]


async def test_who_expects_a_question_has_everything_loaded_for_it(
    encoder: "CountingEncoder", office: list[ToolDefinition]
) -> None:
    loaded = anyio.Event()

    def load() -> Encoder:
        anyio.from_thread.run_sync(loaded.set)
        return encoder

    async with running(load, office) as selector:
        selector.expect_question()
        with anyio.fail_after(10):
            await loaded.wait()


async def test_numpy_leaves_the_cores_to_the_encoder_while_the_selector_runs(
    shipped: Encoder, office: list[ToolDefinition]
) -> None:
    def threads() -> set[int]:
        pools = cast("list[JsonObject]", threadpool_info())
        return {pool["num_threads"] for pool in pools if pool["user_api"] == "blas"}

    with threadpool_limits(limits=2, user_api="blas"):
        async with running(lambda: shipped, office) as selector:
            await selector.wait_indexed()
            assert threads() == {1}
        assert threads() == {2}


async def test_words_answer_while_vectors_are_computed(
    encoder: "CountingEncoder", make_tool: "MakeTool"
) -> None:
    tools = many(make_tool, PATIENCE_TEXTS + 10)
    encoder.gate.clear()
    async with running(lambda: encoder, tools) as selector:
        during = await selector.select("? number 7")
        encoder.gate.set()
        await selector.wait_indexed()
        after = await selector.select("? number 7")

    assert during.method == "lexical"
    assert during.notices == (f"Chosen by words alone: 0 of {len(tools)} tools are encoded so far.",)
    assert names(during)[0] == "tool_7"
    assert after.method == "hybrid"
    assert after.notices == ()


async def test_vectors_are_read_from_the_store_the_next_time(
    encoder: "CountingEncoder", make_tool: "MakeTool"
) -> None:
    tools, store = many(make_tool, 100), MemoryVectorStore()
    async with running(lambda: encoder, tools, store) as selector:
        await selector.wait_indexed()
    assert len(encoder.encoded) == 100

    async with running(lambda: encoder, tools, store) as selector:
        selection = await selector.select("? number 7")

    assert selection.method == "hybrid"
    assert len(encoder.encoded) == 100


async def test_a_large_catalog_starts_from_its_index_file_and_a_damaged_one_is_told(
    encoder: "CountingEncoder", make_tool: "MakeTool", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolhone.selection.stored.STORED_FROM", 50)
    tools = many(make_tool, 60)

    answers: list[Selection] = []

    async def ask() -> None:
        selector = Selector(
            load_encoder=lambda: encoder,
            open_vectors=lambda: SqliteVectorStore(tmp_path),
            open_indexes=lambda: IndexFiles(tmp_path),
            usage=no_usage,
        )
        selector.update(tools)
        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                await group.start(selector.run)
                await selector.wait_indexed()
                answers.append(await selector.select("number 7"))
                group.cancel_scope.cancel()

    await ask()
    with monkeypatch.context() as patch:
        patch.setattr("toolhone.selection.index.tool_text", None)  # no tool is read again
        await ask()
    (path,) = (tmp_path / "index").iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    await ask()

    first, second, third = answers
    assert names(first) == names(second) == names(third)
    assert len(encoder.encoded) == 60
    assert [first.notices, second.notices] == [(), ()]
    assert "was damaged" in third.notices[0]


async def test_what_was_computed_before_a_stop_is_kept(
    encoder: "CountingEncoder", make_tool: "MakeTool"
) -> None:
    tools, store = many(make_tool, 20), MemoryVectorStore()
    encoder.pause_after = 8
    selector = Selector(load_encoder=lambda: encoder, open_vectors=lambda: store, usage=no_usage)
    selector.update(tools)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            await group.start(selector.run)
            group.start_soon(selector.wait_indexed)
            await anyio.to_thread.run_sync(encoder.paused.wait, 10)
            group.cancel_scope.cancel()
            encoder.gate.set()
    before_the_stop = len(encoder.encoded)
    encoder.pause_after = None

    async with running(lambda: encoder, tools, store) as selector:
        await selector.wait_indexed()

    assert before_the_stop < len(tools)
    assert len(encoder.encoded) == len(tools)


async def test_only_changed_tools_are_embedded_again(
    encoder: "CountingEncoder", office: list[ToolDefinition]
) -> None:
    async with running(lambda: encoder, office) as selector:
        await selector.wait_indexed()
        encoder.encoded.clear()
        selector.update([*office[1:], replace(office[0], description="Tide tables of a harbour.")])
        await selector.wait_indexed()

    assert len(encoder.encoded) == 1
    assert "Tide tables" in encoder.encoded[0]


async def test_the_next_question_sees_a_changed_catalog(
    encoder: "CountingEncoder", office: list[ToolDefinition], make_tool: "MakeTool"
) -> None:
    async with running(lambda: encoder, office) as selector:
        await selector.wait_indexed()
        selector.update([*office[1:], make_tool("moon_phase", "Phase of the moon.")])
        selection = await selector.select("? phase of the moon, get_weather", max_tools=MAX_TOOLS)

    assert names(selection)[0] == "moon_phase"
    assert "get_weather" not in names(selection)


async def test_a_catalog_that_changes_while_it_is_embedded_is_embedded_whole(
    encoder: "CountingEncoder", make_tool: "MakeTool"
) -> None:
    tools = many(make_tool, PATIENCE_TEXTS + 20)
    encoder.gate.clear()
    async with running(lambda: encoder, tools) as selector:
        await selector.select("? start")
        selector.update(tools[10:])
        encoder.gate.set()
        await selector.wait_indexed()
        selection = await selector.select("? number 7")

    assert selection.considered == len(tools) - 10
    assert selection.method == "hybrid"
    assert selection.notices == ()


async def test_without_the_model_words_answer_and_the_reason_is_told(office: list[ToolDefinition]) -> None:
    async with running(absent_model, office) as selector:
        await selector.wait_indexed()
        selection = await selector.select("weather")
        selector.update(office[:3])
        await selector.wait_indexed()
        again = await selector.select("weather")

    for answer in (selection, again):
        assert answer.method == "lexical"
        assert names(answer)[0] == "get_weather"
        assert any("is not installed" in notice for notice in answer.notices)


async def test_an_encoder_that_is_not_the_pinned_one_leaves_the_words_and_is_told(
    office: list[ToolDefinition], tmp_path: Path
) -> None:
    shutil.copytree(DEFAULT_FOLDER, tmp_path / "encoder")
    with (tmp_path / "encoder" / WEIGHTS).open("ab") as weights:
        weights.write(b"!")

    async with running(lambda: load_bundle(tmp_path / "encoder"), office) as selector:
        selection = await selector.select("weather")

    assert (selection.method, names(selection)[0]) == ("lexical", "get_weather")
    (notice,) = selection.notices
    assert notice.startswith("Chosen by words alone.")
    assert "not the pinned file" in notice


async def test_a_model_that_breaks_leaves_the_words(
    encoder: "CountingEncoder", office: list[ToolDefinition], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(texts: list[str]) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(encoder, "encode_texts", broken)
    async with running(lambda: encoder, office) as selector:
        selection = await selector.select("weather")

    assert names(selection)[0] == "get_weather"
    assert any("out of memory" in notice for notice in selection.notices)


async def test_a_task_that_the_model_cannot_read_is_answered_by_words(
    encoder: "CountingEncoder", office: list[ToolDefinition]
) -> None:
    encoder.unreadable = "weather"
    async with running(lambda: encoder, office) as selector:
        await selector.wait_indexed()
        selection = await selector.select("weather")

    assert (selection.method, names(selection)[0]) == ("lexical", "get_weather")
    assert selection.notices == ("Chosen by words alone: the encoder failed on this task.",)


async def test_waiting_for_an_index_that_nobody_builds_is_an_error(office: list[ToolDefinition]) -> None:
    with pytest.raises(NotRunningError):
        await lexical_selector(office).wait_indexed()


async def test_many_questions_at_once_are_answered(shipped: Encoder, office: list[ToolDefinition]) -> None:
    answers: list[Selection] = []
    async with running(lambda: shipped, office) as selector:

        async def ask(number: int) -> None:
            answers.append(await selector.select(f"weather of city {number}"))

        async with anyio.create_task_group() as group:
            for number in range(30):
                group.start_soon(ask, number)

    assert len(answers) == 30
    assert {names(answer)[0] for answer in answers} == {"get_weather"}


# What always holds


OFFICE = ["get_weather", "query_database", "analyze_data", "clock__time", "web__search", "scan_secrets"]


@settings(deadline=None, max_examples=60)
@given(
    st.text(min_size=1).filter(str.strip) | st.sampled_from(["weather", "create_issue", "`time` sql"]),
    st.integers(1, MAX_TOOLS),
    st.none() | st.lists(st.sampled_from(OFFICE), min_size=1),
)
def test_answers_are_bounded_sorted_never_empty_and_repeatable(
    office: list[ToolDefinition], task: str, max_tools: int, available: list[str] | None
) -> None:
    async def twice() -> tuple[Selection, Selection]:
        return (
            await lexical_selector(office).select(task, max_tools=max_tools, available=available),
            await lexical_selector(office[::-1]).select(task, max_tools=max_tools, available=available),
        )

    first, second = anyio.run(twice)

    scores = [tool.score for tool in first.tools]
    assert 1 <= len(first.tools) <= min(max_tools, first.considered)
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert first.tools == second.tools


@pytest.mark.parametrize(("share", "exhaustive", "expected"), [(1, False, 1), (0, False, 0), (1, True, 0)])
async def test_a_share_of_answers_shows_a_tool_from_further_down(
    share: float, exhaustive: bool, expected: int, make_tool: "MakeTool"
) -> None:
    selector = Selector(
        load_encoder=absent_model, open_vectors=None, usage=no_usage, explore=share, random=Random(1)
    )
    selector.update(many(make_tool, 20))

    # Pins, because an answer of a single tool is left as it is.
    selection = await selector.select(
        "the thing number 7", max_tools=4, pinned=["tool_1", "tool_2"], exhaustive=exhaustive
    )

    assert sum(tool.explored for tool in selection.tools) == expected


async def test_as_many_tools_as_are_asked_for_come_if_all_are_wanted(office: list[ToolDefinition]) -> None:
    selection = await lexical_selector(office).select("weather", max_tools=7, exhaustive=True)

    assert len(selection.tools) == 7


def test_importing_the_selector_imports_nothing_heavy() -> None:
    code = (
        "import sys, toolhone.selection.selector, toolhone.selection.bundle\n"
        "print([m for m in ('numpy', 'onnxruntime', 'tokenizers', 'Stemmer', 'torch') if m in sys.modules])"
    )

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "[]"
