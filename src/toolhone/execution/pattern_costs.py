r"""How many steps a regular expression can take on a text of some length, at most. Pure.

A backtracking matcher tries, in the worst case, every way in which a pattern can be laid over a text. In a
sequence the ways multiply, in a choice they add up, `a*` has one for each length: `a*a*a*` comes to n³,
`a?a?a?` to 2³, but `a*b` to n, because only one length can have a `b` behind it. A repetition of something
that has itself several ways, `(a+)+`, is counted as a walk from character to character: what matters is
how many places in the pattern can take the next one. In `(-[a-z]+)*` it is never more than one.

The counts are bounds: a harmless pattern may be thought expensive, never the other way round.
"""

import importlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from toolhone.models import Json

ENDLESS = 10**12
"""Counting stops here."""

# Python's own reading of a pattern. The module has no public name since Python 3.11, so what is not known
# of its tree counts as endless.
_parser: Json = importlib.import_module("re._parser")


_OTHER = 128
"""Stands for every character beyond ASCII."""

_EVERY = (1 << (_OTHER + 1)) - 1


@dataclass(frozen=True, slots=True)
class _Cost:
    """A part of a pattern on a text of the length in question."""

    ways: int
    """In how many ways it can match from one place."""
    steps: int
    """How many steps it takes to try them all."""


@dataclass(frozen=True, slots=True)
class _Walk:
    """A part of a pattern as a graph of its characters."""

    first: tuple[int, ...]
    """The sets of characters that it can begin with, as bits; one for each place in the pattern."""
    branching: int
    """How many places, at most, can take the character that follows one inside it."""
    empty: bool
    """Whether it can match nothing."""


def steps(pattern: str, length: int) -> int:
    """At most how many steps a search for the pattern in a text of this length takes.

    Raises:
        re.error: It is not a pattern.
    """
    tree: Json = _parser.parse(pattern)
    try:
        cost = _sequence(_without_flags(tree), length).steps
    except (_Unknown, RecursionError):
        return ENDLESS
    # Else every place in the text is tried as the beginning.
    places = 1 if _anchored(tree) else length + 1
    return _capped(cost * places + length)


class _Unknown(Exception):
    """A part of a pattern that is not known here."""


def _without_flags(tree: Json) -> list[Json]:
    """The parts of the whole; flags that make characters equal would make the sets below wrong."""
    if tree.state.flags & re.IGNORECASE:
        raise _Unknown
    return list(tree)


def _anchored(tree: Json) -> bool:
    if tree.state.flags & re.MULTILINE or not len(tree):
        return False
    operation, argument = tree[0]
    return str(operation) == "AT" and str(argument) in {"AT_BEGINNING", "AT_BEGINNING_STRING"}


def _capped(count: int) -> int:
    return min(count, ENDLESS)


def _power(base: int, exponent: int) -> int:
    if base <= 1:
        return base if exponent else 1
    return ENDLESS if exponent * math.log(base) > math.log(ENDLESS) else base**exponent


def _sequence(parts: list[Json], length: int) -> _Cost:
    ways, taken = 1, 0
    for part, next_part in pairwise([*parts, None]):
        cost = _part(part, length)
        if next_part is not None and _ends_where(part, next_part):
            # Only the end of the run can have that behind it; elsewhere it fails at once.
            cost = _Cost(1, cost.steps + cost.ways)
        taken = _capped(taken + ways * cost.steps)
        ways = _capped(ways * cost.ways)
    return _Cost(ways, max(1, taken))


def _part(part: Json, length: int) -> _Cost:
    operation, argument = part
    match str(operation):
        case "LITERAL" | "NOT_LITERAL" | "ANY" | "AT":
            return _Cost(1, 1)
        case "IN":
            return _Cost(1, 1 + len(argument) // 8)
        case "GROUPREF":
            return _Cost(1, length + 1)
        case "SUBPATTERN":
            if argument[1] & re.IGNORECASE:
                raise _Unknown
            return _sequence(list(argument[-1]), length)
        case "ATOMIC_GROUP" | "ASSERT" | "ASSERT_NOT":
            # Once left, it is not entered again to try another way.
            inner = argument if str(operation) == "ATOMIC_GROUP" else argument[1]
            return _Cost(1, _sequence(list(inner), length).steps)
        case "BRANCH" | "GROUPREF_EXISTS":
            costs = [_sequence(choice, length) for choice in _choices(operation, argument)]
            return _Cost(
                _capped(sum(cost.ways for cost in costs)), _capped(sum(cost.steps + 1 for cost in costs))
            )
        case "MAX_REPEAT" | "MIN_REPEAT":
            return _repeated(argument, length)
        case "POSSESSIVE_REPEAT":
            return _Cost(1, _repeated(argument, length).steps)
        case _:
            raise _Unknown


def _choices(operation: Json, argument: Json) -> list[list[Json]]:
    if str(operation) == "BRANCH":
        return [list(choice) for choice in argument[1]]
    return [list(choice or []) for choice in argument[1:]]


def _repeated(argument: Json, length: int) -> _Cost:
    least, most = int(argument[0]), int(argument[1])
    parts = list(argument[2])
    inner = _sequence(parts, length)
    width = int(argument[2].getwidth()[0])
    # The text cannot hold more; of what can match nothing, only as many are tried as must be there.
    times = min(most, length // width if width else max(least, length + 1))
    if inner.ways <= 1 and width:
        return _Cost(max(1, times - least + 1), _capped((times + 1) * inner.steps))
    # The matcher stops at an empty repetition, which is one more way to go on from each place.
    by_number = _capped((times + 1) * _power(inner.ways + (not width), times))
    if not width and least > 1:
        return _Cost(by_number, _capped((by_number + 1) * inner.steps))
    walk = _walk_repeated(parts, ())
    if walk.branching <= 1:
        # One path through the text, which may end at each character.
        return _Cost(length + 1, _capped((length + 1) * (_size(parts) + 1)))
    ways = min(by_number, _capped(2 * _power(walk.branching, length + 1)))
    return _Cost(ways, _capped((ways + 1) * inner.steps))


def _size(parts: Sequence[Json]) -> int:
    """How many operations are in the parts: what one character can take to be tried."""
    count = 0
    for operation, argument in parts:
        match str(operation):
            case "SUBPATTERN":
                count += _size(list(argument[-1]))
            case "ATOMIC_GROUP":
                count += _size(list(argument))
            case "BRANCH" | "GROUPREF_EXISTS":
                count += sum(_size(choice) + 1 for choice in _choices(operation, argument))
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                count += 1 + _size(list(argument[2]))
            case "ASSERT" | "ASSERT_NOT" | "GROUPREF":
                raise _Unknown  # Looks at more than one character.
            case _:
                count += 1
    return count


_CATEGORIES = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}


def _characters(part: Json) -> int | None:
    """The set of characters that a part takes one of, as bits; `None` if it is not such a part."""
    operation, argument = part
    match str(operation):
        case "LITERAL":
            return 1 << min(int(argument), _OTHER)
        case "NOT_LITERAL":
            return _EVERY & ~(1 << int(argument)) if int(argument) < _OTHER else _EVERY
        case "ANY":
            return _EVERY
        case "IN":
            return _class(list(argument))
        case _:
            return None


def _class(items: list[Json]) -> int:
    found, negated = 0, False
    for operation, argument in items:
        match str(operation):
            case "NEGATE":
                negated = True
            case "LITERAL":
                found |= 1 << min(int(argument), _OTHER)
            case "RANGE":
                low, high = (min(int(end), _OTHER) for end in argument)
                found |= (1 << (high + 1)) - (1 << low)
            case "CATEGORY":
                spelled = re.compile(_CATEGORIES[str(argument)])
                found |= sum(1 << code for code in range(_OTHER) if spelled.match(chr(code))) | 1 << _OTHER
            case _:
                raise _Unknown
    # Some characters beyond ASCII may be in the class and others not.
    return (_EVERY & ~found) | 1 << _OTHER if negated else found


def _ends_where(part: Json, next_part: Json) -> bool:
    """Whether the part is a run of characters that cannot go on where the next part begins."""
    if str(part[0]) not in {"MAX_REPEAT", "MIN_REPEAT"} or len(part[1][2]) != 1:
        return False
    run, behind = _characters(part[1][2][0]), _characters(next_part)
    return run is not None and behind is not None and not run & behind


def _overlap(places: tuple[int, ...]) -> int:
    """How many of the sets share a character, at most."""
    union = 0
    for place in places:
        if union & place:
            return max(sum(one >> bit & 1 for one in places) for bit in range(_OTHER + 1))
        union |= place
    return min(1, len(places))


_MOST_PLACES = 64


def _walk_sequence(parts: list[Json], after: tuple[int, ...]) -> _Walk:
    """As a graph, where one of the places in `after` can come behind it."""
    first: tuple[int, ...] = ()
    branching, empty = 1, True
    following = after
    for part in reversed(parts):
        walk = _walk_part(part, following)
        branching = max(branching, walk.branching)
        first = walk.first + (first if walk.empty else ())
        following = walk.first + (following if walk.empty else ())
        empty = empty and walk.empty
        if len(following) > _MOST_PLACES:
            raise _Unknown
    return _Walk(first, max(branching, _overlap(first)), empty)


def _walk_part(part: Json, after: tuple[int, ...]) -> _Walk:
    characters = _characters(part)
    if characters is not None:
        return _Walk((characters,), _overlap(after), False)
    operation, argument = part
    match str(operation):
        case "AT":
            return _Walk((), 1, True)
        case "SUBPATTERN":
            return _walk_sequence(list(argument[-1]), after)
        case "ATOMIC_GROUP":
            return _walk_sequence(list(argument), after)
        case "BRANCH":
            walks = [_walk_sequence(choice, after) for choice in _choices(operation, argument)]
            # Two choices that match nothing are two ways to go on.
            empty = [walk for walk in walks if walk.empty]
            first = tuple(place for walk in walks for place in walk.first)
            twice = (_EVERY,) * max(0, len(empty) - 1)
            return _Walk(first + twice, max(walk.branching for walk in walks), bool(empty))
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            least, most = int(argument[0]), int(argument[1])
            if most <= 1:
                walk = _walk_sequence(list(argument[2]), after)
                # Nothing by the repetition or by what is repeated: two ways again.
                twice = (_EVERY,) if walk.empty and not least else ()
                return _Walk(walk.first + twice, walk.branching, walk.empty or not least)
            if not argument[2].getwidth()[0] and least > 1:
                raise _Unknown  # `(a?){9}` has more ways than characters can tell apart.
            walk = _walk_repeated(list(argument[2]), after)
            return _Walk(walk.first, walk.branching, walk.empty or not least)
        case _:
            raise _Unknown


def _walk_repeated(parts: list[Json], after: tuple[int, ...]) -> _Walk:
    once = _walk_sequence(parts, ())
    # Something that can match nothing can be passed without a character as well.
    again = once.first + ((_EVERY,) if once.empty else ())
    walk = _walk_sequence(parts, after + again)
    return _Walk(walk.first + again[len(once.first) :], walk.branching, walk.empty)
