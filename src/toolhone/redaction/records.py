"""Redacts one record so that the same secret or person has the same mark all through it.

A model learns from `send to [REDACTED:email 1]` that the address it sends to is the one it was told. So
a record is redacted in rounds: the rules take out what they find; what they found is taken out wherever
else it stands, because only one of its places may have given it away; and marks are numbered in the order
in which they appear. It ends when a round changes nothing, so that redacting again changes nothing either.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import cast

from toolhone.models import Json, JsonObject
from toolhone.redaction.likeness import looks_chosen, looks_digits, looks_random
from toolhone.redaction.placeholders import LARGEST_NUMBER, NUMBERED, OPENING, Kind, numbered, placeholder
from toolhone.redaction.tree import MAX_DEPTH, Redactor, unused_key

_MAX_ROUNDS = 6
# Shorter ones, and plain words, stand in texts for something else too.
_SHORTEST_KNOWN = 8

# So that the time for a record stays in proportion to its size.
_MOST_KNOWN = 100
_SELF_EVIDENT = (Kind.EMAIL, Kind.IP_ADDRESS, Kind.JWT, Kind.PRIVATE_KEY)
"""Found wherever they stand, without being known."""

# What JSON writes in another way than it reads.
_ESCAPED = re.compile(r"[\"\\\x00-\x1f]")
_NOT_ALNUM = re.compile(r"[\W_]+")
_SPACE = re.compile(r"\\[nrt]|\s+")
_SCHEME = re.compile(r"\s*(?:bearer|basic|token)\s+", re.I)


def redact_record(value: Json) -> Json:
    """A copy of `value` with numbered marks such as `[REDACTED:email 1]`.

    Within `value` equal things have equal marks and different things different ones; numbers say nothing
    but the order of appearance. Several values are one record as the values of a dict. Marks that are in
    `value` already are counted as things of their own; those without a number stay as they are.

    Never raises, and what it returns can be written as JSON. Redacting it again changes nothing.
    """
    return _Record(value).redacted()


class _Record:
    """What is known of one record. Nothing of it outlives the call."""

    def __init__(self, value: Json) -> None:
        self._value = value
        self._redactor = Redactor(self._mark, settled=set())
        self._marks: dict[str, str] = {}
        """By what they stand for, in one spelling."""
        self._known: dict[str, str] = {}
        """The marks of texts that are to be taken out wherever they stand."""
        self._next: dict[str, int] | None = None
        """The next number of every kind; `None` before the first mark."""

    def redacted(self) -> Json:
        for _ in range(_MAX_ROUNDS):
            redacted = self._redactor.value(self._value)
            if redacted is self._value or redacted == self._value:
                return redacted
            written = json.dumps(redacted, ensure_ascii=False)
            if any(_ESCAPED.search(known) or known in written for known in self._known):
                redacted = self._without_known(redacted)
                written = json.dumps(redacted, ensure_ascii=False)
            self._value = self._in_order(redacted, written)
        return placeholder(Kind.SECRET)

    def _mark(self, kind: Kind, text: str) -> str:
        identity = _identity(kind, text)
        mark = self._marks.get(identity)
        if mark is None:
            if self._next is None:
                marked: list[str] = []
                _collect(self._value, 0, marked)
                self._next = {kind: max(numbers) + 1 for kind, numbers in _numbers(marked).items()}
            number = self._next.get(kind, 1)
            if number > LARGEST_NUMBER:
                return placeholder(kind)
            self._next[kind] = number + 1
            mark = self._marks[identity] = numbered(kind, number)
        if kind not in _SELF_EVIDENT and len(self._known) < _MOST_KNOWN and _is_distinct(text):
            self._known[text] = mark
        return mark

    def _without_known(self, value: Json) -> Json:
        # The longest first: one may be a part of another.
        marks = sorted(self._known.items(), key=lambda pair: -len(pair[0]))

        def rewrite(text: str) -> str:
            if len(text) >= _SHORTEST_KNOWN:
                for known, mark in marks:
                    if known in text:
                        text = _replaced(text, known, mark)
            return text

        return _rewritten(value, rewrite)

    def _in_order(self, value: Json, written: str) -> Json:
        """`value`, as JSON `written`, with its marks numbered in the order in which they appear."""
        present = _numbers([written])
        order = {
            numbered(kind, old): numbered(kind, new)
            for kind, numbers in present.items()
            for new, old in enumerate(numbers, 1)
        }
        self._next = {kind: len(numbers) + 1 for kind, numbers in present.items()}
        self._marks = {identity: order[mark] for identity, mark in self._marks.items() if mark in order}
        self._known = {text: order[mark] for text, mark in self._known.items() if mark in order}
        if all(old == new for old, new in order.items()):
            return value
        return _rewritten(value, lambda text: NUMBERED.sub(lambda mark: order[mark[0]], text))


def _identity(kind: Kind, text: str) -> str:
    """One spelling of what can be written in several ways."""
    match kind:
        case Kind.EMAIL:
            return text.replace("%40", "@").casefold()
        case Kind.PHONE | Kind.CARD | Kind.IBAN | Kind.NATIONAL_ID:
            return _NOT_ALNUM.sub("", text).upper() or text
        case Kind.IP_ADDRESS:
            return text.lower()
        case Kind.PRIVATE_KEY:
            return _SPACE.sub("", text)
        case Kind.AUTHORIZATION:
            return _SCHEME.sub("", text, count=1)
        case _:
            return text


def _is_distinct(text: str) -> bool:
    """Nothing but this secret is likely to be written like that."""
    if len(text) < _SHORTEST_KNOWN or OPENING in text:
        return False
    return looks_chosen(text) or looks_random(text) or looks_digits(text)


def _replaced(text: str, known: str, mark: str) -> str:
    """`text` with `mark` in the place of `known`, but not inside longer words."""
    if known.isdecimal() and text.lstrip()[:1] in ("{", "["):
        # A number of JSON; a mark in its place would need quotes.
        return text
    parts: list[str] = []
    position = start = 0
    while (start := text.find(known, start)) >= 0:
        end = start + len(known)
        if not (text[start - 1 : start].isalnum() or text[end : end + 1].isalnum()):
            parts += (text[position:start], mark)
            position = end
        start += 1
    return "".join([*parts, text[position:]])


def _numbers(texts: Iterable[str]) -> dict[str, list[int]]:
    """The numbers of the marks in `texts`, by kind, in the order in which they appear."""
    found: dict[str, dict[int, None]] = {}
    for text in texts:
        for mark in NUMBERED.finditer(text):
            found.setdefault(mark["kind"], {})[int(mark["number"])] = None
    return {kind: list(numbers) for kind, numbers in found.items()}


def _collect(value: Json, depth: int, marked: list[str]) -> None:
    """Adds every key and string with a mark in it, as far down as anything is kept."""
    if isinstance(value, str):
        if OPENING in value:
            marked.append(value)
    elif depth > MAX_DEPTH:
        return
    elif isinstance(value, dict | Mapping):
        for key, item in cast("Mapping[object, Json]", value).items():
            if isinstance(key, str) and OPENING in key:
                marked.append(key)
            _collect(item, depth + 1, marked)
    elif isinstance(value, list | tuple):
        for item in cast("list[Json] | tuple[Json, ...]", value):
            _collect(item, depth + 1, marked)


def _rewritten(value: Json, rewrite: Callable[[str], str]) -> Json:
    """A redacted value with every key and string rewritten."""
    if isinstance(value, str):
        return rewrite(value)
    if isinstance(value, dict):
        result: JsonObject = {}
        for key, item in cast("JsonObject", value).items():
            result[unused_key(rewrite(key), result)] = _rewritten(item, rewrite)
        return result
    if isinstance(value, list | tuple):
        items = [_rewritten(item, rewrite) for item in cast("list[Json] | tuple[Json, ...]", value)]
        return tuple(items) if isinstance(value, tuple) else items
    return value
