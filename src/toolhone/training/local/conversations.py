"""Reads the rows of a dataset as conversations, in the form that chat templates take. Pure."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from toolhone.exceptions import InvalidRequestError
from toolhone.json_values import is_array, is_object, parse_json, well_formed_json
from toolhone.models import Json, JsonObject
from toolhone.records.row_json import read_lines, row_from


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What was said, the tools that were at hand, and which of the assistant's turns are to be learned."""

    row_id: str
    messages: tuple[JsonObject, ...]
    tools: tuple[JsonObject, ...] = ()
    targets: frozenset[int] = frozenset()
    """Places in `messages`: the assistant's turns but those with `weight` 0."""


def read_conversations(file: Path) -> list[Conversation]:
    """All rows of a part of a dataset.

    Raises:
        InvalidRequestError: A line is not a row; the message says which and why.
    """
    try:
        with file.open("rb") as lines:
            return [conversation(row.row_id, row.messages, row.tools) for row in read_lines(lines, row_from)]
    except ValueError as exc:
        raise InvalidRequestError(
            f"{str(file)!r} is not a file of rows to learn from: {exc}. Prepare the dataset anew."
        ) from exc


def conversation(row_id: str, messages: Sequence[JsonObject], tools: Sequence[JsonObject]) -> Conversation:
    """One row, given as in OpenAI's chat API."""
    return Conversation(
        row_id=row_id,
        messages=tuple(for_template(messages)),
        tools=tuple(tools),
        targets=frozenset(
            place
            for place, message in enumerate(messages)
            if message.get("role") == "assistant" and message.get("weight") != 0
        ),
    )


def for_template(messages: Sequence[JsonObject]) -> list[JsonObject]:
    """Messages of OpenAI's chat API as chat templates expect them.

    Arguments become objects, content becomes a text (templates would write `None`), a tool's message gets the
    name of the tool, which some templates need, and what no template knows (`weight`) goes.
    """
    called: dict[str, str] = {}
    ready: list[JsonObject] = []
    for message in messages:
        plain: JsonObject = {"role": message.get("role"), "content": _text(message.get("content"))}
        calls = _objects(message.get("tool_calls"))
        if calls:
            plain["tool_calls"] = cast("Json", [_call(call) for call in calls])
            for call in calls:
                function = call.get("function")
                if is_object(function):
                    called[str(call.get("id"))] = str(function.get("name"))
        if message.get("role") == "tool":
            answered = str(message.get("tool_call_id"))
            plain["tool_call_id"] = answered
            name = message.get("name") or called.get(answered)
            if name is not None:
                plain["name"] = name
        ready.append(plain)
    return ready


def _call(call: JsonObject) -> JsonObject:
    function = call.get("function")
    inner: JsonObject = dict(function) if is_object(function) else {}
    arguments = inner.get("arguments")
    if isinstance(arguments, str):
        # A recorded call may be malformed; the text is then all there is to learn from.
        with suppress(ValueError):
            inner["arguments"] = parse_json(well_formed_json(arguments.strip() or "{}"))
    return {"type": "function", "id": call.get("id"), "function": inner}


def _text(content: Json) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if is_array(content):
        parts = [part.get("text") for part in content if is_object(part)]
        if len(parts) == len(content) and all(isinstance(part, str) for part in parts):
            return "".join(str(part) for part in parts)
    return json.dumps(content, ensure_ascii=False)


def _objects(value: Json) -> tuple[JsonObject, ...]:
    return tuple(one for one in value if is_object(one)) if is_array(value) else ()
