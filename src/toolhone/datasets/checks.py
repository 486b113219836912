"""What a provider refuses of a training file, found before anything is sent. Pure but for reading files.

The rules are those of OpenAI's fine-tuning API, which Azure and others speak, and those of Amazon Bedrock
for Anthropic's models, as documented in August and November 2026. A service may know more of them.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolhone.json_values import is_array, is_object, minified, parse_json
from toolhone.models import Json, JsonObject

LEAST_ROWS = 10
FEW_ROWS = 50
"""Fewer are taken, but a gain is seen from here on, the provider says."""
MOST_TOKENS = 65_536
MOST_BYTES = 512 * 1024 * 1024
MOST_TOOLS = 128
BOM = b"\xef\xbb\xbf"

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a training file that a provider refuses, or that a person should know."""

    message: str
    line: int | None = None
    """Counted from 1; `None` if it is about the whole file."""
    fatal: bool = True
    """The provider refuses the file for it."""
    file: str = ""

    def __str__(self) -> str:
        place = ", ".join(part for part in (self.file, f"line {self.line}" if self.line else "") if part)
        return f"{place}: {self.message}" if place else self.message


Count = Callable[[str], int]


def check_chat(
    path: Path, *, count_tokens: Count, bom: bool = False, least: int = LEAST_ROWS
) -> list[Problem]:
    """What OpenAI's API would refuse of a file for supervised fine-tuning.

    Args:
        bom: The service wants the file to begin with a byte order mark (Azure).
        least: Rows; a validation file may have fewer than a training file.
    """
    with path.open("rb") as file:
        return check_chat_lines(file, count_tokens=count_tokens, bom=bom, least=least)


def check_chat_lines(
    lines: Iterable[bytes], *, count_tokens: Count, bom: bool = False, least: int = LEAST_ROWS
) -> list[Problem]:
    """The same of lines that are in no file."""
    return _checked(lines, _chat_problems, count_tokens, bom=bom, least=least)


def check_dpo(
    path: Path, *, count_tokens: Count, bom: bool = False, least: int = LEAST_ROWS
) -> list[Problem]:
    """What it would refuse of a file of preference pairs."""
    with path.open("rb") as file:
        return _checked(file, _dpo_problems, count_tokens, bom=bom, least=least)


def check_bedrock(path: Path, *, count_tokens: Count, least: int = 32) -> list[Problem]:
    """What Amazon Bedrock would refuse of a file for an Anthropic model.

    Args:
        least: Rows. Bedrock has wanted 32; its quotas are per account and region.
    """
    with path.open("rb") as file:
        return _checked(file, _bedrock_problems, count_tokens, bom=False, least=least, most_tokens=32_000)


def _checked(
    lines: Iterable[bytes],
    problems_of: Callable[[JsonObject], Iterator[str]],
    count_tokens: Count,
    *,
    bom: bool,
    least: int,
    most_tokens: int = MOST_TOKENS,
) -> list[Problem]:
    found: list[Problem] = []
    rows = size = 0
    for number, text in enumerate(lines, 1):
        size += len(text)
        if number == 1:
            begins = text.startswith(BOM)
            if bom and not begins:
                found.append(Problem("the file must begin with a byte order mark", 1))
            elif begins and not bom:
                found.append(Problem("the file begins with a byte order mark", 1))
            text = text.removeprefix(BOM)
        rows += 1
        try:
            row: Json = parse_json(text.decode())
        except ValueError as exc:
            found.append(Problem(f"it is not JSON ({exc})", number))
            continue
        if not is_object(row):
            found.append(Problem("it is not an object", number))
            continue
        found += [Problem(message, number) for message in problems_of(row)]
        # A token is at least a byte.
        if len(text) > most_tokens and (tokens := count_tokens(text.decode())) > most_tokens:
            found.append(Problem(f"it has {tokens:,} tokens; {most_tokens:,} are the most", number))
    if size >= MOST_BYTES:
        found.append(Problem(f"the file has {size:,} bytes; it must have fewer than {MOST_BYTES:,}"))
    if rows < least:
        found.append(Problem(f"the file has {rows} rows; {least} are the least"))
    elif rows < FEW_ROWS and least > 1:
        found.append(
            Problem(f"the file has only {rows} rows; a gain is seen from about {FEW_ROWS} on", fatal=False)
        )
    return found


def _chat_problems(row: JsonObject) -> Iterator[str]:
    yield from _unknown_keys(row, {"messages", "tools", "parallel_tool_calls"})
    messages: Json = row.get("messages")
    if not is_array(messages) or not messages:
        yield "it has no 'messages'"
        return
    if "parallel_tool_calls" in row and not row.get("tools"):
        yield "'parallel_tool_calls' stands without 'tools'"
    yield from _message_problems(messages, row.get("tools"))
    last: Json = messages[-1]
    if not is_object(last) or last.get("role") != "assistant":
        yield "the last message is not the assistant's"
    elif not any(_is_trained(message) for message in messages):
        yield "no message of the assistant has a weight of 1"


def _dpo_problems(row: JsonObject) -> Iterator[str]:
    yield from _unknown_keys(row, {"input", "preferred_output", "non_preferred_output"})
    given: Json = row.get("input")
    messages: Json = given.get("messages") if is_object(given) else None
    if not is_object(given) or not is_array(messages) or not messages:
        yield "'input' has no 'messages'"
        return
    yield from _unknown_keys(given, {"messages", "tools", "parallel_tool_calls"})
    yield from _message_problems(messages, given.get("tools"))
    answers: list[str] = []
    for name in ("preferred_output", "non_preferred_output"):
        output: Json = row.get(name)
        if not is_array(output) or not output:
            yield f"'{name}' has no messages"
            continue
        if any(
            not is_object(message) or message.get("role") not in {"assistant", "tool"} for message in output
        ):
            yield f"'{name}' has a message that is neither the assistant's nor a tool's"
        elif output[-1]["role"] != "assistant":
            yield f"'{name}' does not end with the assistant"
        else:
            yield from _message_problems([*messages, *output], given.get("tools"), begin=len(messages))
        answers.append(minified(output))
    if len(answers) == 2 and answers[0] == answers[1]:
        yield "both outputs are the same"


def _bedrock_problems(row: JsonObject) -> Iterator[str]:
    yield from _unknown_keys(row, {"system", "messages"})
    if "system" in row and (not isinstance(row["system"], str) or not row["system"]):
        yield "'system' is no text"
    messages: Json = row.get("messages")
    if not is_array(messages) or len(messages) < 2:
        yield "it has fewer than two 'messages'"
        return
    for place, message in enumerate(messages):
        expected = ("user", "assistant")[place % 2]
        if not is_object(message) or message.keys() != {"role", "content"}:
            yield f"message {place + 1} has other keys than 'role' and 'content'"
        elif message["role"] != expected:
            yield f"message {place + 1} must be of the {expected}: they alternate, and the user begins"
        elif not isinstance(message["content"], str) or not message["content"].strip():
            yield f"message {place + 1} is empty"
    if len(messages) % 2:
        yield "the last message is not the assistant's"


def _unknown_keys(value: JsonObject, known: set[str]) -> Iterator[str]:
    for name in value.keys() - known:
        yield f"{name!r} is not a key of this format"


def _message_problems(messages: Sequence[Json], tools: Json, *, begin: int = 0) -> Iterator[str]:
    """Problems of messages from a place on; what stands before counts for calls and their results."""
    offered: set[str] = set()
    if tools is not None:
        offered = _names(tools)
        if begin == 0:
            yield from _tool_problems(tools)
    waiting: set[str] = set()
    for place, message in enumerate(messages):
        where = f"message {place + 1}"
        if not is_object(message) or message.get("role") not in _ROLES:
            if place >= begin:
                yield f"{where} has no known role"
            continue
        if message["role"] == "tool":
            answered: Json = message.get("tool_call_id")
            if answered in waiting:
                waiting.discard(answered)
            elif place >= begin:
                yield f"{where} answers the call {answered!r}, which nobody made"
        elif waiting and place >= begin:
            yield f"{where} comes before the results of the calls {sorted(waiting)}"
            waiting.clear()
        problems = list(_problems_of(message, where, offered, waiting))
        if place >= begin:
            yield from problems


def _problems_of(message: JsonObject, where: str, offered: set[str], waiting: set[str]) -> Iterator[str]:
    assistant = message["role"] == "assistant"
    content: Json = message.get("content")
    calls: Json = message.get("tool_calls")
    if "weight" in message and not assistant:
        yield f"{where} has a 'weight', which only the assistant's may have"
    elif "weight" in message and message["weight"] not in (0, 1):
        yield f"{where} has the weight {message['weight']!r}; it is 0 or 1"
    if "tool_calls" in message and not assistant:
        yield f"{where} calls tools, which only the assistant's may do"
    if not isinstance(content, str) and not (assistant and calls and content is None):
        yield f"{where} has no content"
    elif assistant and not calls and not str(content).strip():
        yield f"{where} is empty"
    if not is_array(calls):
        return
    for call in calls:
        function: Json = call.get("function") if is_object(call) else None
        name: Json = function.get("name") if is_object(function) else None
        if not is_object(call) or not is_object(function) or not isinstance(name, str):
            yield f"{where} has a malformed tool call"
            continue
        if not isinstance(call.get("id"), str) or not call["id"]:
            yield f"{where} has a call of {name!r} without an id"
        else:
            waiting.add(call["id"])
        if name not in offered:
            yield f"{where} calls {name!r}, which is not among its tools"
        arguments: Json = function.get("arguments")
        try:
            parsed: Json = parse_json(arguments) if isinstance(arguments, str) else None
        except ValueError:
            parsed = None
        if not is_object(parsed):
            yield f"{where} calls {name!r} with arguments that are no JSON object in a string"


def _tool_problems(tools: Json) -> Iterator[str]:
    if not is_array(tools) or not tools:
        yield "'tools' is no list of tools"
        return
    if len(tools) > MOST_TOOLS:
        yield f"it has {len(tools)} tools; {MOST_TOOLS} are the most"
    for place, tool in enumerate(tools, 1):
        function: Json = tool.get("function") if is_object(tool) else None
        if not is_object(tool) or tool.get("type") != "function" or not is_object(function):
            yield f"tool {place} is no function"
            continue
        name: Json = function.get("name")
        if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
            yield f"tool {place} has the name {name!r}; letters, digits, '_' and '-' make one, 64 at most"
        if not is_object(function.get("parameters", {})):
            yield f"tool {name!r} has parameters that are no schema"


def _names(tools: Json) -> set[str]:
    if not is_array(tools):
        return set()
    functions = [tool.get("function") for tool in tools if is_object(tool)]
    return {function["name"] for function in functions if is_object(function) and "name" in function}


def _is_trained(message: Json) -> bool:
    return is_object(message) and message.get("role") == "assistant" and message.get("weight", 1) != 0
