"""The time limit of a call, and the measuring of its time. Time in queues is in neither."""

from collections.abc import Callable
from time import perf_counter

import anyio

from toolhone.exceptions import CallTimeoutError
from toolhone.execution.chain import Invoke, Link, definition_of
from toolhone.models import Limits, ToolCall, ToolOutput

DEFAULT_SECONDS = 60.0


def _no_limits(server: str) -> Limits:
    return Limits()


def timing(
    *, default_seconds: float = DEFAULT_SECONDS, server_limits: Callable[[str], Limits] = _no_limits
) -> Link:
    """The link that cancels a call after the limit of its tool, else of its server, else the default.

    Cancelling reaches the downstream server. What a tool did before is not undone, and the error says so.
    """

    def seconds_of(call: ToolCall) -> float:
        definition = definition_of(call)
        own = definition.limits.timeout_seconds
        if own is None and definition.server is not None:
            own = server_limits(definition.server).timeout_seconds
        return default_seconds if own is None else own

    async def link(call: ToolCall, invoke: Invoke) -> ToolOutput:
        seconds = seconds_of(call)
        call.trace.attempts += 1
        began = perf_counter()
        try:
            with anyio.move_on_after(seconds):
                return await invoke(call)
        finally:
            call.trace.execution_time_ms += (perf_counter() - began) * 1000
        raise CallTimeoutError(
            f"{call.tool!r} did not answer within {seconds:g} s and was cancelled. "
            "It may have done part of its work.",
            data={"timeout_seconds": seconds},
        )

    return link
