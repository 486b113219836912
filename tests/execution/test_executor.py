"""A batch: at once, in order, each call its own fate, everything recorded."""

from typing import TYPE_CHECKING

import anyio
import pytest

from toolhone.exceptions import InvalidRequestError, StorageError, ToolFailedError
from toolhone.models import CallResult, EventKind, Json, JsonObject, Limits, ToolOutput

if TYPE_CHECKING:
    from execution.conftest import Workbench


async def echo(arguments: JsonObject) -> Json:
    return arguments


async def explode(arguments: JsonObject) -> Json:
    raise ToolFailedError("it went wrong")


async def crash(arguments: JsonObject) -> Json:
    raise RuntimeError("password=hunter2")


class Meeting:
    """A tool that answers only when all expected calls are there: proves that they run at once."""

    def __init__(self, expected: int) -> None:
        self.missing = expected
        self.complete = anyio.Event()

    async def __call__(self, arguments: JsonObject) -> Json:
        self.missing -= 1
        if not self.missing:
            self.complete.set()
        await self.complete.wait()
        return arguments


async def test_independent_calls_run_at_once_and_answer_in_the_order_asked(bench: "Workbench") -> None:
    bench.tool("meet", Meeting(8))
    with anyio.fail_after(60):
        results = await bench.run([{"tool": "meet", "arguments": {"n": n}} for n in range(8)])
    assert [result.result["n"] for result in results] == list(range(8))
    assert [result.slot for result in results] == [str(n) for n in range(1, 9)]


async def test_a_failing_call_leaves_its_siblings_alone(
    bench: "Workbench", caplog: pytest.LogCaptureFixture
) -> None:
    bench.tool("echo", echo)
    bench.tool("explode", explode)
    bench.tool("crash", crash)
    results = await bench.run(
        [
            {"tool": "explode", "arguments": {}},
            {"tool": "echo", "arguments": {"a": 1}},
            {"tool": "crash", "arguments": {}},
            {"tool": "nosuch", "arguments": {}},
            "garbage",
            {"tool": "echo", "arguments": {"b": 2}},
        ]
    )
    assert [result.success for result in results] == [False, True, False, False, False, True]
    codes = [result.error.code for result in results if result.error]
    assert codes == ["tool_failed", "internal_error", "unknown_tool", "invalid_arguments"]
    assert len(bench.events) == 6
    assert "hunter2" not in str(results) + str(bench.events)
    assert "hunter2" in caplog.text


async def test_two_hundred_calls_from_many_batches_all_answer(bench: "Workbench") -> None:
    bench.tool("echo", echo, server="far")
    results: dict[int, list[CallResult]] = {}

    async def batch(number: int) -> None:
        calls = [{"tool": "echo", "arguments": {"n": number * 50 + n}} for n in range(50)]
        results[number] = await bench.run(calls)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for number in range(4):
                tasks.start_soon(batch, number)
    seen = [result.result["n"] for number in range(4) for result in results[number]]
    assert seen == list(range(200))
    assert len(bench.of_kind(EventKind.CALL)) == 200


async def test_a_call_gets_a_value_out_of_an_earlier_answer(bench: "Workbench") -> None:
    async def listing(arguments: JsonObject) -> Json:
        return {"items": [{"id": 7}]}

    bench.tool("echo", echo)
    bench.tool("listing", listing)
    results = await bench.run(
        [
            {"tool": "echo", "arguments": {"got": {"$from": "list", "path": "/items/0/id"}}},
            {"id": "list", "tool": "listing", "arguments": {}},
        ]
    )
    assert results[0].result == {"got": 7}
    row = bench.events[-1].payload
    assert row["arguments"] == {"got": {"$from": "list", "path": "/items/0/id"}}
    assert row["sent_arguments"] == {"got": 7}


async def test_a_failed_call_fails_only_those_that_refer_to_it(bench: "Workbench") -> None:
    ran: list[str] = []

    async def note(arguments: JsonObject) -> Json:
        ran.append(arguments["name"])
        return arguments

    async def sorry(arguments: JsonObject) -> Json:
        return ToolOutput(content=({"type": "text", "text": "no such city"},), is_error=True)

    bench.tool("note", note)
    bench.tool("sorry", sorry)
    results = await bench.run(
        [
            {"id": "a", "tool": "sorry", "arguments": {}},
            {"id": "b", "tool": "note", "arguments": {"name": "b", "x": {"$from": "a"}}},
            {"id": "c", "tool": "note", "arguments": {"name": "c", "x": {"$from": "b"}}},
            {"id": "d", "tool": "note", "arguments": {"name": "d"}},
            {"id": "e", "tool": "note", "arguments": {"name": "e", "x": {"$from": "d", "path": "/nothing"}}},
        ]
    )
    assert ran == ["d"]
    assert [result.error.code if result.error else None for result in results] == [
        "tool_failed",
        "reference_failed",
        "reference_failed",
        None,
        "reference_failed",
    ]
    messages = [result.error.message if result.error else "" for result in results]
    assert messages[0] == "no such city"
    assert "'a'" in messages[1] and "tool_failed" in messages[1]
    assert "'b'" in messages[2]
    assert "'name'" in messages[4]
    assert len(bench.of_kind(EventKind.REFUSAL)) == 3


async def test_calls_in_a_circle_are_refused_and_the_others_run(bench: "Workbench") -> None:
    bench.tool("echo", echo)
    results = await bench.run(
        [
            {"id": "a", "tool": "echo", "arguments": {"x": {"$from": "b"}}},
            {"id": "b", "tool": "echo", "arguments": {"x": {"$from": "a"}}},
            {"id": "c", "tool": "echo", "arguments": {"x": {"$from": "zz"}}},
            {"id": "d", "tool": "echo", "arguments": {"x": {"$from": "b"}}},
            {"id": "e", "tool": "echo", "arguments": {}},
        ]
    )
    codes = [result.error.code if result.error else None for result in results]
    assert codes == ["invalid_plan", "invalid_plan", "invalid_plan", "reference_failed", None]
    assert {event.kind for event in bench.events if not event.success} == {EventKind.REFUSAL}


TOO_MANY: list[JsonObject] = [{"tool": "echo", "arguments": {}}] * 65


@pytest.mark.parametrize("calls", [[], None, 7, "not json", TOO_MANY])
async def test_what_is_no_batch_is_refused_as_a_whole(bench: "Workbench", calls: Json) -> None:
    bench.tool("echo", echo)
    with pytest.raises(InvalidRequestError):
        await bench.run(calls)


async def test_cancelling_a_batch_cancels_its_calls_and_records_them(bench: "Workbench") -> None:
    started, cancelled = Meeting(3), 0

    async def stay(arguments: JsonObject) -> Json:
        nonlocal cancelled
        try:
            await started(arguments)
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            cancelled += 1
            raise

    bench.tool("stay", stay)
    calls: list[JsonObject] = [{"tool": "stay", "arguments": {}}] * 3
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bench.run, calls)
            await started.complete.wait()
            tasks.cancel_scope.cancel()
    assert cancelled == 3
    assert [event.error_code for event in bench.events] == ["cancelled"] * 3
    assert bench.observed == []


async def test_a_call_that_ran_is_recorded_even_if_its_caller_leaves_in_between(bench: "Workbench") -> None:
    with anyio.CancelScope() as scope:

        async def leave(arguments: JsonObject) -> Json:
            scope.cancel()
            return "done"

        bench.tool("leave", leave)
        await bench.one("leave")
    assert scope.cancelled_caught
    assert [event.tool for event in bench.events] == ["leave"]


async def test_an_answer_that_cannot_be_recorded_is_withheld(bench: "Workbench") -> None:
    bench.tool("echo", echo)
    bench.record_error = StorageError("The disk is full.")
    error = await bench.fails("echo", {"a": 1})
    assert error.code == "storage_failed"
    assert "it was sent" in error.message


async def test_a_result_is_counted_and_observed(bench: "Workbench") -> None:
    async def words(arguments: JsonObject) -> Json:
        return "one two three"

    bench.tool("words", words)
    result = await bench.one("words")
    assert result.tokens_used == 1 + 3
    assert bench.observed == [("words", True, result.execution_time_ms, 4)]
    assert bench.events[0].tokens_used == 4


async def test_pictures_stand_beside_the_result_and_are_not_copied_into_the_audit(bench: "Workbench") -> None:
    picture = {"type": "image", "data": "AAAA", "mimeType": "image/png"}

    async def draw(arguments: JsonObject) -> Json:
        return ToolOutput(content=({"type": "text", "text": "here"}, picture))

    bench.tool("draw", draw)
    result = await bench.one("draw")
    assert (result.result, result.content) == ("here", (picture,))
    assert bench.events[0].payload["content"] == [{"type": "image", "mimeType": "image/png", "bytes": 3}]


async def test_progress_of_a_batch_only_grows_and_ends_at_the_number_of_calls(bench: "Workbench") -> None:
    reports: list[tuple[float, float | None, str | None]] = []

    async def report(progress: float, total: float | None, message: str | None) -> None:
        reports.append((progress, total, message))

    bench.tool("echo", echo)
    calls: list[JsonObject] = [{"tool": "echo", "arguments": {}}] * 5
    await bench.run(calls, report_progress=report)
    heights = [progress for progress, _, _ in reports]
    assert heights == sorted(set(heights))
    assert reports[-1][:2] == (5.0, 5.0)


async def test_a_client_that_takes_no_progress_still_gets_its_result(bench: "Workbench") -> None:
    async def gone(progress: float, total: float | None, message: str | None) -> None:
        raise OSError("closed")

    bench.tool("echo", echo)
    calls: list[JsonObject] = [{"tool": "echo", "arguments": {}}] * 2
    results = await bench.run(calls, report_progress=gone)
    assert all(result.success for result in results)


async def test_a_slow_call_is_cancelled_at_its_own_limit(bench: "Workbench") -> None:
    async def hang(arguments: JsonObject) -> Json:
        await anyio.sleep_forever()

    bench.tool("hang", hang, limits=Limits(timeout_seconds=0.01), read_only=True)
    with anyio.fail_after(60):
        error = await bench.fails("hang")
    assert error.code == "timeout"
    assert "0.01 s" in error.message
    assert bench.events[-1].kind is EventKind.CALL
