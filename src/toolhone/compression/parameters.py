"""The signature of one parameter alone, for the error that says its value is wrong."""

from collections.abc import Sequence
from typing import cast
from urllib.parse import unquote

from toolhone.compression import notation
from toolhone.compression.expressions import ExpressionWriter, after_name
from toolhone.compression.notation import written_name
from toolhone.compression.parts import Parts
from toolhone.compression.purposes import first_sentence
from toolhone.compression.reducing import without_prose
from toolhone.compression.signatures import depth
from toolhone.models import Json, JsonObject
from toolhone.pointers import tokens_of

CUT = " …"
"""Ends a signature that is not whole."""

_LONGEST = 240
_LONGEST_TEXT = 100
_DEEPEST = 60
_MOST_STEPS = 50
_MOST_LEVELS = 6
_MOST_TRIED = 400


def parameter_line(tool: JsonObject, path: Sequence[str | int]) -> str | None:
    """The signature of the parameter at `path` in the arguments; None if the schema says nothing of it.

    References are followed and details of large objects left out, so the line can be read alone.
    """
    schema = tool.get("inputSchema")
    if not isinstance(schema, dict) or not path or depth(schema) > _DEEPEST:
        return None
    root = cast("JsonObject", schema)
    found: Json = root
    optional = False
    for step in path[:_MOST_STEPS]:
        step_found = _step(root, found, step, set())
        if step_found is None:
            return None
        found, optional = step_found
    resolved = _resolved(root, found)
    if isinstance(found, dict) and isinstance(resolved, dict):
        # What stands beside a reference counts too.
        beside = {key: value for key, value in cast("JsonObject", found).items() if key != "$ref"}
        resolved = {**cast("JsonObject", resolved), **beside}
    line = _name(path) + ("?" if optional else "") + after_name(_shallow(root, resolved))
    if isinstance(resolved, dict) and isinstance(
        text := cast("JsonObject", resolved).get("description"), str
    ):
        said = first_sentence(text)
        line += f": {said if len(said) <= _LONGEST_TEXT else said[:_LONGEST_TEXT].rsplit(' ', 1)[0] + ' …'}"
    return line


def _name(path: Sequence[str | int]) -> str:
    name = ""
    for step in path:
        if isinstance(step, int):
            name += f"[{step}]"
        else:
            name += ("." if name else "") + written_name(step)
    return name


def _resolved(root: JsonObject, schema: Json) -> Json:
    """The schema that a local reference leads to."""
    for _ in range(_MOST_STEPS):
        if not isinstance(schema, dict) or not isinstance(
            target := cast("JsonObject", schema).get("$ref"), str
        ):
            return cast("Json", schema)
        found = _pointed(root, target)
        if found is None:
            return cast("Json", schema)
        schema = found
    return {}


def _pointed(root: JsonObject, target: str) -> Json:
    if target == "#":
        return root
    if not target.startswith("#/"):
        return None
    found: Json = root
    for key in tokens_of(unquote(target[1:])):
        if isinstance(found, dict):
            found = cast("JsonObject", found).get(key)
        elif (
            isinstance(found, list)
            and key.isdecimal()
            and len(key) < 9
            and int(key) < len(cast("list[Json]", found))
        ):
            found = cast("list[Json]", found)[int(key)]
        else:
            return None
    return found


def _step(root: JsonObject, schema: Json, step: str | int, seen: set[int]) -> tuple[Json, bool] | None:
    """The schema of one part of a value, and whether that part is optional."""
    found = _resolved(root, schema)
    if not isinstance(found, dict) or id(cast("Json", found)) in seen or len(seen) > _MOST_TRIED:
        return None
    seen.add(id(cast("Json", found)))
    part = cast("JsonObject", found)
    if isinstance(step, int):
        first = part.get("prefixItems")
        if isinstance(first, list) and 0 <= step < len(cast("list[Json]", first)):
            return cast("list[Json]", first)[step], False
        if isinstance(part.get("items"), dict):
            return part["items"], False
    else:
        properties = part.get("properties")
        if isinstance(properties, dict) and step in properties:
            required = part.get("required")
            return cast("JsonObject", properties)[step], not (isinstance(required, list) and step in required)
        if isinstance(part.get("additionalProperties"), dict):
            return part["additionalProperties"], True
    for key in ("anyOf", "oneOf", "allOf"):
        members = part.get(key)
        for member in cast("list[Json]", members) if isinstance(members, list) else []:
            if (inner := _step(root, member, step, seen)) is not None:
                return inner
    return None


def _shallow(root: JsonObject, schema: Json) -> str:
    """The type, with as much of its inside as fits."""
    plain = without_prose(schema)
    shown = ""
    # Deeper only while it fits: a schema that refers to itself grows without end.
    for levels in range(_MOST_LEVELS):
        parts = Parts()
        core, _ = ExpressionWriter(parts, closed=False).split(_cut(root, plain, levels))
        line = parts.expand(core, {})
        if shown and len(line) > _LONGEST:
            break
        if line == shown and levels > 1:
            break
        shown = line
    return shown if len(shown) <= _LONGEST else shown[:_LONGEST].rsplit(" ", 1)[0] + " …"


def _cut(root: JsonObject, schema: Json, levels: int) -> Json:
    """The schema with references followed and only so many levels inside."""
    found = _resolved(root, schema)
    if not isinstance(found, dict):
        return found
    kept: JsonObject = {}
    for key, value in cast("JsonObject", without_prose(found)).items():
        if key in ("properties", "items", "additionalProperties", *notation.SCHEMA_LISTS):
            if levels == 0:
                continue
            if key == "properties" and isinstance(value, dict):
                kept[key] = {
                    name: _cut(root, part, levels - 1) for name, part in cast("JsonObject", value).items()
                }
            elif isinstance(value, list):
                kept[key] = [_cut(root, part, levels - 1) for part in cast("list[Json]", value)]
            else:
                kept[key] = _cut(root, value, levels - 1)
        elif levels or key not in ("required", "$defs", "definitions"):
            kept[key] = value
    return kept
