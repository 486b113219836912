"""Only what cannot do harm is tried again."""

from typing import TYPE_CHECKING

import pytest

from toolhone.exceptions import (
    CallTimeoutError,
    ConnectionLostError,
    InvalidArgumentsError,
    ServerAuthenticationError,
    ServerUnavailableError,
    ToolFailedError,
    ToolhoneError,
)
from toolhone.execution.retry import decide
from toolhone.models import Annotations, EventKind, Json, JsonObject, ToolDefinition

if TYPE_CHECKING:
    from execution.conftest import Workbench


def tool(
    read_only: bool | None = None, idempotent: bool | None = None, trusted: bool = True
) -> ToolDefinition:
    annotations = Annotations(read_only=read_only, idempotent=idempotent)
    return ToolDefinition(name="t", description="", input_schema={}, annotations=annotations, trusted=trusted)


@pytest.mark.parametrize(
    ("error", "definition", "again"),
    [
        (ServerUnavailableError(), tool(), True),
        (ServerAuthenticationError(), tool(read_only=True), False),
        (ConnectionLostError(), tool(), False),
        (ConnectionLostError(), tool(read_only=True), True),
        (ConnectionLostError(), tool(idempotent=True), True),
        (ConnectionLostError(), tool(read_only=True, trusted=False), False),
        (CallTimeoutError(), tool(read_only=True), False),
        (ToolFailedError(), tool(read_only=True), False),
        (InvalidArgumentsError(), tool(read_only=True), False),
        (ToolhoneError(), tool(read_only=True), False),
    ],
)
def test_what_is_tried_again(error: ToolhoneError, definition: ToolDefinition, again: bool) -> None:
    assert (decide(error, 1, definition) is not None) is again
    assert decide(error, 3, definition) is None


def test_waits_grow() -> None:
    waits = [decide(ServerUnavailableError(), attempt, tool()) for attempt in (1, 2)]
    assert waits == [0.2, 0.4]


async def test_a_call_succeeds_at_the_third_attempt_and_each_retry_is_recorded(bench: "Workbench") -> None:
    attempts = 0

    async def flaky(arguments: JsonObject) -> Json:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise ConnectionLostError
        return "done"

    bench.tool("flaky", flaky, read_only=True)
    result = await bench.one("flaky")
    assert result.result == "done"
    assert bench.waits == [0.2, 0.4]
    assert [event.kind for event in bench.events] == [EventKind.RETRY, EventKind.RETRY, EventKind.CALL]
    assert len({event.call_id for event in bench.events}) == 1
    assert bench.events[-1].payload["attempts"] == 3


async def test_a_tool_that_may_change_things_is_not_called_twice(bench: "Workbench") -> None:
    attempts = 0

    async def pay(arguments: JsonObject) -> Json:
        nonlocal attempts
        attempts += 1
        raise ConnectionLostError

    bench.tool("pay", pay)
    error = await bench.fails("pay")
    assert (error.code, attempts) == ("connection_lost", 1)
