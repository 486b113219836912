"""Answers from memory: the same as before, and none that anything has changed for."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from toolhone.models import ToolDefinition
from toolhone.selection.encoder import Encoder
from toolhone.selection.remembered import Remembered
from toolhone.selection.selector import Selector
from toolhone.stores import ToolUsage

if TYPE_CHECKING:
    from selection.conftest import MakeTool

TASK = "what is the weather in Paris"


@asynccontextmanager
async def indexed(
    encoder: Encoder,
    tools: list[ToolDefinition],
    explore: float = 0,
    usage: Callable[[], Mapping[str, ToolUsage]] = dict,
) -> AsyncGenerator[Selector]:
    selector = Selector(load_encoder=lambda: encoder, open_vectors=None, usage=usage, explore=explore)
    selector.update(tools)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            await group.start(selector.run)
            await selector.wait_indexed()
            yield selector
            group.cancel_scope.cancel()


async def test_a_question_that_was_asked_before_is_answered_from_memory(
    shipped: Encoder, office: list[ToolDefinition]
) -> None:
    async with indexed(shipped, office) as selector:
        first = await selector.select(TASK)
        again = await selector.select(TASK)
        other = await selector.select(TASK, max_tools=1)

    assert again.tools is first.tools
    assert len(other.tools) == 1


async def test_a_changed_catalog_is_seen_at_once(
    shipped: Encoder, office: list[ToolDefinition], make_tool: "MakeTool"
) -> None:
    async with indexed(shipped, office) as selector:
        await selector.select("polish the brass doorknob")
        selector.update([*office, make_tool("polish_brass_doorknob", "Polish the brass doorknob.")])
        await selector.wait_indexed()
        after = await selector.select("polish the brass doorknob")

    assert after.tools[0].definition.name == "polish_brass_doorknob"


async def test_what_may_not_be_shown_now_is_not_shown_from_memory(
    shipped: Encoder, office: list[ToolDefinition]
) -> None:
    async with indexed(shipped, office) as selector:
        first = (await selector.select(TASK)).tools[0].definition.name
        blocked = await selector.select(TASK, blocked={first: "it is down"})
        rest = frozenset(tool.name for tool in office) - {first}
        unknown = await selector.select(TASK, known=rest)

    for answer in (blocked, unknown):
        assert first not in {tool.definition.name for tool in answer.tools}


async def test_what_calls_take_meanwhile_counts_in_an_answer_from_memory(
    shipped: Encoder, office: list[ToolDefinition], make_tool: "MakeTool"
) -> None:
    twins = [make_tool(f"read_page_{name}", "Read a page of the manual.") for name in ("one", "two")]
    known: dict[str, ToolUsage] = {}
    async with indexed(shipped, [*twins, *office], usage=lambda: known) as selector:
        first, again = [await selector.select("read a page of the manual", prefer_fast=True) for _ in "12"]
        slow, fast = (tool.definition.name for tool in first.tools[:2])
        known[slow] = ToolUsage(calls=100, failures=0, mean_ms=9_000, mean_tokens=10)
        known[fast] = ToolUsage(calls=100, failures=0, mean_ms=9, mean_tokens=10)
        after = await selector.select("read a page of the manual", prefer_fast=True)
        unhealthy = await selector.select("read a page of the manual", unhealthy={slow})

    assert again.tools is first.tools
    assert [tool.definition.name for tool in after.tools[:2]] == [fast, slow]
    assert [tool.definition.name for tool in unhealthy.tools[:2]] == [fast, slow]


def test_of_too_many_the_one_goes_that_was_not_used_for_longest() -> None:
    answers: Remembered[str] = Remembered(2)
    answers.keep("a", "A")
    answers.keep("b", "B")
    assert answers.find("a") == "A"
    answers.keep("c", "C")

    assert [answers.find(key) for key in "abc"] == ["A", None, "C"]


def test_on_another_basis_nothing_is_remembered() -> None:
    answers: Remembered[str] = Remembered(2)
    one, other = object(), object()
    answers.keep("a", "A", one)

    assert answers.find("a", other) is None
    assert answers.find("a", one) == "A"
    answers.keep("b", "B", other)
    assert answers.find("a", one) is None
