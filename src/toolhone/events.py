"""Events of the audit log, as they happen."""

from dataclasses import replace

from toolhone.activity import trace_id
from toolhone.exceptions import ToolhoneError
from toolhone.identifiers import new_id, utc_timestamp
from toolhone.models import AuditEvent, Caller, EventKind, JsonObject


def new_event(
    kind: EventKind,
    caller: Caller,
    *,
    request_id: str | None = None,
    call_id: str | None = None,
    slot: str | None = None,
    tool: str | None = None,
    server: str | None = None,
    success: bool | None = None,
    error_code: str | None = None,
    execution_time_ms: float | None = None,
    tokens_used: int | None = None,
    payload: JsonObject | None = None,
) -> AuditEvent:
    """An event that happened now; its payload names the trace that it happened in, if there is one."""
    trace = trace_id()
    return AuditEvent(
        event_id=new_id(),
        timestamp=utc_timestamp(),
        kind=kind,
        caller=caller,
        request_id=request_id,
        call_id=call_id,
        slot=slot,
        tool=tool,
        server=server,
        success=success,
        error_code=error_code,
        execution_time_ms=execution_time_ms,
        tokens_used=tokens_used,
        payload={**(payload or {}), **({"trace_id": trace} if trace else {})},
    )


def not_done(event: AuditEvent, error: ToolhoneError) -> AuditEvent:
    """Takes back an event that is on record: what it says was begun, and then failed."""
    return replace(event, event_id=new_id(), timestamp=utc_timestamp(), success=False, error_code=error.code)
