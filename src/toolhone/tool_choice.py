"""Choosing tools for a program over HTTP: the names, their compressed schemas, and what that saves in tokens.

Fields are those of the code that gave the idea; the choice is the one that `find_tools` makes.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import anyio.to_thread

from toolhone import tokens
from toolhone.finding import Found
from toolhone.gateway import Gateway
from toolhone.models import Caller, JsonObject, ToolDefinition
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
    tokens_of_available: int
    """Every available tool's name, description and input schema as minified JSON."""

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

    def __init__(self, gateway: Gateway, usage: Usage) -> None:
        self._gateway = gateway
        self._usage = usage
        self._selections = 0
        self._saved = 0
        self._counted: tuple[tuple[ToolDefinition, ...], frozenset[str], int] | None = None

    async def choose(self, wanted: Wanted, *, caller: Caller) -> Choice:
        """Select tools, record it, and say what it saves against the schemas of all that are available.

        Raises:
            InvalidRequestError: The task is empty or a bound is out of range.
        """
        if wanted.available_tools is not None and not wanted.available_tools:
            # A program's own filter may well leave nothing to choose from; an agent's would be a mistake.
            return Choice(found=None, tokens_of_available=0)
        found = await self._gateway.find(
            wanted.task,
            caller=caller,
            max_tools=wanted.max_tools,
            available_tools=wanted.available_tools,
            prefer_fast=wanted.prefer_fast,
            prefer_cheap=wanted.prefer_cheap,
        )
        of_available = found.tokens_of_all
        if wanted.available_tools is not None:
            of_available = await self._tokens_of(frozenset(wanted.available_tools), caller)
        choice = Choice(found=found, tokens_of_available=of_available)
        self._selections += 1
        self._saved += choice.tokens_saved
        return choice

    async def statistics(self, *, caller: Caller) -> JsonObject:
        """Selections of this way in since toolhone was started, and what is known of the calls of tools."""
        usage = await self._usage.snapshot()
        tools = {tool.name for tool in self._gateway.tools(caller)}
        return {
            "total_executions": self._selections,
            "total_tokens_saved": self._saved,
            "avg_tokens_saved_per_execution": self._saved / self._selections if self._selections else 0.0,
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

    async def _tokens_of(self, names: frozenset[str], caller: Caller) -> int:
        """Of the schemas of these tools; a program asks for the same ones again and again."""
        tools = self._gateway.tools(caller)
        if self._counted is None or self._counted[0] is not tools or self._counted[1] != names:
            listing = tokens.tool_listing([tool for tool in tools if tool.name in names])
            count = await anyio.to_thread.run_sync(tokens.count_tokens, listing)
            self._counted = tools, names, count
        return self._counted[2]
