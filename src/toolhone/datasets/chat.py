"""A snapshot as a chat that ends with the assistant's answer. Pure.

What an agent was given becomes a chat so:

- an object with `messages` is a chat already, with its `tools`;
- a string, or an object whose only value is a string under `text`, `prompt`, `query`, `question` or `task`,
  is what the user said, word for word;
- anything else is what the user said, as minified JSON.

What it answered: an object with `messages`, or with `content` or `tool_calls`, is its turns; a string is its
words; anything else is its words as minified JSON, keys and all, because then JSON is what it must answer.
Calls of tools are brought into one form: an id, and arguments as JSON text.
"""

from collections.abc import Sequence

from toolhone.json_values import is_array, is_object, minified, parse_json, well_formed_json
from toolhone.models import Json, JsonObject
from toolhone.records.datasets import Row
from toolhone.records.snapshots import Snapshot

SAID_UNDER = frozenset({"text", "prompt", "query", "question", "task"})
ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})


class NotAChat(ValueError):
    """The snapshot cannot be a row; the message is the reason, as dropped rows are counted by it."""


def row_of(snapshot: Snapshot) -> Row:
    """The snapshot as a row that is in no group yet.

    Raises:
        NotAChat: It cannot be one.
    """
    asked, tools = _request(snapshot)
    answer = _answer(snapshot.output_data)
    messages = _with_ids([*asked, *answer])
    _check_calls(messages, tools)
    return Row(
        row_id=snapshot.snapshot_id,
        group="",
        task_type=snapshot.task_type,
        messages=tuple(messages),
        tools=tuple(tools),
        score=snapshot.performance_score,
        recorded_at=snapshot.recorded_at,
        execution_time_ms=snapshot.execution_time_ms,
        tokens_used=snapshot.tokens_used,
        task=_task(snapshot),
        tools_used=snapshot.tools_used,
        tools_offered=snapshot.tools_offered,
    )


def answer_begins(messages: Sequence[JsonObject]) -> int:
    """Where the answer of a row begins: at the first turn of the assistant that may be learned."""
    for at, message in enumerate(messages):
        if message["role"] == "assistant" and message.get("weight") != 0:
            return at
    return len(messages)


def _request(snapshot: Snapshot) -> tuple[list[JsonObject], list[JsonObject]]:
    given = snapshot.input_data
    if is_object(given) and "messages" in given:
        messages = _messages(given["messages"])
        if not any(message["role"] == "user" for message in messages):
            raise NotAChat("the chat has no message of a user")
        if messages[-1]["role"] not in {"user", "tool"}:
            raise NotAChat("the request ends with an answer")
        asked = [
            {**message, "weight": 0} if message["role"] == "assistant" else message for message in messages
        ]
        return asked, _tools(given.get("tools"))
    said = _said(given)
    if not said.strip():
        raise NotAChat("empty request")
    system = {"role": "system", "content": f"You are an agent for {snapshot.category.value} tasks."}
    return [system, {"role": "user", "content": said}], []


def _said(given: Json) -> str:
    if given is None or given == {} or given == []:
        return ""
    if isinstance(given, str):
        return given
    if is_object(given) and len(given) == 1:
        ((key, value),) = given.items()
        if key in SAID_UNDER and isinstance(value, str):
            return value
    return minified(given)


def _answer(given: Json) -> list[JsonObject]:
    if is_object(given) and "messages" in given:
        messages = _messages(given["messages"])
        if messages[-1]["role"] != "assistant":
            raise NotAChat("the answer does not end with the assistant")
        if any(message["role"] not in {"assistant", "tool"} for message in messages):
            raise NotAChat("the answer has a message of somebody else")
        if messages[0]["role"] != "assistant":
            raise NotAChat("the answer begins with a tool's result")
        if messages[-1].get("weight") == 0:
            raise NotAChat("the answer is marked as not to be learned")
        return messages
    if is_object(given) and ("content" in given or "tool_calls" in given) and _is_turn(given):
        return [_message({**given, "role": "assistant"})]
    if given is None or given in ("", [], {}):
        raise NotAChat("empty answer")
    said = given if isinstance(given, str) else minified(given)
    if not said.strip():
        raise NotAChat("empty answer")
    return [{"role": "assistant", "content": said}]


def _is_turn(given: JsonObject) -> bool:
    """An object with `content` may also be data of the agent's own: then it has other keys or kinds."""
    known = {"role", "content", "tool_calls", "refusal", "name"}
    content: Json = given.get("content")
    return given.keys() <= known and (content is None or isinstance(content, str) or is_array(content))


def _messages(given: Json) -> list[JsonObject]:
    if not is_array(given) or not given:
        raise NotAChat("the chat has no messages")
    return [_message(message) for message in given]


def _message(given: Json) -> JsonObject:
    role: Json = given.get("role") if is_object(given) else None
    if not isinstance(role, str) or role not in ROLES:
        raise NotAChat("a message without a known role")
    content = _content(given.get("content"))
    message: JsonObject = {"role": role, "content": content}
    if isinstance(given.get("name"), str) and role != "tool":
        message["name"] = given["name"]
    if role == "assistant":
        if given.get("tool_calls"):
            message["tool_calls"] = _calls(given["tool_calls"])
        elif not (content or "").strip():
            raise NotAChat("empty answer")
        if given.get("weight") == 0:
            message["weight"] = 0
    elif content is None:
        raise NotAChat("a message without content")
    if role == "tool":
        message["tool_call_id"] = str(given.get("tool_call_id") or "")
    return message


def _content(given: Json) -> str | None:
    if given is None or isinstance(given, str):
        return given
    if not is_array(given):
        raise NotAChat("a message whose content is no text")
    texts: list[str] = []
    for part in given:
        if not is_object(part) or not isinstance(part.get("text"), str):
            raise NotAChat("a message with something else than text")
        texts.append(part["text"])
    return "".join(texts)


def _calls(given: Json) -> list[JsonObject]:
    if not is_array(given):
        raise NotAChat("a malformed tool call")
    calls: list[JsonObject] = []
    for call in given:
        function: Json = call.get("function", call) if is_object(call) else None
        if not is_object(function) or not isinstance(function.get("name"), str) or not function["name"]:
            raise NotAChat("a malformed tool call")
        calls.append(
            {
                "id": str(call.get("id") or ""),
                "type": "function",
                "function": {"name": function["name"], "arguments": _arguments(function.get("arguments"))},
            }
        )
    return calls


def _arguments(given: Json) -> str:
    if given is None or given == "":
        return "{}"
    if is_object(given):
        return minified(given)
    try:
        parsed = parse_json(given) if isinstance(given, str) else None
    except ValueError:
        parsed = None
    if not is_object(parsed):
        raise NotAChat("a tool call whose arguments are no JSON object")
    return well_formed_json(given)


def _with_ids(messages: list[JsonObject]) -> list[JsonObject]:
    """Calls without an id get one, and results without one are those of the calls before them, in order."""
    made = 0
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if not message["tool_call_id"] and waiting:
                message["tool_call_id"] = waiting[0]
            if message["tool_call_id"] not in waiting:
                raise NotAChat("a tool's result without its call")
            waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            raise NotAChat("a tool call without its result")
        for call in message.get("tool_calls", ()):
            if not call["id"]:
                made += 1
                call["id"] = f"call_{made}"
            waiting.append(call["id"])
    return messages


def _tools(given: Json) -> list[JsonObject]:
    """Definitions in OpenAI's form; those of MCP are brought into it."""
    if given is None:
        return []
    if not is_array(given):
        raise NotAChat("tools that are no list")
    tools: list[JsonObject] = []
    for tool in given:
        function: Json = tool.get("function", tool) if is_object(tool) else None
        if not is_object(function) or not isinstance(function.get("name"), str):
            raise NotAChat("a tool without a name")
        parameters = function.get("parameters") or function.get("inputSchema") or function.get("input_schema")
        made: JsonObject = {"name": function["name"]}
        if isinstance(function.get("description"), str):
            made["description"] = function["description"]
        made["parameters"] = parameters if is_object(parameters) else {"type": "object", "properties": {}}
        if isinstance(function.get("strict"), bool):
            made["strict"] = function["strict"]
        tools.append({"type": "function", "function": made})
    return tools


def _check_calls(messages: list[JsonObject], tools: list[JsonObject]) -> None:
    offered = {tool["function"]["name"] for tool in tools}
    called = {call["function"]["name"] for message in messages for call in message.get("tool_calls", ())}
    if offered and not called <= offered:
        raise NotAChat("a call of a tool that was not offered")


def _task(snapshot: Snapshot) -> str | None:
    """In which words tools were asked for: as recorded, or else the last words of the user."""
    recorded: Json = snapshot.metadata.get("task")
    if isinstance(recorded, str) and recorded.strip():
        return recorded
    if not snapshot.tools_used:
        return None
    given = snapshot.input_data
    if is_object(given) and is_array(given.get("messages")):
        for message in reversed(given["messages"]):
            if is_object(message) and message.get("role") == "user":
                try:
                    return _content(message.get("content")) or None
                except NotAChat:
                    return None
        return None
    said = _said(given)
    return said if said and (isinstance(given, str) or said != minified(given)) else None
