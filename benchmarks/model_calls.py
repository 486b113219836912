"""One request to a model that is shown tools as text: the prompt, the answer over HTTP, and its judgement."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import cast

import httpx2
from jsonschema import Draft202012Validator

from toolhone.models import Json, JsonObject

INSTRUCTIONS = """\
You call tools. Answer with the one call that does what the user asks, as a JSON object and nothing else:
{"tool": NAME, "arguments": {...}}

These are the tools:

"""


class EndpointFailedError(Exception):
    """The endpoint gave no answer that can be judged."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of one request."""

    valid: bool
    """A call of an offered tool, with arguments that its schema accepts."""
    right_tool: bool
    """It names the labelled tool, whatever the arguments."""

    @property
    def right(self) -> bool:
        return self.valid and self.right_tool


def ask(
    client: httpx2.Client,
    model: str,
    shown: str,
    request: str,
    *,
    answer_tokens: int,
    only: Sequence[str] | None = None,
) -> str:
    """The text that the model answers, at temperature 0.

    Args:
        only: Names; the endpoint lets the model write nothing but an object with one of them as `tool`.

    Raises:
        EndpointFailedError: It cannot be reached, or answers something else than a chat completion.
    """
    asked: JsonObject = {
        "model": model,
        "messages": [
            {"role": "system", "content": INSTRUCTIONS + shown},
            {"role": "user", "content": request},
        ],
        "temperature": 0,
        "max_tokens": answer_tokens,
    }
    if only is not None:
        schema: JsonObject = {
            "type": "object",
            "properties": {"tool": {"enum": list(only)}, "arguments": {"type": "object"}},
            "required": ["tool", "arguments"],
            "additionalProperties": False,
        }
        asked["response_format"] = {"type": "json_schema", "json_schema": {"name": "call", "schema": schema}}
    try:
        response = client.post("chat/completions", json=asked)
        response.raise_for_status()
        answer: Json = response.json()
        return answer["choices"][0]["message"].get("content") or ""
    except (httpx2.HTTPError, ValueError, LookupError, TypeError) as error:
        raise EndpointFailedError(f"{client.base_url} did not answer: {error!r}") from error


def judged(answer: str, offered: Sequence[JsonObject], gold: Collection[str]) -> Judgement:
    call = first_object(answer)
    name = call.get("tool")
    tool = next((tool for tool in offered if tool["name"] == name), None)
    if tool is None:
        return Judgement(valid=False, right_tool=False)
    validator: Json = Draft202012Validator(tool["inputSchema"])
    accepted = "arguments" in call and validator.is_valid(call["arguments"])
    return Judgement(valid=accepted, right_tool=name in gold)


def first_object(text: str) -> JsonObject:
    """The first JSON object in a text, whatever is said around it; empty if there is none."""
    decoder = json.JSONDecoder()
    start = text.find("{")
    while start >= 0:
        try:
            value: Json = decoder.raw_decode(text, start)[0]
            return cast("JsonObject", value)
        except (ValueError, RecursionError):
            start = text.find("{", start + 1)
    return {}
