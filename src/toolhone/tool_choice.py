"""Choosing tools for a program over HTTP: the names, their compressed schemas, and what that saves in tokens.

Fields are those of the code that gave the idea; the choice is the one that `find_tools` makes.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from toolhone.figures import Figures
from toolhone.finding import Found
from toolhone.gateway import Gateway
from toolhone.models import Caller, JsonObject
from toolhone.statistics import Usage

NO_TOOL = "No tool is available."


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What tools are wanted for."""

    task_description: str
    task_type: str | None = None
    required_capabilities: Sequence[str] = ()
    max_tools: int = 10
    prefer_fast: bool = False
    prefer_cheap: bool = False
    available_tools: Collection[str] | None = None
    """Only these; names that no tool has are said in a notice. `None` is all."""

    @property
    def task(self) -> str:
        """All that is said of the task, in one text: its kind and what it needs are words like others."""
        parts = [self.task_description]
        if self.task_type:
            parts.append(f"Kind of task: {self.task_type}.")
        if self.required_capabilities:
            parts.append(f"Needed: {', '.join(self.required_capabilities)}.")
        return "\n".join(parts) if self.task_description.strip() else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The tools for a task. Token figures are o200k tokens."""

    found: Found | None
    """`None` if there was nothing to choose from."""

    @property
    def tokens_of_available(self) -> int:
        """Every available tool's name, description and input schema as minified JSON."""
        return self.found.tokens_of_available if self.found else 0

    @property
    def tokens_sent(self) -> int:
        return self.found.tokens_sent if self.found and self.found.tools else 0

    @property
    def tokens_saved(self) -> int:
        """Negative where the tools are so few that telling about the choice takes more than all of them.

        Nothing chosen is nothing saved: the task may have needed a tool.
        """
        return self.tokens_of_available - self.tokens_sent if self.tokens_sent else 0

    @property
    def optimization_ratio(self) -> str:
        return f"{self.tokens_saved / self.tokens_of_available:.1%}" if self.tokens_saved else "0.0%"


class ToolChoice:
    """What stands behind `/finetuning/tools/select` and its statistics, over the gateway of one app."""

    def __init__(self, gateway: Gateway, usage: Usage, figures: Figures) -> None:
        self._gateway = gateway
        self._usage = usage
        self._figures = figures

    async def choose(self, wanted: Wanted, *, caller: Caller) -> Choice:
        """Select tools, record it, and say what it saves against the schemas of all that are available.

        Raises:
            InvalidRequestError: The task is empty or a bound is out of range.
        """
        if wanted.available_tools is not None and not wanted.available_tools:
            # A program's own filter may well leave nothing to choose from; an agent's would be a mistake.
            return Choice(found=None)
        found = await self._gateway.find(
            wanted.task,
            caller=caller,
            max_tools=wanted.max_tools,
            available_tools=wanted.available_tools,
            prefer_fast=wanted.prefer_fast,
            prefer_cheap=wanted.prefer_cheap,
        )
        return Choice(found=found)

    async def statistics(self, *, caller: Caller) -> JsonObject:
        """Every selection in the audit, of whoever and by whatever way in, and how the calls of tools went.

        Raises:
            StorageError: The audit cannot be read, or what is counted of it cannot be kept.
        """
        usage, savings = await self._usage.snapshot(), await self._figures.savings()
        tools = {tool.name for tool in self._gateway.tools(caller)}
        return {
            "total_executions": savings.selections,
            "total_tokens_saved": savings.tokens_saved,
            "avg_tokens_saved_per_execution": savings.tokens_saved_each,
            "complete": savings.complete,
            "registered_tools": len(tools),
            "tool_usage_patterns": {
                name: {
                    "usage_count": tool.calls,
                    "success_rate": round(1 - tool.failures / tool.calls, 4) if tool.calls else 0.0,
                    "avg_execution_time_ms": round(tool.mean_ms, 2),
                    "avg_tokens_used": round(tool.mean_tokens, 2),
                }
                for name, tool in sorted(usage.items())
                if name in tools
            },
        }
