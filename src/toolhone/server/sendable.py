"""Answers that can be written to a client: JSON-RPC is UTF-8, and half a surrogate pair has none."""

from typing import TypeVar, cast

from mcp import types

from toolhone.json_values import well_formed
from toolhone.models import Json, JsonObject

Answer = TypeVar("Answer", types.CallToolResult, types.ReadResourceResult, types.ListToolsResult)


def sendable(answer: Answer) -> Answer:
    """The answer itself, or with U+FFFD where half a surrogate pair stands: the SDK would die of it.

    A tool can send such a half as an escape in its JSON.
    """
    try:
        answer.model_dump_json(by_alias=True)
    except ValueError:
        fields: Json = answer.model_dump(by_alias=True, exclude_none=True)
        return type(answer).model_validate(_whole(fields))
    return answer


def _whole(value: Json) -> Json:
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, dict):
        return {_whole(key): _whole(part) for key, part in cast("JsonObject", value).items()}
    if isinstance(value, list):
        return [_whole(part) for part in cast("list[Json]", value)]
    return value
