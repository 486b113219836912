"""Answers lines that no message can be read from: unanswered, their client would wait until it gives up.

Over HTTP the SDK answers them itself. Over stdio it drops every line that is no message.
"""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeGuard

import pydantic_core
from mcp.shared.message import SessionMessage
from mcp_types import INVALID_REQUEST, PARSE_ERROR, ErrorData, JSONRPCError, jsonrpc_message_adapter
from pydantic import ValidationError

from toolhone.json_values import encoded, is_array, is_object
from toolhone.models import Json
from toolhone.server.numbers import impossible_number

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[{}\[\]:,]|[^\s"{}\[\]:,]++', re.DOTALL)
"""A string, whether it ends or not, a mark, or a word. It never looks at a character twice: it reads what
strangers send."""


class ReadableLines:
    """The lines of a client, without those that are answered here."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.answer: Callable[[SessionMessage], Awaitable[None]] | None = None
        """How the client is answered; until it is set, every line is passed on."""

    def __aiter__(self) -> "ReadableLines":
        return self

    async def __anext__(self) -> str:
        while True:
            line = await anext(self._lines)
            if self.answer is None or (error := fault(line)) is None:
                return line
            await self.answer(SessionMessage(error))


def fault(line: str) -> JSONRPCError | None:
    """What a line is answered with that is no message; `None` if it is one, or is blank.

    An answer that is not valid gets none either: under its id the client may wait for something else.
    """
    if (number := impossible_number(encoded(line))) is not None:
        return _error(PARSE_ERROR, not_carried(number), request_id(line))
    try:
        message: Json = pydantic_core.from_json(line)
    except ValueError as exc:
        return _error(PARSE_ERROR, _why(exc), request_id(line)) if line.strip() else None
    try:
        jsonrpc_message_adapter.validate_python(message, by_name=False)
    except ValidationError:
        return _invalid(message)
    return None


def not_carried(number: str) -> str:
    """What is said of a number that JSON cannot carry."""
    return f"{number} is not a finite number (of 64 bits). Send one that is, or null, or a string."


def _why(error: ValueError) -> str:
    if "recursion" in str(error):
        return "The message nests too deep. Send something flatter."
    return f"The line is not JSON: {error}. Send each message as JSON on one line."


def _invalid(message: Json) -> JSONRPCError | None:
    if is_array(message):
        told = "Batches are not taken. Send each message on a line of its own."
        return _error(INVALID_REQUEST, told, None)
    number: Json = None
    if is_object(message):
        if "method" not in message and ("result" in message or "error" in message):
            return None
        number = message.get("id")
    told = (
        'This is no message of JSON-RPC. A request is an object with "jsonrpc": "2.0", an id that is a '
        "string or an integer, a method, and params, if any, that are an object."
    )
    return _error(INVALID_REQUEST, told, number if _is_id(number) else None)


def _error(code: int, told: str, number: str | int | None) -> JSONRPCError:
    return JSONRPCError(jsonrpc="2.0", id=number, error=ErrorData(code=code, message=told))


def _is_id(value: Json) -> TypeGuard[str | int]:
    return isinstance(value, str | int) and not isinstance(value, bool)


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
    return number if _is_id(number) else None
