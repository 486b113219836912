"""JSON values: telling them apart, and their one spelling here. Pure."""

import json
from typing import NoReturn, TypeGuard

from toolhone.models import Json, JsonObject


def is_object(value: Json) -> TypeGuard[JsonObject]:
    return isinstance(value, dict)


def is_array(value: Json) -> TypeGuard[list[Json]]:
    return isinstance(value, list)


def minified(value: Json) -> str:
    """The JSON spelling in which sizes and tokens are counted."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def encoded(text: str) -> bytes:
    """UTF-8; half a surrogate pair, which JSON can carry, survives."""
    return text.encode("utf-8", "surrogatepass")


def parse_json(text: str) -> Json:
    """The JSON value in a text.

    Raises:
        ValueError: It is not JSON; `NaN` and `Infinity`, which Python would accept, are not.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
