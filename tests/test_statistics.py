"""Usage starts from the audit log and follows what happens."""

from collections.abc import Mapping

import anyio
import pytest

from toolhone.exceptions import StorageError
from toolhone.statistics import Usage
from toolhone.stores import RECENT_CALLS, RECENT_SECONDS, ToolUsage

RECORDED = {"a": ToolUsage(calls=3, failures=1, mean_ms=10.0, mean_tokens=100.0)}


class Log:
    """Stands in for the audit log: answers when it is let."""

    def __init__(self) -> None:
        self.loads = 0
        self.asked = anyio.Event()
        self.let = anyio.Event()

    async def usage(self) -> Mapping[str, ToolUsage]:
        self.loads += 1
        self.asked.set()
        await self.let.wait()
        return RECORDED


async def test_recorded_and_observed_calls_are_one_figure() -> None:
    log = Log()
    log.let.set()
    usage = Usage(log.usage, clock=lambda: 9.0)
    await usage.load()

    usage.observe("a", False, 50.0, 20)
    usage.observe("b", True, 5.0, 7)

    assert await usage.snapshot() == {
        "a": ToolUsage(calls=4, failures=2, mean_ms=20.0, mean_tokens=80.0, recent=((9.0, False),)),
        "b": ToolUsage(calls=1, failures=0, mean_ms=5.0, mean_tokens=7.0, recent=((9.0, True),)),
    }
    assert usage.of("b") == ToolUsage(
        calls=1, failures=0, mean_ms=5.0, mean_tokens=7.0, recent=((9.0, True),)
    )
    assert usage.of("never called") is None
    assert log.loads == 1


async def test_what_is_asked_before_loading_is_what_was_observed() -> None:
    usage = Usage(Log().usage, clock=lambda: 9.0)
    usage.observe("a", True, 5.0, 7)

    assert usage.of("a") == ToolUsage(
        calls=1, failures=0, mean_ms=5.0, mean_tokens=7.0, recent=((9.0, True),)
    )


async def test_calls_observed_before_the_load_are_in_the_log_and_those_during_it_are_added() -> None:
    log = Log()
    usage = Usage(log.usage)
    usage.observe("a", True, 10.0, 100)  # one of the three that the log knows

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(usage.load)
            tasks.start_soon(usage.load)
            await log.asked.wait()
            usage.observe("a", True, 10.0, 100)
            assert usage.of("a") is not None
            log.let.set()

    assert (await usage.snapshot())["a"].calls == 4
    assert log.loads == 1


async def test_a_load_that_failed_is_tried_again() -> None:
    failing = True

    async def load() -> Mapping[str, ToolUsage]:
        if failing:
            raise StorageError("no disk")
        return RECORDED

    usage = Usage(load)
    with pytest.raises(StorageError):
        await usage.snapshot()
    usage.observe("b", True, 1.0, 1)
    failing = False

    assert (await usage.snapshot())["a"].calls == 3


async def test_a_tool_whose_last_calls_mostly_failed_is_failing_until_that_is_long_ago() -> None:
    now = 0.0
    usage = Usage(Log().usage, clock=lambda: now)
    for worked in (True, False, False):
        usage.observe("half", worked, 1.0, 1)
        usage.observe("new", False, 1.0, 1)
    usage.observe("half", True, 1.0, 1)
    usage.observe("few", False, 1.0, 1)

    assert usage.failing() == {"new": "3 of its last 3 calls failed"}

    now = RECENT_SECONDS + 1
    assert usage.failing() == {}


async def test_only_the_last_calls_count_for_how_a_tool_does_now() -> None:
    usage = Usage(Log().usage)
    for number in range(3 * RECENT_CALLS):
        usage.observe("a", number < 2 * RECENT_CALLS, 1.0, 1)

    assert usage.failing() == {"a": f"{RECENT_CALLS} of its last {RECENT_CALLS} calls failed"}


async def test_recorded_calls_are_continued_by_observed_ones() -> None:
    async def load() -> Mapping[str, ToolUsage]:
        recent = ((1.0, False), (2.0, False))
        return {"a": ToolUsage(calls=2, failures=2, mean_ms=1.0, mean_tokens=1.0, recent=recent)}

    usage = Usage(load, clock=lambda: 3.0)
    await usage.load()
    assert usage.failing() == {}
    usage.observe("a", False, 1.0, 1)

    assert usage.failing() == {"a": "3 of its last 3 calls failed"}
