"""What rows are compared by: the words of a request, the words or data of an answer. Pure.

System messages and tools are left out: all rows of an agent share them, and everything would look alike.
"""

import unicodedata
from collections.abc import Sequence
from hashlib import blake2b

from toolhone.datasets.chat import answer_begins
from toolhone.json_values import encoded, is_array, is_object, parse_json
from toolhone.models import Json, JsonObject, canonical_json

SYSTEM = frozenset({"system", "developer"})


def digest(text: str) -> bytes:
    """What a text is known by: 128 bits are enough for as many rows as there will ever be."""
    return blake2b(encoded(text), digest_size=16).digest()


def request_text(messages: Sequence[JsonObject]) -> str:
    """All that was said before the answer, without difference of case, space and the spelling of accents."""
    return _text(messages[: answer_begins(messages)])


def answer_text(messages: Sequence[JsonObject]) -> str:
    """All turns of the answer, likewise."""
    return _text(messages[answer_begins(messages) :])


def exact_answer(messages: Sequence[JsonObject]) -> str | None:
    """The answer in one spelling, if it is data: calls of tools, or JSON.

    Data is the same only if it is equal: one changed figure is another answer.
    """
    answer = messages[answer_begins(messages) :]
    if any(message.get("tool_calls") for message in answer):
        return canonical_json(
            [
                [message["role"], message.get("content"), [_exact_call(call) for call in _calls(message)]]
                for message in answer
            ]
        )
    parsed = _structure(answer[-1].get("content"))
    return None if parsed is None else canonical_json(parsed)


def conversation_digests(messages: Sequence[JsonObject]) -> list[bytes]:
    """What the conversation is known by after each of the assistant's turns, the last one last.

    A row whose last digest is among the earlier ones of another is an earlier part of that conversation.
    """
    so_far = blake2b(digest_size=16)
    digests: list[bytes] = []
    for message in messages:
        if message["role"] in SYSTEM:
            continue
        so_far.update(encoded(f"{message['role']}\n{_words(_spoken(message))}\n"))
        if message["role"] == "assistant":
            digests.append(so_far.copy().digest())
    return digests


def _text(messages: Sequence[JsonObject]) -> str:
    return _words("\n".join(_spoken(message) for message in messages if message["role"] not in SYSTEM))


def _words(text: str) -> str:
    # One spelling of an accent, as of a capital: else the same request would be trained on and tested with.
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _spoken(message: JsonObject) -> str:
    said = [message.get("content") or ""]
    said += [f"{call['function']['name']} {call['function']['arguments']}" for call in _calls(message)]
    return "\n".join(said)


def _calls(message: JsonObject) -> list[JsonObject]:
    return message.get("tool_calls") or []


def _exact_call(call: JsonObject) -> list[Json]:
    return [call["function"]["name"], parse_json(call["function"]["arguments"])]


def _structure(content: Json) -> Json:
    """The object or array that a text spells; `None` if it spells none."""
    if not isinstance(content, str) or content.lstrip()[:1] not in {"{", "["}:
        return None
    try:
        parsed = parse_json(content)
    except ValueError:
        return None
    return parsed if is_object(parsed) or is_array(parsed) else None
