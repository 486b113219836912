"""Answers requests that nest too deep to be read: unanswered, their client would wait until it gives up.

Over HTTP the SDK answers them itself. Over stdio it drops them, as it drops every line that is no message.
"""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import pydantic_core
from mcp.shared.message import SessionMessage
from mcp_types import PARSE_ERROR, ErrorData, JSONRPCError

from toolhone.models import Json

SHALLOW = 150
"""Brackets that a line may have without being looked at: its reader goes deeper than that."""

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]:,]|[^\s"{}\[\]:,]+')


class ReadableLines:
    """The lines of a client, without those that nest too deep."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.answer: Callable[[SessionMessage], Awaitable[None]] | None = None
        """How the client is answered; until it is set, every line is passed on."""

    def __aiter__(self) -> "ReadableLines":
        return self

    async def __anext__(self) -> str:
        while True:
            line = await anext(self._lines)
            if self.answer is None or line.count("{") + line.count("[") <= SHALLOW or _is_readable(line):
                return line
            number = request_id(line)
            if number is None:
                return line
            told = "The message nests too deep. Send something flatter."
            error = ErrorData(code=PARSE_ERROR, message=told)
            await self.answer(SessionMessage(JSONRPCError(jsonrpc="2.0", id=number, error=error)))


def _is_readable(line: str) -> bool:
    try:
        pydantic_core.from_json(line)
    except ValueError:
        return False
    return True


def request_id(line: str) -> str | int | None:
    """The id of a JSON-RPC request, without reading what is inside of it; `None` if it is no request."""
    level = 0
    found: dict[str, str] = {}
    key = before = ""
    for match in _TOKEN.finditer(line):
        token = match[0]
        if level == 1 and before == ":" and key in {'"id"', '"method"'} and token not in {"{", "["}:
            found[key] = token
        if token == ":":
            key = before
        level += (token in {"{", "["}) - (token in {"}", "]"})
        before = token
    if len(found) < 2:
        return None
    try:
        number: Json = json.loads(found['"id"'])
    except ValueError:
        return None
    return number if isinstance(number, str | int) and not isinstance(number, bool) else None
