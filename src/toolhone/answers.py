"""How answers read: the text forms of what toolhone tells an agent. Pure."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from toolhone.models import CallResult, Json, JsonObject, ToolDefinition

LIKELY = 0.5
"""From this probability on an answer says that a tool is likely to fit."""

ROSTER_TOKENS = 32
"""What the names of further candidates may cost."""

LINE = 120
"""Characters of the description of a tool that probably does not fit."""

TOKEN_BUDGET = "token budget"

ROUNDING = 1e-9
"""What binary fractions may lack: 0.57 is to be 57 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTool:
    """One selected tool in a `find_tools` answer."""

    definition: ToolDefinition
    score: float
    """0 to 1, relative to the best match in this catalog for this task."""
    fits: float
    """How likely it serves the task, 0 to 1; comparable between answers."""
    pinned: bool = False
    explored: bool = False
    """Whether it is shown only to learn how it does."""
    caution: str | None = None
    """Why a call of it is likely to fail now."""

    @property
    def percent(self) -> str:
        """`fits` for people, rounded down: only a tool that the task names is certain."""
        return f"{math.floor(self.fits * 100 + ROUNDING)}%"

    def as_json(self) -> JsonObject:
        tool = self.definition
        found: JsonObject = {
            "name": tool.name,
            "score": round(self.score, 3),
            "fits": math.floor(self.fits * 1000 + ROUNDING) / 1000,
            "description": tool.description,
            "inputSchema": tool.input_schema,
            "readOnly": tool.read_only,
            "server": tool.server or "local",
            "category": tool.category.value,
        }
        if self.pinned:
            found["pinned"] = True
        if self.explored:
            found["explored"] = True
        if self.caution is not None:
            found["caution"] = self.caution
        return found


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A tool that would have been shown, and why it is not."""

    name: str
    reason: str

    def as_json(self) -> JsonObject:
        return {"name": self.name, "reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a `find_tools` answer has to say."""

    tools: Sequence[FoundTool]
    """Best first."""
    fits: float
    """How likely any of them serves the task, 0 to 1."""
    nothing_fits: bool
    roster: Sequence[str] = ()
    """The names of those that came next."""
    left_out: Sequence[LeftOut] = ()
    considered: int
    notices: Sequence[str] = ()


def minified(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def found_text(finding: Finding) -> str:
    """A `find_tools` answer: how sure it is, then each tool with its whole input schema, best first.

    If nothing fits, the nearest tools are only named: reading their schemas would mostly be for nothing.
    """
    lines = [_verdict(finding)]
    for found in finding.tools:
        tool = found.definition
        description = tool.description.strip() or "(no description)"
        if finding.nothing_fits and not found.pinned:
            lines.append(f"- {tool.name} ({_marks(found)}): {_first_line(description)}")
        else:
            entrance = "call_read_tools" if tool.read_only else "call_tools"
            lines += [f"\n## {tool.name} ({_marks(found, entrance)})", description]
            lines.append(minified(tool.input_schema))
    if finding.roster:
        lines.append(f"\nNext: {', '.join(finding.roster)}")
    if finding.left_out:
        lines.append(f"\nLeft out: {_by_reason(finding.left_out)}")
    lines.extend(f"\nNote: {notice}" for notice in finding.notices)
    return "\n".join(lines)


def fit(finding: Finding, budget: int | None, count: Callable[[str], int]) -> tuple[Finding, str]:
    """What of the finding is said within the budget, and how.

    The roster goes first, then tools from the last on; what goes by the budget is named as left out.
    """
    said = replace(finding, roster=())
    text = found_text(said)
    if budget is None or count(text) <= budget:
        return _with_roster(said, text, finding.roster, budget, count)
    for shown in reversed(range(len(finding.tools))):
        cut = [LeftOut(found.definition.name, TOKEN_BUDGET) for found in finding.tools[shown:]]
        said = replace(said, tools=finding.tools[:shown], left_out=(*cut, *finding.left_out))
        text = found_text(said)
        if count(text) <= budget:
            break
    return said, text


def _with_roster(
    said: Finding, text: str, roster: Sequence[str], budget: int | None, count: Callable[[str], int]
) -> tuple[Finding, str]:
    """With as many further names as the budget, and what they are worth, allow."""
    for named in range(len(roster), 0, -1):
        if count(", ".join(roster[:named])) <= ROSTER_TOKENS:
            more = replace(said, roster=tuple(roster[:named]))
            longer = found_text(more)
            if budget is None or count(longer) <= budget:
                return more, longer
    return said, text


def _verdict(finding: Finding) -> str:
    shown = f"{len(finding.tools)} of {finding.considered} tools"
    if not finding.tools:
        return f"{shown}."
    if finding.nothing_fits:
        return f"Nothing fits. The nearest {shown}, schemas by describe_tools:"
    return f"Fits: {'likely' if finding.fits >= LIKELY else 'perhaps'}. {shown}, best first:"


def _marks(found: FoundTool, *more: str) -> str:
    marks = [found.percent, *more, *(("pinned",) if found.pinned else ())]
    return ", ".join(marks) + (f"; {found.caution}" if found.caution else "")


def _by_reason(left_out: Sequence[LeftOut]) -> str:
    names: dict[str, list[str]] = {}
    for tool in left_out:
        names.setdefault(tool.reason, []).append(tool.name)
    parts: list[str] = []
    for reason, listed in names.items():
        why = f"{reason}, ask describe_tools" if reason == TOKEN_BUDGET else reason
        parts.append(f"{', '.join(listed)} ({why})")
    return "; ".join(parts)


def _first_line(text: str) -> str:
    line = text.splitlines()[0]
    return line if len(line) <= LINE else f"{line[: LINE - 1]}…"


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
