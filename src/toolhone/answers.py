"""How answers read: the text forms of what toolhone tells an agent. Pure."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from toolhone.models import CallResult, Json, JsonObject, ToolDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTool:
    """One selected tool in a `find_tools` answer."""

    definition: ToolDefinition
    score: float
    """0 to 1, relative to the best match in this catalog for this task."""

    def as_json(self) -> JsonObject:
        tool = self.definition
        return {
            "name": tool.name,
            "score": round(self.score, 3),
            "description": tool.description,
            "inputSchema": tool.input_schema,
            "readOnly": tool.read_only,
            "server": tool.server or "local",
            "category": tool.category.value,
        }


def minified(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def found_text(
    tools: Sequence[FoundTool], left_out: Sequence[FoundTool], considered: int, notices: Sequence[str]
) -> str:
    """A `find_tools` answer: each tool with its whole input schema, best first."""
    lines = [f"{len(tools)} of {considered} tools, best first:"]
    for found in tools:
        tool = found.definition
        entrance = "call_read_tools" if tool.read_only else "call_tools"
        lines.append(f"\n## {tool.name} ({found.score:.2f}, {entrance})")
        lines.append(tool.description.strip() or "(no description)")
        lines.append(minified(tool.input_schema))
    if left_out:
        names = ", ".join(found.definition.name for found in left_out)
        lines.append(f"\nLeft out by the token budget, ask describe_tools: {names}")
    lines.extend(f"\nNote: {notice}" for notice in notices)
    return "\n".join(lines)


def fit(
    tools: Sequence[FoundTool],
    considered: int,
    notices: Sequence[str],
    budget: int | None,
    count: Callable[[str], int],
) -> tuple[list[FoundTool], list[FoundTool], str]:
    """The longest prefix of `tools` whose text fits the budget: (shown, left out, text)."""
    for shown in range(len(tools), -1, -1):
        text = found_text(tools[:shown], tools[shown:], considered, notices)
        if budget is None or shown == 0 or count(text) <= budget:
            return list(tools[:shown]), list(tools[shown:]), text
    raise AssertionError("unreachable: a range that ends at 0 has an element")


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


def results_text(results: Sequence[CallResult]) -> str:
    """A batch answer: a heading a slot, then the result as it is."""
    return "\n\n".join(_result_text(result) for result in results)


def _result_text(result: CallResult) -> str:
    head = f"[{result.slot}] {result.tool}"
    lines: list[str] = []
    if result.success:
        lines.append(f"{head}: ok, {result.execution_time_ms:.0f} ms")
        lines.append(result.result if isinstance(result.result, str) else minified(result.result))
    elif result.error is not None:
        lines.append(f"{head}: FAILED, {result.error.code}")
        lines.append(result.error.message)
    if result.handle is not None:
        lines.append(f"This is a preview; the whole result: read_result handle={result.handle}")
    lines.extend(f"Note: {notice}" for notice in result.notices)
    return "\n".join(lines)
