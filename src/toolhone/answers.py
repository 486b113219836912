"""How answers read: the text forms of what toolhone tells an agent. Pure."""

import re
from collections.abc import Sequence

from toolhone.execution.presentation import body_text
from toolhone.json_values import minified
from toolhone.models import CallResult, JsonObject, ToolDefinition

_LIKE_A_HEADING = re.compile(
    r"^(?=\[[^\]\n]*\] \S+(?:: (?:ok, \d+ ms|FAILED, )|, other content:))", re.MULTILINE
)
"""Where a line of a result reads like the heading of another one."""


def wire_form(tool: ToolDefinition) -> JsonObject:
    """What a model needs to call a tool, as MCP says it."""
    return {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}


def definition_json(tool: ToolDefinition) -> JsonObject:
    """A tool in MCP's own form, with what toolhone knows besides."""
    annotations = {
        "title": tool.annotations.title,
        "readOnlyHint": tool.annotations.read_only,
        "destructiveHint": tool.annotations.destructive,
        "idempotentHint": tool.annotations.idempotent,
        "openWorldHint": tool.annotations.open_world,
    }
    described: JsonObject = {
        "name": tool.name,
        "description": tool.description,
        "inputSchema": tool.input_schema,
    }
    if tool.output_schema is not None:
        described["outputSchema"] = tool.output_schema
    if given := {key: value for key, value in annotations.items() if value is not None}:
        described["annotations"] = given
    described["readOnly"] = tool.read_only
    described["server"] = tool.server or "local"
    described["category"] = tool.category.value
    return described


def result_json(result: CallResult) -> JsonObject:
    """One slot of a batch answer."""
    slot: JsonObject = {"id": result.slot, "tool": result.tool, "success": result.success}
    if result.success:
        slot["result"] = result.result
    elif result.error is not None:
        error: JsonObject = {"code": result.error.code, "message": result.error.message}
        if result.error.data:
            error["data"] = dict(result.error.data)
        slot["error"] = error
    slot["execution_time_ms"] = round(result.execution_time_ms, 2)
    slot["tokens_used"] = result.tokens_used
    if result.handle is not None:
        slot["handle"] = result.handle
    if result.notices:
        slot["notices"] = list(result.notices)
    return slot


def slot_json(result: CallResult) -> JsonObject:
    """The same with its blocks that are not text, which MCP sends beside the answer."""
    beside: JsonObject = {"content": list(result.content)} if result.content else {}
    return {**result_json(result), **beside}


def results_text(results: Sequence[CallResult]) -> str:
    """A batch answer: a heading a slot, then the result as it is.

    A line of a result that reads like such a heading gets a backslash in front: no tool answers for another.
    """
    return "\n\n".join(_result_text(result) for result in results)


def _result_text(result: CallResult) -> str:
    head = f"[{result.slot}] {result.tool}"
    if result.success:
        return f"{head}: ok, {result.execution_time_ms:.0f} ms\n{_within(result_body(result))}"
    return f"{head}: FAILED, {_within(result_body(result))}" if result.error is not None else head


def _within(body: str) -> str:
    return _LIKE_A_HEADING.sub(r"\\", body)


def result_body(result: CallResult) -> str:
    """One result, or its error as code and message, and what there is to say about it."""
    text = ""
    if result.success:
        value = result.result
        text = result.shown or (value if isinstance(value, str) else minified(value))
    elif result.error is not None:
        text = f"{result.error.code}\n{result.error.message}"
    return body_text(text, result.handle, result.notices)
