"""Limits on calls at once and in a minute, and the clock that does not run in queues."""

from typing import TYPE_CHECKING

import anyio
import pytest

from toolhone.exceptions import RateLimitedError
from toolhone.execution.limits import CallLimits
from toolhone.models import Caller, Json, JsonObject, Limits, ToolCall, ToolDefinition

if TYPE_CHECKING:
    from execution.conftest import Workbench


class Crowd:
    """A tool that notes how many of its calls run at once, and lets each rest until the others moved."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def __call__(self, arguments: JsonObject) -> Json:
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        self.now -= 1
        return "done"


def call(
    tool: str = "t", server: str | None = None, principal: str = "local", limits: Limits | None = None
) -> ToolCall:
    definition = ToolDefinition(
        name=tool, description="", input_schema={}, server=server, limits=limits or Limits()
    )
    return ToolCall(
        call_id="c",
        request_id="q",
        slot="1",
        tool=tool,
        arguments={},
        caller=Caller(principal=principal),
        resolved=definition,
    )


async def test_a_server_gets_sixteen_calls_at_once_by_default(bench: "Workbench") -> None:
    crowd = Crowd()
    bench.tool("crowd", crowd, server="far")
    results = await bench.run([{"tool": "crowd", "arguments": {}} for _ in range(50)])
    assert all(result.success for result in results)
    assert crowd.most == 16


async def test_a_tools_own_limit_holds_up_nobody_else(bench: "Workbench") -> None:
    narrow, wide = Crowd(), Crowd()
    bench.tool("narrow", narrow, server="far", limits=Limits(max_concurrency=1))
    bench.tool("wide", wide, server="far")
    calls: list[JsonObject] = [{"tool": name, "arguments": {}} for name in ["narrow"] * 20 + ["wide"] * 20]
    results = await bench.run(calls)
    assert all(result.success for result in results)
    assert narrow.most == 1
    # The one place that the narrow tool holds with the server is all it takes from the other.
    assert wide.most >= 15


async def test_a_caller_gets_sixty_four_calls_at_once_by_default(bench: "Workbench") -> None:
    crowd = Crowd()
    bench.tool("crowd", crowd)
    calls: list[JsonObject] = [{"tool": "crowd", "arguments": {}} for _ in range(40)]
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(bench.run, calls)
    assert crowd.most == 64


async def test_time_in_the_queue_is_not_charged(new_bench: "type[Workbench]") -> None:
    bench = new_bench(limits=CallLimits(server_default=Limits(max_concurrency=1)), default_seconds=30.0)
    started, queued = anyio.Event(), anyio.Event()
    times: list[float] = []

    async def first(arguments: JsonObject) -> Json:
        started.set()
        await queued.wait()
        times.append(anyio.current_time())
        return "done"

    async def second(arguments: JsonObject) -> Json:
        times.append(anyio.current_effective_deadline())
        return "done"

    bench.tool("first", first, server="far", limits=Limits(timeout_seconds=300))
    bench.tool("second", second, server="far")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bench.one, "first")
        await started.wait()
        tasks.start_soon(bench.one, "second")
        while not bench.limits._places["server", "far"].limiter.statistics().tasks_waiting:
            await anyio.lowlevel.checkpoint()
        queued.set()
    # The second call's time began after the first had ended, so its limit ends that much later.
    end_of_first, deadline_of_second = times
    assert deadline_of_second >= end_of_first + 30.0


async def test_calls_over_the_rate_are_refused_and_told_when_to_come_back() -> None:
    now = 0.0
    limits = CallLimits(clock=lambda: now)
    asked = call(limits=Limits(max_calls_per_minute=2))
    async with limits.place(asked):
        pass
    now = 10.0
    async with limits.place(asked):
        pass
    now = 15.0
    with pytest.raises(RateLimitedError) as refused:
        async with limits.place(asked):
            pass
    assert refused.value.data["retry_after_seconds"] == 45
    now = 60.0
    async with limits.place(asked):
        pass


async def test_a_call_refused_for_its_server_does_not_use_up_its_tools_rate() -> None:
    limits = CallLimits(server_limits=lambda server: Limits(max_calls_per_minute=1), clock=lambda: 0.0)
    for tool in ("a", "b"):
        asked = call(tool, server="far", limits=Limits(max_calls_per_minute=1))
        try:
            async with limits.place(asked):
                pass
        except RateLimitedError as refused:
            assert refused.data["of"] == "server"
    assert len(limits._windows["tool", "b"].times) == 0


async def test_nothing_is_kept_for_those_who_are_gone() -> None:
    now = 0.0
    limits = CallLimits(caller_default=Limits(max_concurrency=1, max_calls_per_minute=1), clock=lambda: now)
    for number in range(3000):
        now = number * 61.0
        async with limits.place(call(principal=f"p{number}")):
            pass
    assert len(limits._windows) <= 1024
    assert not limits._places


async def test_a_call_that_is_cancelled_in_the_queue_leaves_its_place_to_others() -> None:
    limits = CallLimits()
    narrow = call(limits=Limits(max_concurrency=1))
    with anyio.fail_after(60):
        async with limits.place(narrow):
            with anyio.CancelScope() as scope:
                scope.cancel()
                async with limits.place(narrow):
                    raise AssertionError("the place was taken")
        async with limits.place(narrow):
            pass
