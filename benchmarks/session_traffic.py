"""One session of an agent with a tool server, counted in o200k tokens as its model reads and writes it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import anyio
from mcp import Client, types

from toolhone.json_values import minified
from toolhone.models import Json, JsonObject
from toolhone.tokens import count_tokens


@dataclass(frozen=True, slots=True)
class Wanted:
    """A tool that the agent wants to call."""

    name: str
    """As toolhone calls it."""
    original: str
    """As its server calls it."""
    sentence: str
    arguments: JsonObject


@dataclass(slots=True)
class Paid:
    """What one session found, and its tokens: of the listing, of looking for tools, and of their calls."""

    wanted: int
    found: int = 0
    listing: int = 0
    looking: int = 0
    calling: int = 0

    @property
    def total(self) -> int:
        return self.listing + self.looking + self.calling


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tool answered, and what asking and reading cost."""

    text: str
    structured: Json
    tokens: int


@dataclass(slots=True)
class Session:
    """A connected client whose traffic is counted."""

    client: Client
    paid: Paid

    async def look(self, tool: str, arguments: JsonObject) -> Answer:
        answer = await self._ask(tool, arguments)
        self.paid.looking += answer.tokens
        return answer

    async def call(self, tool: str, arguments: JsonObject) -> Answer:
        answer = await self._ask(tool, arguments)
        self.paid.calling += answer.tokens
        return answer

    async def _ask(self, tool: str, arguments: JsonObject) -> Answer:
        with anyio.fail_after(120):
            result = await self.client.call_tool(tool, arguments)
        text = "\n".join(block.text for block in result.content if isinstance(block, types.TextContent))
        if result.is_error:
            raise RuntimeError(f"{tool} failed: {text[:500]}")
        asked = minified({"name": tool, "arguments": arguments})
        return Answer(text, result.structured_content, count_tokens(asked) + count_tokens(text))


def listed(tools: Sequence[types.Tool]) -> int:
    """What tools cost in a prompt."""
    shown = [
        {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}
        for tool in tools
    ]
    return count_tokens(minified(shown))


Agent: TypeAlias = Callable[[Session, Sequence[types.Tool], Sequence[Wanted]], Awaitable[None]]
"""Uses the wanted tools through a client that listed these tools."""
