"""Calls in the words of the code that gave the idea: `function` or `name`, `arguments` or `params`. Pure."""

from collections.abc import Mapping

from toolhone.models import Json, JsonObject

_OURS = ("id", "fields", "limit", "grep")
"""What our own form of a call may say beside the tool and its arguments."""


def as_call(call: Mapping[str, Json]) -> JsonObject:
    """The call as the executor reads it; OpenAI's form and our own go through as they are."""
    if "tool" in call or isinstance(call.get("function"), Mapping):
        return dict(call)
    return {
        **{key: call[key] for key in _OURS if key in call},
        "tool": call.get("function", call.get("name")),
        "arguments": call.get("arguments", call.get("params", {})),
    }
