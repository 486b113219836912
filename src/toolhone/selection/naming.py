"""Which tools a task calls by name.

A name of several words counts in any spelling of code: `get_weather`, `getWeather`, `get-weather`, with
its server (`github__create_issue`, `github.create_issue`) or behind a host's prefix
(`mcp__github__create_issue`). A name that is one ordinary word (`time`, `search`) is named only if it is
quoted, called (`search(...)`) or given with its server; otherwise "what time is it" would name a tool.
"""

import re
from collections.abc import Iterator, Sequence

from toolhone.models import ToolDefinition

_IDENTIFIER = re.compile(r"[A-Za-z0-9]+(?:[_\-./:]+[A-Za-z0-9]+)*")
_SEPARATOR = re.compile(r"__|[.:/]")
_HUMP = re.compile(r"[a-z0-9][A-Z]|[A-Z]{2}[a-z]")
# `(s)` behind a noun is grammar, not a call.
_CALL = re.compile(r"(?<![A-Za-z0-9_])([A-Za-z0-9_]{1,200})\((?!e?s\))")
_QUOTED = re.compile(
    r"`([^`\n]{1,200})`|\"([^\"\n]{1,200})\"|“([^”\n]{1,200})”|\u2018([^\u2019\n]{1,200})\u2019|«([^»\n]{1,200})»"
    r"|「([^」\n]{1,200})」|(?<![A-Za-z0-9])'([^'\n]{1,200})'(?![A-Za-z0-9])"
)

_LONGEST = 200
"""Longer runs of identifier characters are paths and data; only their end can be a name."""

_PREFIXES = 4
"""How many leading parts (`mcp__`, `functions.`) may stand before the name."""


class ToolNames:
    """The names of a catalog, ready to be found in tasks."""

    def __init__(self, definitions: Sequence[ToolDefinition]) -> None:
        self._plain: dict[str, set[int]] = {}
        self._compound: dict[str, set[int]] = {}
        for index, definition in enumerate(definitions):
            spellings = {definition.name, definition.original_name or definition.name}
            if definition.server:
                spellings.add(f"{definition.server}__{definition.original_name or definition.name}")
            for spelling in spellings:
                names = self._compound if _is_compound(spelling) else self._plain
                names.setdefault(_key(spelling), set()).add(index)

    def named_in(self, task: str) -> frozenset[int]:
        """The positions of the tools that the task names."""
        found: set[int] = set()
        for mention in _marked(task):
            for spelling in _spellings(mention):
                if hit := self._compound.get(_key(spelling), set()) | self._plain.get(_key(spelling), set()):
                    found |= hit
                    break
        for match in _IDENTIFIER.finditer(task):
            for spelling in _spellings(match.group()):
                if _is_compound(spelling) and (hit := self._compound.get(_key(spelling))):
                    # The longest spelling decides: `a__find_file` does not name the `find_file` of b.
                    found |= hit
                    break
        return frozenset(found)


def _marked(task: str) -> Iterator[str]:
    for match in _QUOTED.finditer(task):
        yield next(group for group in match.groups() if group is not None)
    for match in _CALL.finditer(task):
        yield match.group(1)


def _spellings(mention: str) -> Iterator[str]:
    """The mention, then what is left of it behind a prefix; the longest first."""
    mention = mention[-_LONGEST:]
    yield mention
    for separator in list(_SEPARATOR.finditer(mention))[-_PREFIXES:]:
        yield mention[separator.end() :]


def _is_compound(spelling: str) -> bool:
    """Whether it is written like code: words joined by a separator or a hump."""
    return _HUMP.search(spelling) is not None or re.search(r"[^\W_][\W_]+[^\W_]", spelling) is not None


def _key(spelling: str) -> str:
    return re.sub(r"[\W_]+", "", spelling).casefold()
