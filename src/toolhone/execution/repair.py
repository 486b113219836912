"""Repair of arguments that are not valid as they are and become valid by it. Pure and deterministic.

Arguments that match their schema and name a parameter are never touched. A repair only moves or re-reads
what was given: nothing is invented, and nothing is dropped but a copy of the tool's own name.
"""

import copy
import re
from collections.abc import Collection, Iterator

from toolhone.exceptions import UnusableSchemaError
from toolhone.execution.parameters import names_none
from toolhone.execution.validation import Path, matches, type_mismatches
from toolhone.json_values import is_array, is_object, parse_json
from toolhone.models import Json, JsonObject
from toolhone.pointers import pointer

WRAPPERS = ("arguments", "parameters", "args", "input", "params")
"""Keys under which callers nest the arguments, one time too many."""

NAME_KEYS = ("tool", "tool_name", "function", "name")
"""Keys under which callers repeat the name of the tool."""

_ROUNDS = 4
"""How many layers of wrong type are peeled: "[\\"5\\"]" for an array of integers takes two."""

_NUMBER = re.compile(r"-?(0|[1-9]\d{0,300})(\.\d{1,300})?([eE][+-]?\d{1,3})?")
_NOTHING = object()


def repair_arguments(
    arguments: JsonObject, schema: JsonObject, *, names: Collection[str] = ()
) -> tuple[JsonObject, list[str]]:
    """The arguments as they were meant, and what was done to them, a sentence each.

    They come back as they are, with no sentence, if they are valid, if no repair makes them valid, or if
    the schema cannot be used. Arguments that name none of the parameters are not valid here, though the
    schema may let them pass: see `parameters.py`.

    Args:
        names: What the tool is called; an extra key that repeats one of these is taken away.
    """
    try:
        known = names_none(schema, arguments)
        if not known and matches(schema, arguments):
            return arguments, []
        for candidate, done in _candidates(arguments, schema, names):
            if names_none(schema, candidate) or (known and not candidate.keys() <= known):
                continue
            repaired, converted = _retyped(candidate, schema)
            if matches(schema, repaired):
                return repaired, [*done, *converted]
    except UnusableSchemaError:
        pass  # Nothing can be told about these arguments, so nothing is done to them.
    return arguments, []


def _candidates(
    arguments: JsonObject, schema: JsonObject, names: Collection[str]
) -> Iterator[tuple[JsonObject, list[str]]]:
    """Ways to read the whole, the least intrusive first."""
    yield arguments, []
    properties = schema.get("properties")
    known: Collection[str] = properties if is_object(properties) else ()
    rest: JsonObject = {}
    done: list[str] = []
    for key, value in arguments.items():
        if key in NAME_KEYS and key not in known and isinstance(value, str) and value in names:
            done.append(f"Removed {key!r} from the arguments: it repeats the tool's name.")
        else:
            rest[key] = value
    if done:
        yield rest, done
    if len(rest) == 1:
        ((key, value),) = rest.items()
        inner = _as_object(value)
        if key in WRAPPERS and key not in known and inner is not None:
            yield inner, [*done, f"Took the arguments out of {key!r}, under which they were nested."]


def _as_object(value: Json) -> JsonObject | None:
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except ValueError:
            return None
    return value if is_object(value) else None


def _retyped(arguments: JsonObject, schema: JsonObject) -> tuple[JsonObject, list[str]]:
    """Values of a wrong type read as the type that is wanted, where that can be done."""
    done: list[str] = []
    current = arguments
    for _ in range(_ROUNDS):
        changes = {
            path: changed
            for path, types in type_mismatches(schema, current).items()
            if path and (changed := _converted(_at(current, path), types)) is not None
        }
        if not changes:
            break
        if current is arguments:
            current = copy.deepcopy(arguments)
        # The outermost first: what lies inside a value that was replaced is looked at in the next round.
        replaced: list[Path] = []
        for path in sorted(changes, key=len):
            if any(path[: len(outer)] == outer for outer in replaced):
                continue
            value, sentence = changes[path]
            _at(current, path[:-1])[path[-1]] = value
            replaced.append(path)
            done.append(f"{pointer(path)}: {sentence}")
    return current, done


def _at(value: Json, path: Path) -> Json:
    for step in path:
        value = value[step]
    return value


def _converted(value: Json, types: tuple[str, ...]) -> tuple[Json, str] | None:
    """The value as one of these types, and a sentence; `None` if it cannot be read as any."""
    if isinstance(value, str):
        read = _read(value.strip(), types)
        if read is not _NOTHING:
            return read, f"read the string as {_type(read)}."
    if "array" in types and value is not None and not is_array(value):
        return [value], "put the single value into an array."
    return None


def _read(text: str, types: tuple[str, ...]) -> Json:
    if text in {"true", "false", "True", "False"} and "boolean" in types:
        return text in {"true", "True"}
    if text == "null" and "null" in types:
        return None
    if _NUMBER.fullmatch(text) and ("integer" in types or "number" in types):
        try:
            number = parse_json(text)
        except ValueError:
            return _NOTHING
        if isinstance(number, int) or "number" in types:
            return number
        # Beyond 2^53 a float no longer says which integer was meant.
        if number.is_integer() and abs(number) < 2**53:
            return int(number)
        return _NOTHING
    if text[:1] in {"{", "["}:
        try:
            value = parse_json(text)
        except ValueError:
            return _NOTHING
        if _type(value) in {f"an {name}" for name in types}:
            return value
    return _NOTHING


def _type(value: Json) -> str:
    if is_object(value):
        return "an object"
    if is_array(value):
        return "an array"
    if isinstance(value, bool):
        return "a boolean"
    if value is None:
        return "null"
    return "an integer" if isinstance(value, int) else "a number"
