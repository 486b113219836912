"""Text made of parts that may be stated once: expressions, texts and whole parameters.

A part's text holds its own parts as placeholders, so every distinct part exists once, and counting how often
each would be written is one pass from the largest to the smallest.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from toolhone.compression.notation import minified

PLACEHOLDER = re.compile("\x00([etq])([0-9]+)\x00")
"""NUL never stands in a written text: in JSON it is escaped, and texts that hold one are written as JSON."""


class Kind(StrEnum):
    """What a part is, and how its placeholder is written."""

    EXPRESSION = "e"
    TEXT = "t"
    PARAMETER = "p"


@dataclass(slots=True)
class Part:
    """One distinct part."""

    kind: Kind
    text: str
    """As written in place, with placeholders for its parts."""
    raw: str = ""
    """What a text says; a parameter's name."""
    uses: int = 0
    """How often it stands in a tool's block outside of other parts."""


@dataclass(slots=True)
class Parts:
    """Every distinct part of a catalog, parts before what they are a part of."""

    items: list[Part] = field(default_factory=list[Part])
    _numbers: dict[tuple[Kind, str, str], int] = field(default_factory=dict[tuple[Kind, str, str], int])

    def add(self, kind: Kind, text: str, raw: str = "") -> int:
        """The number of this part, new or known."""
        key = (kind, text, raw)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.items)
            self.items.append(Part(kind, text, raw))
        return number

    def expression(self, text: str) -> str:
        """A placeholder for an expression; short ones stand for themselves."""
        if len(text) < 10:
            return text
        return f"\x00e{self.add(Kind.EXPRESSION, text)}\x00"

    def use(self, text: str) -> None:
        """Note the parts that a block's own text uses."""
        for _, number in PLACEHOLDER.findall(text):
            self.items[int(number)].uses += 1

    def expand(self, text: str, labels: dict[int, int]) -> str:
        """`text` with every part in place, or its mark and label where it is stated once."""

        def replaced(found: re.Match[str]) -> str:
            kind, number = found[1], int(found[2])
            part = self.items[number]
            label = labels.get(number)
            if label is not None:
                return f"%{label}" if kind == "e" else f"\\{label}"
            if kind == "q":
                return minified(part.raw)
            return PLACEHOLDER.sub(replaced, part.text)

        return PLACEHOLDER.sub(replaced, text)

    def expand_structure(self, text: str, labels: dict[int, int]) -> str:
        """`text` with its expressions in place and without prose."""

        def replaced(found: re.Match[str]) -> str:
            kind, number = found[1], int(found[2])
            label = labels.get(number)
            if kind == "e":
                return (
                    f"%{label}" if label is not None else PLACEHOLDER.sub(replaced, self.items[number].text)
                )
            return f"\\{label}" if label is not None else ""

        return PLACEHOLDER.sub(replaced, text)


_WORTH = 6
"""Tokens that stating a part once must save: every reference is a place to look up."""

Count = Callable[[str], int]


def choose(parts: Parts, count: Count) -> set[int]:
    """The numbers of the parts whose statement in a preamble costs less than their repetition."""
    uses = [part.uses for part in parts.items]
    chosen: set[int] = set()
    best: dict[str, tuple[int, int]] = {}
    for number, part in enumerate(parts.items):
        if part.kind is Kind.PARAMETER and uses[number] > 1:
            saved = _saved(parts, part, uses[number], count)
            if saved > max(_WORTH - 1, best.get(part.raw, (0, 0))[0]):
                best[part.raw] = (saved, number)
    chosen.update(number for _, number in best.values())
    for number in range(len(parts.items) - 1, -1, -1):
        part = parts.items[number]
        times = uses[number]
        if part.kind is not Kind.PARAMETER and times > 1 and _saved(parts, part, times, count) >= _WORTH:
            chosen.add(number)
        if number in chosen:
            times = 1
        if times:
            for _, inner in PLACEHOLDER.findall(part.text):
                uses[int(inner)] += times
    return chosen


def _saved(parts: Parts, part: Part, uses: int, count: Count) -> int:
    """About how many tokens it saves to state `part` once. The whole is counted at the end."""
    if part.kind is Kind.PARAMETER:
        cost = count(parts.expand(part.text, {}))
        name = count(" " + part.raw)
        return (uses - 1) * cost - uses - 2 - name
    cost = count(" " + (part.raw if part.kind is Kind.TEXT else parts.expand(part.text, {})))
    return (uses - 1) * cost - 2 * uses - 3
