"""Whether a failed call is made again, and when.

Only where a second attempt cannot do harm: the first was never sent, or the tool is declared read-only or
idempotent by somebody who is believed. Waits grow exponentially with full jitter (Marc Brooker,
"Exponential Backoff And Jitter", AWS Architecture Blog, 2015), so that callers who failed together do not
come back together. A timeout is not retried: the caller has waited long enough, and a server that is slow
gets slower by being asked again.
"""

import random
from collections.abc import Awaitable, Callable

import anyio

from toolhone.exceptions import (
    ConnectionLostError,
    ServerAuthenticationError,
    ServerUnavailableError,
    ToolhoneError,
)
from toolhone.execution.chain import Invoke, Link, definition_of
from toolhone.models import AuditEvent, EventKind, ToolCall, ToolDefinition, ToolOutput

MAX_ATTEMPTS = 3
FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 5.0


def decide(error: ToolhoneError, attempt: int, definition: ToolDefinition) -> float | None:
    """The longest time to wait before the next attempt; `None` if there must not be one.

    Args:
        error: How the attempt failed.
        attempt: Which attempt that was, from 1.
        definition: The tool.
    """
    if attempt >= MAX_ATTEMPTS:
        return None
    if isinstance(error, ServerAuthenticationError):
        return None
    never_sent = isinstance(error, ServerUnavailableError)
    if never_sent or (isinstance(error, ConnectionLostError) and definition.repeatable):
        return min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
    return None


def retrying(
    *,
    record: Callable[[AuditEvent], Awaitable[None]],
    new_event: Callable[..., AuditEvent],
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    chance: Callable[[], float] = random.random,
) -> Link:
    """The link that makes a call again, and records each time that it does."""

    async def link(call: ToolCall, invoke: Invoke) -> ToolOutput:
        definition = definition_of(call)
        attempt = 1
        while True:
            try:
                return await invoke(call)
            except ToolhoneError as error:
                longest = decide(error, attempt, definition)
                if longest is None:
                    raise
                failure = error
            wait = longest * chance()
            await record(
                new_event(
                    EventKind.RETRY,
                    call.caller,
                    request_id=call.request_id,
                    call_id=call.call_id,
                    slot=call.slot,
                    tool=call.tool,
                    server=definition.server,
                    error_code=failure.code,
                    payload={
                        "attempt": attempt,
                        "error": failure.message,
                        "wait_seconds": round(wait, 3),
                    },
                )
            )
            await sleep(wait)
            attempt += 1

    return link
