"""Which tools a task calls by name.

A name of several words counts in any spelling of code: `get_weather`, `getWeather`, `get-weather`, with
its server (`github__create_issue`, `github.create_issue`) or behind a host's prefix
(`mcp__github__create_issue`). A name that is one ordinary word (`time`, `search`) is named only if it is
quoted, called (`search(...)`) or given with its server; otherwise "what time is it" would name a tool.
"""

import hashlib
import re
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from toolhone.models import ToolDefinition
from toolhone.selection.blocks import Blocks, block

_IDENTIFIER = re.compile(r"[A-Za-z0-9]+(?:[_\-./:]+[A-Za-z0-9]+)*")
_SEPARATOR = re.compile(r"__|[.:/]")
_SEPARATORS = re.compile(r"[\W_]+")
_NO_SEPARATORS = {code: None for code in range(128) if not chr(code).isalnum()}
_JOINED = re.compile(r"[^\W_][\W_]+[^\W_]")
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
    """The names of a catalog, ready to be found in tasks.

    Of every spelling only a hash of its key is kept, in order; the tools that it leads to are asked whether
    they are really called so. So the names of 100,000 tools take 3 MB, and are stored and merged as arrays.
    """

    def __init__(self, definitions: Sequence[ToolDefinition]) -> None:
        self._definitions: Sequence[ToolDefinition] = definitions
        self._hashes: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._rows: NDArray[np.int32] = np.zeros(0, np.int32)
        self._merge(self._hashes, self._rows, np.arange(len(definitions)))

    @classmethod
    def updated(
        cls, definitions: Sequence[ToolDefinition], old: "ToolNames", sources: NDArray[np.int64]
    ) -> Self:
        """The names of a changed catalog.

        Args:
            sources: For each tool the number it has in `old`, -1 if it is new or was changed.
        """
        names = cls([])
        names._definitions = definitions
        place = np.full(int(max(old._rows.max(initial=-1), sources.max(initial=-1))) + 1, -1, np.int32)
        place[sources[sources >= 0]] = np.flatnonzero(sources >= 0)
        rows = place[old._rows]
        names._merge(old._hashes[rows >= 0], rows[rows >= 0], np.flatnonzero(sources < 0))
        return names

    def to_blocks(self) -> Blocks:
        return {"hashes": block(self._hashes.astype("<u8")), "rows": block(self._rows.astype("<i4"))}

    @classmethod
    def from_blocks(cls, blocks: Mapping[str, memoryview], size: int) -> Self:
        """Read what `to_blocks` wrote of so many tools, for `updated`.

        Raises:
            ValueError: They do not fit together.
        """
        names = cls([])
        names._hashes = np.frombuffer(blocks["hashes"], "<u8")
        names._rows = np.frombuffer(blocks["rows"], "<i4")
        if len(names._hashes) != len(names._rows) or (
            size and not 0 <= names._rows.min(initial=0) <= names._rows.max(initial=0) < size
        ):
            raise ValueError("The names do not fit the tools.")
        return names

    def named_in(self, task: str) -> frozenset[int]:
        """The positions of the tools that the task names."""
        # One look for all spellings of the task, because one by one they would take longer than ranking.
        mentions = [
            *((list(_spellings(mention)), False) for mention in _marked(task)),
            *(
                ([s for s in _spellings(m.group()) if _is_compound(s)], True)
                for m in _IDENTIFIER.finditer(task)
            ),
        ]
        hits = self._look_up({_key(spelling) for spellings, _ in mentions for spelling in spellings})
        found: set[int] = set()
        for spellings, compound in mentions:
            for spelling in spellings:
                # The longest spelling decides: `a__find_file` does not name the `find_file` of b.
                if hit := {row for row, code in hits.get(_key(spelling), ()) if code or not compound}:
                    found |= hit
                    break
        return frozenset(found)

    def _look_up(self, keys: Collection[str]) -> dict[str, list[tuple[int, bool]]]:
        """By key the tools called so, and whether by a name that is written like code."""
        listed = list(keys)
        hashes = np.array([_hash(key) for key in listed], np.uint64)
        first = np.searchsorted(self._hashes, hashes)
        after = np.searchsorted(self._hashes, hashes, side="right")
        hits: dict[str, list[tuple[int, bool]]] = {}
        for place in np.flatnonzero(after > first).tolist():
            key, rows = listed[place], set[int](self._rows[first[place] : after[place]].tolist())
            hits[key] = [
                (row, _is_compound(spelling))
                for row in sorted(rows)
                for spelling in _names(self._definitions[row])
                if _key(spelling) == key
            ]
        return hits

    def _merge(self, hashes: NDArray[np.uint64], rows: NDArray[np.int32], fresh: NDArray[np.int64]) -> None:
        new_hashes, new_rows = array("Q"), array("i")
        numbers: list[int] = fresh.tolist()
        for row in numbers:
            for key in {_key(name) for name in _names(self._definitions[row])}:
                new_hashes.append(_hash(key))
                new_rows.append(row)
        fresh_hashes = np.array(new_hashes, np.uint64)
        order = np.argsort(fresh_hashes, kind="stable")
        where = np.searchsorted(hashes, fresh_hashes[order])
        self._hashes = np.insert(hashes, where, fresh_hashes[order])
        self._rows = np.insert(rows, where, np.array(new_rows, np.int32)[order])


def _names(definition: ToolDefinition) -> set[str]:
    original = definition.original_name or definition.name
    if definition.server:
        return {definition.name, original, f"{definition.server}__{original}"}
    return {definition.name, original}


def _hash(key: str) -> int:
    return int.from_bytes(
        hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little"
    )


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
    return _HUMP.search(spelling) is not None or _JOINED.search(spelling) is not None


def _key(spelling: str) -> str:
    # Most names are ASCII, for which this is five times as fast as the pattern.
    if spelling.isascii():
        return spelling.translate(_NO_SEPARATORS).lower()
    return _SEPARATORS.sub("", spelling).casefold()
