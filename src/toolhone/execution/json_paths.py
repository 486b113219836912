"""Paths into a result as agents write them: JSON Pointer, or the plain part of JSONPath. Pure.

`/items/0/name`, `$.items[0].name`, `items[*].name`, `$['a key'][0]`. Filters, slices and `..` are refused.
"""

import re
from collections.abc import Sequence

from toolhone.exceptions import InvalidRequestError
from toolhone.json_values import is_array, is_object
from toolhone.models import Json
from toolhone.pointers import follow, pointer

_STEP = re.compile(
    r"\.?(?P<name>[^.\[\]'\"*$\s/]+)|\[(?P<index>\d{1,15})\]|\.?(?P<all>\[\*\]|\*)"
    r"|\[(?:'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\")\]"
)
_MOST = 100_000
"""Values that `[*]` may lead to."""

EVERY = None
"""The step of `[*]`."""


def found_at(value: Json, path: str) -> Json:
    """What the path leads to; with `[*]`, a list of all that it leads to.

    Raises:
        InvalidRequestError: It is no path, or leads nowhere.
    """
    if not path or path.startswith("/"):
        return follow(value, path)
    steps = _steps_of(path)
    if EVERY not in steps:
        return follow(value, pointer([step for step in steps if step is not None]))
    found = [value]
    for step in steps:
        found = _after(found, step)
        if len(found) > _MOST:
            raise InvalidRequestError(f"The path {path!r} leads to more than {_MOST} values. Narrow it.")
    if not found:
        raise InvalidRequestError(f"There is nothing at {path!r}. Read a part of it to see what is there.")
    return found


def _steps_of(path: str) -> Sequence[str | None]:
    steps: list[str | None] = []
    at = 1 if path.startswith("$") else 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            raise InvalidRequestError(
                f"The path {path!r} cannot be read at character {at}. Write a JSON Pointer ('/items/0/id'), "
                "or names, [0] and [*] as in 'items[*].id'."
            )
        if match["all"]:
            steps.append(EVERY)
        else:
            steps.append(
                next(part for part in match.group("name", "index", "single", "double") if part is not None)
            )
        at = match.end()
    return steps


def _after(values: Sequence[Json], step: str | None) -> list[Json]:
    """One step on from each value; values without such a step are left out."""
    found: list[Json] = []
    for value in values:
        if step is EVERY:
            found.extend(value if is_array(value) else value.values() if is_object(value) else ())
        elif is_object(value) and step in value:
            found.append(value[step])
        elif is_array(value) and step is not None and step.isdecimal() and int(step) < len(value):
            found.append(value[int(step)])
    return found
