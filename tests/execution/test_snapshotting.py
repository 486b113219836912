"""Calls become snapshots behind their back: nothing of it slows, fails or stops a call."""

import json
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from toolhone.exceptions import InvalidRequestError, StorageError, ToolFailedError
from toolhone.execution import snapshotting
from toolhone.execution.chain import Invoke
from toolhone.execution.snapshotting import METADATA, OFF, REDACTED, SnapshotWriter
from toolhone.models import (
    LOCAL_CALLER,
    Caller,
    CallTrace,
    Category,
    Json,
    JsonObject,
    ToolCall,
    ToolDefinition,
    ToolOutput,
)
from toolhone.records.snapshots import NewSnapshot

if TYPE_CHECKING:
    from execution.conftest import Workbench

ANNA = Caller(principal="anna", client="editor", session="s1")


@dataclass
class Kept:
    """What was handed on, in the batches in which it was."""

    batches: list[tuple[Caller, list[NewSnapshot]]] = field(
        default_factory=list[tuple[Caller, list[NewSnapshot]]]
    )
    error: Exception | None = None
    bad: str | None = None
    """A tool whose snapshots are refused."""
    entered: anyio.Event = field(default_factory=anyio.Event)
    let: anyio.Event | None = None

    async def collect(self, snapshots: Sequence[NewSnapshot], *, caller: Caller) -> list[str]:
        self.entered.set()
        if self.let is not None:
            await self.let.wait()
        if self.error is not None:
            raise self.error
        if any(one.task_type == self.bad for one in snapshots):
            raise InvalidRequestError("one is too large")
        self.batches.append((caller, list(snapshots)))
        return []

    @property
    def snapshots(self) -> list[NewSnapshot]:
        return [one for _, batch in self.batches for one in batch]


def call(
    tool: str = "scan",
    arguments: JsonObject | None = None,
    *,
    caller: Caller = ANNA,
    category: Category = Category.CORE_SECURITY,
    known: bool = True,
) -> ToolCall:
    definition = ToolDefinition(name=tool, description="", input_schema={}, category=category)
    return ToolCall(
        call_id="c1",
        request_id="q1",
        slot="1",
        tool=tool,
        arguments=arguments if arguments is not None else {"path": "app.py"},
        caller=caller,
        resolved=definition if known else None,
        trace=CallTrace(execution_time_ms=12.5, attempts=1, tokens_used=34),
    )


def answering(value: Json = None, *, error: str | None = None) -> Invoke:
    async def invoke(call: ToolCall) -> ToolOutput:
        if error is not None:
            return ToolOutput(content=({"type": "text", "text": error},), is_error=True)
        return ToolOutput(structured=value, has_structured=True)

    return invoke


def writer_of(kept: Kept, mode: str = REDACTED) -> SnapshotWriter:
    return SnapshotWriter(kept.collect, mode=lambda category: mode)


@asynccontextmanager
async def running(writer: SnapshotWriter) -> AsyncGenerator[None]:
    """With everything noted kept at the end."""
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.run)
            yield
            await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()


async def one(mode: str, made: ToolCall, invoke: Invoke) -> NewSnapshot:
    kept = Kept()
    writer = writer_of(kept, mode)
    async with running(writer):
        await writer.link(made, invoke)
    (snapshot,) = kept.snapshots
    return snapshot


async def test_a_call_that_worked_becomes_a_snapshot() -> None:
    snapshot = await one(REDACTED, call(), answering({"findings": [1, 2]}))

    assert snapshot == NewSnapshot(
        agent_id="editor",
        agent_name="editor",
        category=Category.CORE_SECURITY,
        task_type="scan",
        input_data={"tool": "scan", "arguments": {"path": "app.py"}},
        output_data={"result": {"findings": [1, 2]}},
        success=True,
        performance_score=1.0,
        execution_time_ms=12.5,
        tokens_used=34,
        session="s1",
        user_id="anna",
        tools_used=("scan",),
        metadata={"source": "call", "mode": "redacted", "call_id": "c1"},
    )


async def test_the_user_of_this_machine_is_nobody_in_particular() -> None:
    snapshot = await one(REDACTED, call(caller=LOCAL_CALLER), answering(1))

    assert (snapshot.agent_id, snapshot.user_id, snapshot.session) == ("local", None, None)


async def test_a_call_that_failed_is_a_failure_in_the_tools_words() -> None:
    snapshot = await one(REDACTED, call(), answering(error="no such file"))

    assert (snapshot.success, snapshot.performance_score) == (False, 0.0)
    assert snapshot.output_data == {"error": {"code": "tool_failed", "message": "no such file"}}
    assert snapshot.metadata["error_code"] == "tool_failed"


async def test_a_call_that_was_refused_is_a_failure_and_still_raises() -> None:
    kept = Kept()
    writer = writer_of(kept)

    async def refuse(call: ToolCall) -> ToolOutput:
        raise ToolFailedError("not today")

    async with running(writer):
        with pytest.raises(ToolFailedError, match="not today"):
            await writer.link(call(), refuse)

    assert [one.output_data["error"]["message"] for one in kept.snapshots] == ["not today"]


async def test_metadata_holds_names_and_sizes_and_no_value() -> None:
    arguments: JsonObject = {
        "text": "private words",
        "list": ["private"],
        "object": {"private": 1},
        "number": 8_675_309,
        "flag": True,
        "none": None,
    }
    worked = await one(METADATA, call(arguments=arguments), answering("private answer"))
    failed = await one(METADATA, call(arguments=arguments), answering(error="private trouble"))

    assert worked.input_data["arguments"] == {
        "text": {"type": "string", "characters": 13},
        "list": {"type": "array", "items": 1},
        "object": {"type": "object", "fields": 1},
        "number": {"type": "number"},
        "flag": {"type": "boolean"},
        "none": {"type": "null"},
    }
    assert worked.output_data == {"result": {"type": "string", "characters": 14}}
    assert failed.output_data == {"error": {"code": "tool_failed"}}
    for snapshot in (worked, failed):
        assert not any(word in snapshot.model_dump_json() for word in ("private", "8675309"))


async def test_each_category_has_its_mode() -> None:
    kept = Kept()
    modes = {Category.GENERAL: OFF, Category.ECOMMERCE: METADATA, Category.CORE_SECURITY: REDACTED}
    writer = SnapshotWriter(kept.collect, mode=modes.__getitem__)
    async with running(writer):
        for category in modes:
            await writer.link(call(category=category), answering(1))

    assert [(one.category, one.metadata["mode"]) for one in kept.snapshots] == [
        (Category.ECOMMERCE, "metadata"),
        (Category.CORE_SECURITY, "redacted"),
    ]


async def test_an_unknown_tool_and_an_outcome_that_is_withheld_leave_no_snapshot() -> None:
    kept = Kept()
    writer = writer_of(kept)

    async def withheld(call: ToolCall) -> ToolOutput:
        raise StorageError("could not be recorded")

    async with running(writer):
        await writer.link(call(known=False), answering(1))
        with pytest.raises(StorageError):
            await writer.link(call(), withheld)

    assert kept.snapshots == []


async def test_what_the_caller_changes_later_is_not_changed_in_the_snapshot() -> None:
    kept = Kept()
    writer = writer_of(kept)
    arguments: JsonObject = {"rows": [1]}
    answer: JsonObject = {"rows": [2]}
    await writer.link(call(arguments=arguments), answering(answer))
    arguments["rows"].append("later")
    answer["rows"].append("later")
    async with running(writer):
        pass

    assert "later" not in kept.snapshots[0].model_dump_json()


async def test_a_call_does_not_wait_for_its_snapshot_and_the_next_go_together() -> None:
    kept = Kept(let=anyio.Event())
    writer = writer_of(kept)
    assert kept.let is not None
    async with running(writer):
        await writer.link(call("first"), answering(1))
        await kept.entered.wait()
        # The store is held: these calls return all the same.
        for number in range(5):
            await writer.link(call(f"tool{number}"), answering(1))
        assert kept.snapshots == []
        kept.let.set()

    assert [len(batch) for _, batch in kept.batches] == [1, 5]
    assert writer.kept == 6


async def test_each_caller_has_batches_of_its_own() -> None:
    kept = Kept()
    writer = writer_of(kept)
    for caller in (ANNA, ANNA, LOCAL_CALLER, ANNA):
        await writer.link(call(caller=caller), answering(1))
    async with running(writer):
        pass

    assert [(caller, len(batch)) for caller, batch in kept.batches] == [
        (ANNA, 2),
        (LOCAL_CALLER, 1),
        (ANNA, 1),
    ]


async def test_a_store_that_fails_is_logged_and_counted_and_calls_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kept = Kept(error=StorageError("the disk is full"))
    writer = writer_of(kept)
    async with running(writer):
        output = await writer.link(call(), answering(7))
        await kept.entered.wait()
        await anyio.lowlevel.checkpoint()
        kept.error = None
        await writer.link(call(), answering(8))

    assert output.structured == 7
    assert (writer.failed, writer.kept) == (1, 1)
    assert "the disk is full" in caplog.text


async def test_one_that_is_refused_does_not_take_the_others_with_it() -> None:
    kept = Kept(bad="huge")
    writer = writer_of(kept)
    for tool in ("a", "huge", "b"):
        await writer.link(call(tool), answering(1))
    async with running(writer):
        pass

    assert [one.task_type for one in kept.snapshots] == ["a", "b"]
    assert (writer.kept, writer.failed) == (2, 1)


async def test_when_too_many_wait_the_rest_is_dropped_counted_and_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(snapshotting, "_MOST_WAITING", 3)
    kept = Kept()
    writer = writer_of(kept)
    for _ in range(5):
        await writer.link(call(), answering(1))
    async with running(writer):
        pass

    assert (writer.kept, writer.dropped) == (3, 2)
    assert "2 call(s) became no snapshots: too many came at once" in caplog.text


async def test_what_waits_is_bounded_in_size_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshotting, "_MOST_CHARACTERS_WAITING", 1_000)
    kept = Kept()
    writer = writer_of(kept)
    for _ in range(3):
        await writer.link(call(arguments={"text": "x" * 400}), answering(1))
    async with running(writer):
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        await writer.link(call(arguments={"text": "x" * 400}), answering(1))

    assert (writer.kept, writer.dropped) == (3, 1)


async def test_a_mode_that_cannot_be_told_costs_the_snapshot_and_not_the_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def mode(category: Category) -> str:
        raise KeyError(category)

    writer = SnapshotWriter(Kept().collect, mode=mode)
    with caplog.at_level(logging.WARNING):
        output = await writer.link(call(), answering(7))

    assert output.structured == 7
    assert writer.failed == 1


async def test_what_takes_too_long_at_the_end_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshotting, "_SECONDS_TO_END", 0)
    kept = Kept(let=anyio.Event())
    assert kept.let is not None
    writer = writer_of(kept)
    await writer.link(call(), answering(1))
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.run)
            await kept.entered.wait()
            await writer.link(call(), answering(1))
            kept.let.set()
            tasks.cancel_scope.cancel()

    # The first was under way and is let finish; for the second there is no time.
    assert (writer.kept, writer.failed) == (1, 1)


async def test_in_the_whole_chain_it_knows_what_the_call_cost(bench: "Workbench") -> None:
    kept = Kept()
    writer = writer_of(kept)

    async def echo(arguments: JsonObject) -> Json:
        return arguments

    bench.tool("echo", echo)
    chain = bench.executor._chain

    async def through(call: ToolCall) -> ToolOutput:
        return await writer.link(call, chain)

    bench.executor._chain = through
    result = await bench.one("echo", {"city": "Rome"})
    async with running(writer):
        pass

    (snapshot,) = kept.snapshots
    assert snapshot.tokens_used == result.tokens_used > 0
    assert snapshot.execution_time_ms == result.execution_time_ms
    assert json.loads(snapshot.model_dump_json())["output_data"] == {"result": {"city": "Rome"}}
