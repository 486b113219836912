"""The outermost link: writes down how every call went, before its answer leaves.

If the outcome cannot be recorded, the answer is withheld and the caller is told that the call may have
run: a call that nobody can account for is worse than an answer that must be asked for again.
"""

import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import anyio

from toolhone.exceptions import StorageError, ToolhoneError
from toolhone.execution.chain import Invoke, Link
from toolhone.execution.metering import TokenMeter
from toolhone.execution.offloading import off_loop_if_large, parts_of
from toolhone.execution.presentation import body_text, error_info, failure_info, is_binary, present
from toolhone.json_values import minified
from toolhone.models import AuditEvent, ErrorInfo, EventKind, Json, JsonObject, ToolCall, ToolOutput

logger = logging.getLogger(__name__)

Record: TypeAlias = Callable[[AuditEvent], Awaitable[None]]
Observe: TypeAlias = Callable[[str, bool, float, int], None]
"""Receives (tool, success, milliseconds, tokens) of each call that reached its tool."""

CANCELLED = "cancelled"
_SECONDS_TO_RECORD = 30
"""Recording is not cancelled with its call, so it needs an end of its own: a lock on the file, say."""

_SECONDS_TO_RECORD_A_CANCELLED_CALL = 5
"""Somebody waits for the cancelling to be done."""


def recording(
    *,
    record: Record,
    observe: Observe,
    new_event: Callable[..., AuditEvent],
    meter: TokenMeter,
) -> Link:
    """The link that records one event a call, one a repair, and counts the call's tokens.

    Args:
        record: Writes an event; durable when it returns.
        observe: Told of each call that reached its tool.
        new_event: Makes an event from `(kind, caller, **fields)`, with its own id and time.
        meter: Counts tokens.
    """

    async def link(call: ToolCall, invoke: Invoke) -> ToolOutput:
        try:
            output = await invoke(call)
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(_SECONDS_TO_RECORD_A_CANCELLED_CALL, shield=True) as recorded:
                await write(call, _event_fields(call, error=ErrorInfo(code=CANCELLED, message="")))
            if recorded.cancelled_caught:
                logger.error("The cancelled call %s of %s was not recorded", call.call_id, call.tool)
            raise
        except Exception as exc:
            # Not handled here, only written down; the end of the call (executor.py) makes it a result.
            error = error_info(exc if isinstance(exc, ToolhoneError) else ToolhoneError())
            refused = isinstance(exc, ToolhoneError) and call.trace.attempts == 0
            await finish(call, error=error, kind=EventKind.REFUSAL if refused else EventKind.CALL)
            raise
        failure = failure_info(call.tool, output) if output.is_error else None
        await finish(call, error=failure, output=output)
        return output

    async def finish(
        call: ToolCall,
        *,
        error: ErrorInfo | None,
        output: ToolOutput | None = None,
        kind: EventKind = EventKind.CALL,
    ) -> None:
        trace = call.trace
        try:
            # Shielded: a call that ran is recorded, also if its caller leaves just now.
            with anyio.fail_after(_SECONDS_TO_RECORD, shield=True):
                large: list[Json] = [_asked(call), trace.sent, *parts_of(output)]
                if error is not None:
                    large += [error.message, error.data]
                texts = await off_loop_if_large(
                    lambda: (minified(_asked(call)), _sent_text(error, output)), *large
                )
                trace.tokens_used = await meter.measure(*texts)
                fields = await off_loop_if_large(
                    lambda: _event_fields(call, kind=kind, error=error, output=output), *large
                )
                await write(call, fields)
        except TimeoutError as exc:
            raise _withheld(call, f"the audit log did not answer within {_SECONDS_TO_RECORD} s") from exc
        if kind is EventKind.CALL:
            observe(call.tool, error is None, trace.execution_time_ms, trace.tokens_used)

    async def write(call: ToolCall, fields: JsonObject) -> None:
        joined: JsonObject = {
            "request_id": call.request_id,
            "call_id": call.call_id,
            "slot": call.slot,
            "tool": call.tool or None,
            "server": call.resolved.server if call.resolved else None,
        }
        try:
            for repair in call.trace.repairs:
                await record(new_event(EventKind.REPAIR, call.caller, **joined, payload={"repair": repair}))
            await record(new_event(fields.pop("kind"), call.caller, **joined, **fields))
        except ToolhoneError as exc:
            raise _withheld(call, exc.message) from exc

    return link


def _withheld(call: ToolCall, reason: str) -> StorageError:
    sent = "it was sent" if call.trace.attempts else "it was not sent"
    return StorageError(
        f"The call of {call.tool!r} could not be recorded, so its outcome is withheld ({sent}): {reason}"
    )


def _asked(call: ToolCall) -> Json:
    return call.arguments if call.asked is None else call.asked


def _sent_text(error: ErrorInfo | None, output: ToolOutput | None) -> str:
    handle, notices = (output.handle, output.notices) if output is not None else (None, ())
    if error is not None:
        return body_text(f"{error.code}\n{error.message}", handle, notices)
    if output is not None and output.shown is not None:
        return body_text(output.shown, handle, notices)
    value = present(output)[0] if output is not None else None
    return body_text(value if isinstance(value, str) else minified(value), handle, notices)


def _event_fields(
    call: ToolCall,
    *,
    error: ErrorInfo | None,
    output: ToolOutput | None = None,
    kind: EventKind = EventKind.CALL,
) -> JsonObject:
    asked, sent = _asked(call), call.trace.sent or call.arguments
    payload: JsonObject = {"arguments": asked}
    if call.user_id is not None:
        payload["user_id"] = call.user_id
    handle = output.handle if output is not None else None
    if handle is None and error is not None and error.data:
        handle = error.data.get("handle")
    if sent != asked and call.trace.attempts:
        payload["sent_arguments"] = sent
    if call.trace.attempts > 1:
        payload["attempts"] = call.trace.attempts
    if error is not None:
        data: JsonObject = dict(error.data or {})
        if "handle" in data:
            data["handle"] = _masked(str(data["handle"]), handle)
        told: JsonObject = {"code": error.code, "message": _masked(error.message, handle)}
        payload["error"] = {**told, "data": data} if data else told
    elif output is not None:
        payload["result"], blocks = present(output)
        if blocks:
            payload["content"] = _described(blocks)
    if output is not None:
        if output.handle is not None:
            payload["handle"] = _masked(output.handle, handle)
        if output.notices:
            payload["notices"] = [_masked(notice, handle) for notice in output.notices]
    return {
        "kind": kind,
        "success": error is None,
        "error_code": error.code if error else None,
        "execution_time_ms": call.trace.execution_time_ms,
        "tokens_used": call.trace.tokens_used,
        "payload": payload,
    }


def _masked(text: str, handle: str | None) -> str:
    """The text without a handle that is still good: who may read the audit may not read all results."""
    return text.replace(handle, f"{handle[:6]}…") if isinstance(handle, str) and handle else text


def _described(blocks: Sequence[JsonObject]) -> list[JsonObject]:
    """Blocks as the audit keeps them: binary data by its kind and size only."""
    return [_without_data(block) if is_binary(block) else block for block in blocks]


def _without_data(block: JsonObject) -> JsonObject:
    resource = block.get("resource", block)
    data = str(resource.get("data") or resource.get("blob") or "")
    kind = {key: resource[key] for key in ("mimeType", "uri") if key in resource}
    return {"type": block["type"], **kind, "bytes": math.floor(len(data.rstrip("=")) * 3 / 4)}
