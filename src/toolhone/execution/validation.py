"""Checking values against JSON Schemas, with messages a model can act on. Pure.

A message names the parameter, says what is wrong with it, and shows that parameter's signature, so that the
next call can be right without another look at the tool's description.
"""

import difflib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from toolhone.compression.parameters import CUT, parameter_line
from toolhone.exceptions import InvalidArgumentsError, UnusableSchemaError
from toolhone.execution.parameters import names_none
from toolhone.execution.patterns import bounded_together
from toolhone.json_values import is_object, minified
from toolhone.models import Json, JsonObject
from toolhone.pointers import pointer

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

    from toolhone.execution.json_schema import Validator

Path: TypeAlias = tuple[str | int, ...]

_PROBLEMS_SHOWN = 5
_PROBLEMS_SOUGHT = 50
_SCHEMA_SHOWN = 600
_VALUE_SHOWN = 80
_CACHED = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One way in which a value does not match."""

    path: str
    """JSON Pointer to the value, or to where it is missing; empty for the whole."""
    message: str
    signature: str | None
    """What is expected there, in few tokens; minified JSON Schema where there is no signature."""

    def as_json(self) -> JsonObject:
        shown: JsonObject = {"path": self.path, "message": self.message}
        return shown if self.signature is None else {**shown, "signature": self.signature}

    def __str__(self) -> str:
        where = self.path or "(the whole)"
        return f"{where}: {self.message}" + (f". Expected: {self.signature}" if self.signature else "")


def find_problems(schema: Json, value: Json) -> list[Problem]:
    """In what way the value does not match the schema; nothing if it does.

    Raises:
        UnusableSchemaError: The schema cannot be used.
    """
    return [_problem(error, schema) for error in _errors(schema, value)]


def matches(schema: Json, value: Json) -> bool:
    """Whether the value matches.

    Raises:
        UnusableSchemaError: The schema cannot be used.
    """
    return next(iter(_errors(schema, value, most=1)), None) is None


def type_mismatches(schema: Json, value: Json) -> dict[Path, tuple[str, ...]]:
    """Where a value is of the wrong type, and the types that would be right there.

    Alternatives (`anyOf`, `oneOf`) are looked into, because that is how an optional parameter is spelled.

    Raises:
        UnusableSchemaError: The schema cannot be used.
    """
    found: dict[Path, tuple[str, ...]] = {}
    for error in _unfolded(_errors(schema, value)):
        if error.validator == "type":
            path = tuple(error.absolute_path)
            found[path] = (*found.get(path, ()), *_types(error.validator_value))
    return found


def check_schema(schema: Json) -> None:
    """Make sure the schema can be used.

    Raises:
        UnusableSchemaError: It cannot.
    """
    _validator(schema)


def check_arguments(tool: str, arguments: JsonObject, schema: JsonObject) -> None:
    """Make sure a call may be sent.

    Raises:
        InvalidArgumentsError: The arguments do not match.
        UnusableSchemaError: The schema cannot be used.
    """
    if problems := argument_problems(schema, arguments):
        raise invalid_arguments(tool, problems)


def argument_problems(schema: JsonObject, arguments: JsonObject) -> list[Problem]:
    """Why a call with these arguments may not be sent; nothing if it may.

    Raises:
        UnusableSchemaError: The schema cannot be used.
    """
    if problems := find_problems(schema, arguments):
        return problems
    known = names_none(schema, arguments)
    if not known:
        return []
    given = _shortened(", ".join(map(repr, arguments)), _SCHEMA_SHOWN)
    names = _shortened(", ".join(map(repr, sorted(known))), _SCHEMA_SHOWN)
    return [
        Problem(
            path="",
            message=f"none of {given} is a parameter of this tool; there are: {names}",
            signature=None,
        )
    ]


def invalid_arguments(tool: str, problems: Sequence[Problem]) -> InvalidArgumentsError:
    """The refusal of a call with these problems."""
    return InvalidArgumentsError(
        f"{tool!r} was not called: its arguments do not match its input schema.\n{listed(problems)}",
        data={"errors": [problem.as_json() for problem in problems[:_PROBLEMS_SHOWN]]},
    )


def listed(problems: Sequence[Problem]) -> str:
    """The first problems, one a line, and how many more there are."""
    lines = [f"- {problem}" for problem in problems[:_PROBLEMS_SHOWN]]
    if len(problems) > _PROBLEMS_SHOWN:
        more = "at least " if len(problems) == _PROBLEMS_SOUGHT else ""
        lines.append(f"- and {more}{len(problems) - _PROBLEMS_SHOWN} more")
    return "\n".join(lines)


# Keyed by identity: a tool's schema is one object as long as its definition lives, and hashing its
# content would cost more than most validations. Holding it keeps its id from being given to another.
_cache: "OrderedDict[int, tuple[Json, Validator | UnusableSchemaError]]" = OrderedDict()

# Large values are checked in worker threads.
_reading_cache = threading.Lock()


def _validator(schema: Json) -> "Validator":
    with _reading_cache:
        outcome = _cached(schema)
    if isinstance(outcome, UnusableSchemaError):
        raise UnusableSchemaError(outcome.message) from outcome
    return outcome


def _cached(schema: Json) -> "Validator | UnusableSchemaError":
    key = id(schema)
    kept = _cache.get(key)
    if kept is None:
        from toolhone.execution.json_schema import compile_schema

        try:
            kept = (schema, compile_schema(schema))
        except UnusableSchemaError as exc:
            kept = (schema, exc)
        _cache[key] = kept
        while len(_cache) > _CACHED:
            _cache.popitem(last=False)
    else:
        _cache.move_to_end(key)
    return kept[1]


def _errors(schema: Json, value: Json, most: int = _PROBLEMS_SOUGHT) -> "list[ValidationError]":
    validator = _validator(schema)
    from toolhone.execution.json_schema import UNUSABLE

    try:
        with bounded_together():
            return list(islice(validator.iter_errors(value), most))
    except UNUSABLE as exc:
        raise UnusableSchemaError(
            f"The JSON Schema cannot be used (remote references are not fetched): {exc!r}"[:300]
        ) from exc


def _unfolded(errors: "Iterable[ValidationError]") -> "Iterator[ValidationError]":
    for error in errors:
        yield error
        yield from _unfolded(error.context or ())


def _types(value: Json) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _problem(error: "ValidationError", root: Json) -> Problem:
    error = _telling(error)
    message, schema = _described(error)
    path = tuple(error.absolute_path)
    signature = None if schema is None else parameter_line({"inputSchema": root}, path)
    if schema is not None and (signature is None or CUT in signature):
        signature = minified(schema)
    return Problem(
        path=pointer(path),
        message=message,
        signature=None if signature is None else _shortened(signature, _SCHEMA_SHOWN),
    )


def _telling(error: "ValidationError") -> "ValidationError":
    """The error inside an alternative, if only one of the alternatives was meant for such a value."""
    while error.context:
        branches: dict[str | int, list[ValidationError]] = {}
        for inner in error.context:
            branches.setdefault(inner.schema_path[0], []).append(inner)
        meant = [
            inner
            for inner in branches.values()
            if not any(one.validator == "type" and not one.path for one in inner)
        ]
        if len(meant) != 1:
            return error
        error = meant[0][0]
    return error


def _described(error: "ValidationError") -> tuple[str, Json]:
    """What is wrong, and the part of the schema that says so."""
    schema: Json = error.schema
    value: Json = error.instance
    properties: Json = schema.get("properties", {}) if is_object(schema) else {}
    match error.validator:
        case "required":
            return "is required and missing", properties.get(error.path[-1])
        case "additionalProperties":
            known = [str(name) for name in properties]
            near = difflib.get_close_matches(str(error.path[-1]), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            names = _shortened(", ".join(known), _SCHEMA_SHOWN) if known else "none"
            return f"there is no such parameter{hint}; there are: {names}", None
        case "type":
            types = " or ".join(_types(error.validator_value))
            return f"{_value(value)} is not of type {types}", schema
        case "enum":
            return f"{_value(value)} is not one of the values allowed", schema
        case "const":
            return f"{_value(value)} is not the value required", schema
        case "pattern":
            return f"{_value(value)} does not match the pattern", schema
        case "anyOf" | "oneOf":
            if not error.context:
                return (
                    f"{_value(value)} matches more than one alternative and may match only one",
                    schema,
                )
            inner = list(error.context)
            if all(one.validator == "type" and not one.path for one in inner):
                types = dict.fromkeys(name for one in inner for name in _types(one.validator_value))
                return f"{_value(value)} is not of type {' or '.join(types)}", schema
            return f"{_value(value)} matches none of the alternatives", schema
        case _:
            return _shortened(error.message, 2 * _VALUE_SHOWN), schema


def _value(value: Json) -> str:
    return _shortened(minified(value), _VALUE_SHOWN)


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… (first {most} of {len(text)} characters)"
