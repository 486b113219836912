"""A call's span, from its place in the batch to its answer, with the ids of the audit."""

from collections.abc import Awaitable, Callable

from toolhone.activity import Value, activity, failed
from toolhone.models import CallResult, ToolCall


async def traced(call: ToolCall, run: Callable[[], Awaitable[CallResult]]) -> CallResult:
    """Run a call under a span of its own.

    Names and attributes are those of OpenTelemetry's conventions for tools, and the audit's ids.
    """
    known = call.resolved
    attributes: dict[str, Value] = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": call.tool,
        "gen_ai.tool.call.id": call.call_id,
        "toolhone.slot": call.slot,
    }
    if known is not None:
        attributes["toolhone.server"] = known.server_name
    # A name that is no tool's was made up by the caller, and spans are grouped by their names.
    name = "execute_tool" if known is None else f"execute_tool {known.name}"
    ids = {"request_id": call.request_id, "call_id": call.call_id, "principal": call.caller.principal}
    with activity(name, ids=ids, attributes=attributes) as span:
        result = await run()
        span.set_attribute("toolhone.outcome", "ok" if result.error is None else result.error.code)
        span.set_attribute("toolhone.tokens_used", result.tokens_used)
        if result.error is not None:
            failed(span, result.error.code)
        return result
