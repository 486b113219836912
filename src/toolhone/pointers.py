"""JSON Pointers (RFC 6901): finding a value inside a value, and saying well why it is not there. Pure."""

from collections.abc import Sequence
from itertools import islice

from toolhone.exceptions import InvalidRequestError
from toolhone.json_values import is_array, is_object
from toolhone.models import Json

_NAMES_SHOWN = 20


def pointer(path: Sequence[str | int]) -> str:
    """The pointer that leads along `path`; empty for the whole value."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def tokens_of(path: str) -> list[str]:
    """The steps of a pointer.

    Raises:
        InvalidRequestError: It is not a JSON Pointer.
    """
    if not path:
        return []
    if not path.startswith("/"):
        raise InvalidRequestError(
            f"The path {path!r} is not a JSON Pointer: it must start with '/', as in '/items/0/id'."
        )
    return [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]


def follow(value: Json, path: str) -> Json:
    """The value that the pointer leads to.

    Raises:
        InvalidRequestError: It leads nowhere; the message says what is there instead.
    """
    at: list[str] = []
    for token in tokens_of(path):
        if is_object(value) and token in value:
            value = value[token]
        elif is_array(value) and _is_index(token) and int(token) < len(value):
            value = value[int(token)]
        else:
            where = f"at {pointer(at)!r}" if at else "at the top"
            raise InvalidRequestError(f"There is no {path!r}: {where} is {_what(value)}.")
        at.append(token)
    return value


def _is_index(token: str) -> bool:
    # The length bound keeps int() from being asked to read a million digits.
    return token.isascii() and token.isdigit() and len(token) < 16 and (token == "0" or token[0] != "0")


def _what(value: Json) -> str:
    if is_object(value):
        if not value:
            return "an empty object"
        names = [repr(name) for name in islice(value, _NAMES_SHOWN)]
        more = f" and {len(value) - _NAMES_SHOWN} more" if len(value) > _NAMES_SHOWN else ""
        return f"an object with the keys {', '.join(names)}{more}"
    if is_array(value):
        return f"an array of {len(value)}"
    if value is None:
        return "null"
    if isinstance(value, str):
        return "a string"
    return "a boolean" if isinstance(value, bool) else "a number"
