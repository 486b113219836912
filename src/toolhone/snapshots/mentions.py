"""Which rows of the audit are about somebody who is to be erased. Pure."""

import re
from collections.abc import Callable
from typing import cast

from toolhone.json_values import is_object
from toolhone.models import EventKind, Json, JsonObject
from toolhone.snapshots.anonymity import names_a_person

SHORTEST_IN_TEXT = 4
"""Characters. A shorter name of a user, such as `42`, counts only as a whole value under a telling key:
inside of texts it would be found in what has nothing to do with the user."""

_PAYLOAD = ("parameters", "result", "details", "error")
_AGENT_KEYS = frozenset({"agent", "agent_id", "agent_ids", "agentId"})


def about_agent(agent_id: str, kept_id: str) -> Callable[[JsonObject], bool]:
    """A test for rows, in the export form, that an agent caused or that name it as an agent.

    Not for its id in texts: an agent may be called like a product that everybody talks about.
    """
    return _test(frozenset({agent_id, kept_id}), _AGENT_KEYS.__contains__, None)


def about_user(user_id: str, subject: str) -> Callable[[JsonObject], bool]:
    """A test for rows, in the export form, that a user caused or that mention them.

    They are mentioned where their id or its keyed hash stands as a word in a text or a key, or as a whole
    value, text or number, under a key that names a person.
    """
    names = frozenset({user_id, subject})
    words = "|".join(re.escape(name) for name in names if len(name) >= SHORTEST_IN_TEXT)
    return _test(names, names_a_person, re.compile(rf"(?<![\w-])(?:{words})(?![\w-])"))


def _test(
    names: frozenset[str], telling: Callable[[str], bool], words: re.Pattern[str] | None
) -> Callable[[JsonObject], bool]:
    def in_text(text: str) -> bool:
        return words is not None and words.search(text) is not None

    def in_value(key: str, value: Json) -> bool:
        waiting: list[tuple[str, Json]] = [(key, value)]
        while waiting:
            key, item = waiting.pop()
            if is_object(item):
                if any(in_text(name) for name in item):
                    return True
                waiting += item.items()
            elif isinstance(item, list):
                waiting += [(key, below) for below in cast("list[Json]", item)]
            elif item is not None and (in_text(str(item)) or (str(item) in names and telling(key))):
                return True
        return False

    def test(row: JsonObject) -> bool:
        # An erasure says who and what was erased, and nothing else. It stays.
        if row["erased"] or row["kind"] == EventKind.ERASURE:
            return False
        if row["user_id"] in names or row["client"] in names:
            return True
        return any(in_value(part, row[part]) for part in _PAYLOAD)

    return test
