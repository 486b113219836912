"""What a held-out row asks of a model, turn by turn, and what is read from an answer. Pure.

A row ends with an assistant's answer, which may take several turns: calls of tools, their results, a last
word. Each of the assistant's turns after the last request is asked for by itself, with what really came
before it, so that a model is judged by its calls and by its last word, and not by how one wrong turn
derails the next. The score of a row is the mean over its turns.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from toolhone.exceptions import InvalidRequestError
from toolhone.json_values import is_array, is_object, parse_json
from toolhone.models import Json, JsonObject
from toolhone.records.datasets import Row

DEEPEST = 100
"""Levels of JSON; what is nested deeper is taken as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One turn that a model is asked for, and the right answer."""

    key: str
    """The row's id, with the number of the turn behind it if the row has several."""
    row_id: str
    asked: tuple[JsonObject, ...]
    expected: JsonObject
    tools: tuple[JsonObject, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolUse:
    """One call of a tool, as an answer asks for it."""

    name: str
    arguments: Json
    """The value of the JSON text; the text itself if it is no JSON."""


def exchanges(row: Row) -> tuple[Exchange, ...]:
    """The turns of a row's answer; those of weight 0 are left out, since nobody should learn them.

    Raises:
        InvalidRequestError: The row has no answer, or nothing before it.
    """
    last = max((at for at, message in enumerate(row.messages) if message.get("role") == "user"), default=-1)
    turns = [
        at
        for at, message in enumerate(row.messages)
        if at > last and at > 0 and message.get("role") == "assistant" and message.get("weight", 1) != 0
    ]
    if not turns:
        raise InvalidRequestError(
            f"The row {row.row_id!r} has no answer of an assistant after what was asked, so there is nothing "
            "to compare an answer with. Prepare the dataset anew."
        )
    return tuple(
        Exchange(
            key=row.row_id if len(turns) == 1 else f"{row.row_id}#{number}",
            row_id=row.row_id,
            asked=row.messages[:at],
            expected=row.messages[at],
            tools=row.tools,
        )
        for number, at in enumerate(turns, 1)
    )


def all_exchanges(rows: Iterable[Row]) -> Iterator[Exchange]:
    """The turns of all rows, in order."""
    for row in rows:
        yield from exchanges(row)


def text_of(message: JsonObject) -> str:
    """The text of a message, whether it stands alone or in parts."""
    content: Json = message.get("content")
    if isinstance(content, str):
        return content
    if not is_array(content):
        return ""
    texts: list[Json] = [part.get("text") for part in content if is_object(part)]
    return "".join(text for text in texts if isinstance(text, str))


def calls_of(message: JsonObject) -> tuple[ToolUse, ...]:
    """The calls of tools that a message asks for; an entry that is none has the name ''."""
    calls: Json = message.get("tool_calls")
    if not is_array(calls):
        return ()
    return tuple(_call(call) for call in calls)


def json_of(text: str) -> tuple[bool, Json]:
    """Whether the whole text is JSON that can be compared, and its value."""
    try:
        value = parse_json(text)
    except ValueError:
        return False, None
    return (True, value) if _is_shallow(value) else (False, None)


def median_words(messages: Sequence[JsonObject]) -> int:
    """How many words the texts have, in the middle."""
    counts = sorted(len(text_of(message).split()) for message in messages)
    return counts[len(counts) // 2] if counts else 0


def _call(call: Json) -> ToolUse:
    function: Json = call.get("function") if is_object(call) else None
    if not is_object(function):
        return ToolUse("", None)
    name: Json = function.get("name")
    arguments: Json = function.get("arguments")
    if isinstance(arguments, str):
        # A tool without parameters is called with an empty text by some models and with {} by others.
        found, value = json_of(arguments or "{}")
        arguments = value if found else arguments
    elif not _is_shallow(arguments):
        return ToolUse("", None)
    return ToolUse(name if isinstance(name, str) else "", {} if arguments is None else arguments)


def _is_shallow(value: Json) -> bool:
    """Whether it can be gone through by recursion: a model that loses its way writes '[[[[[' without end."""
    level: list[Json] = [value]
    for _ in range(DEEPEST):
        level = [
            item
            for node in level
            for item in (node.values() if is_object(node) else node if is_array(node) else ())
        ]
        if not level:
            return True
    return False
