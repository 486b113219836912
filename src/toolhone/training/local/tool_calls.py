"""Reads tool calls out of what a model wrote. Pure.

The form is `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, which Qwen, Hermes and many others write.
What is not of this form stays content: a call that cannot be read is a wrong answer, not an error.
"""

import json
import re
from typing import cast

from toolhone.json_values import is_object, minified, parse_json
from toolhone.models import Json, JsonObject

_CALL = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)
_THOUGHT = re.compile(r"\A\s*<think>.*?</think>\s*", re.DOTALL)


def read_answer(text: str) -> JsonObject:
    """The assistant's message in the form of OpenAI's chat API. Thoughts before the answer are left out."""
    text = _THOUGHT.sub("", text)
    calls: list[JsonObject] = []
    for written in _CALL.findall(text):
        call = _call(str(written), len(calls) + 1)
        if call is None:
            return {"role": "assistant", "content": text.strip()}
        calls.append(call)
    if not calls:
        return {"role": "assistant", "content": text.strip()}
    content = _CALL.sub("", text).strip()
    return {"role": "assistant", "content": content or None, "tool_calls": cast("Json", calls)}


def _call(written: str, number: int) -> JsonObject | None:
    try:
        call = parse_json(written)
    except ValueError:
        return None
    if not is_object(call) or not isinstance(call.get("name"), str):
        return None
    arguments = call.get("arguments", call.get("parameters", {}))
    text = arguments if isinstance(arguments, str) else minified(arguments)
    try:
        json.loads(text)
    except ValueError:
        return None
    return {
        "id": f"call_{number}",
        "type": "function",
        "function": {"name": call["name"], "arguments": text},
    }
