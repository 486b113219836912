"""Which rows of the audit are about somebody who is to be erased. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from toolhone.json_values import is_object
from toolhone.models import EventKind, Json, JsonObject
from toolhone.snapshots.anonymity import names_a_person

SHORTEST_IN_TEXT = 4
"""Characters. A shorter name, such as `42`, is only looked for as a whole value where it must be a name:
inside of texts it would be found in what has nothing to do with it."""


@dataclass(frozen=True)
class Mentions:
    """Finds rows that somebody caused, or whose payload mentions them.

    A name is mentioned where it stands as a word in a text or a key, or as a whole value, text or number,
    under a key that names an agent or a person.
    """

    names: frozenset[str]
    """The name that was given, and the one under which it is kept."""
    persons: bool
    """It is a user, not an agent: then keys that name a person tell of it too."""

    def __post_init__(self) -> None:
        in_text = [re.escape(name) for name in self.names if len(name) >= SHORTEST_IN_TEXT]
        pattern = rf"(?<![\w-])(?:{'|'.join(in_text)})(?![\w-])" if in_text else r"(?!)"
        object.__setattr__(self, "_pattern", re.compile(pattern))

    def may_be_erased(self, row: JsonObject) -> bool:
        """Whether the row, in the export form, has a payload that is about them."""
        # An erasure says what was erased; it holds nothing else, and stays.
        if row["erased"] or row["kind"] == EventKind.ERASURE:
            return False
        if row["user_id"] in self.names or row["client"] in self.names:
            return True
        return any(
            self._is_in(row[part], under=part) for part in ("parameters", "result", "details", "error")
        )

    def _is_in(self, value: Json, under: str) -> bool:
        waiting: list[tuple[str, Json]] = [(under, value)]
        while waiting:
            key, item = waiting.pop()
            if isinstance(item, str):
                if self._in_text(item) or (item in self.names and self._tells(key)):
                    return True
            elif is_object(item):
                for name, below in item.items():
                    if self._in_text(name):
                        return True
                    waiting.append((name, below))
            elif isinstance(item, list):
                waiting += [(key, below) for below in cast("list[Json]", item)]
            elif item is not None and str(item) in self.names and self._tells(key):
                return True
        return False

    def _in_text(self, text: str) -> bool:
        pattern: re.Pattern[str] = getattr(self, "_pattern")  # noqa: B009
        return pattern.search(text) is not None

    def _tells(self, key: str) -> bool:
        return names_a_person(key) if self.persons else key in {"agent", "agent_id", "agent_ids", "agentId"}


def mentioned_words(text: str) -> Iterator[str]:
    yield from text.split()
