"""The jsonschema library as toolhone uses it: strict about parameters, deaf to the network. Pure.

Differences from the library as it comes: a remote `$ref` is never fetched; patterns run bounded
(`patterns.py`); `required` and `additionalProperties` give one error a property. `format` stays an
annotation, as the 2020-12 draft says: a tool may accept more than a format checker does.

Import this module only when a value is to be checked: the library takes 80 ms to load.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, TypeAlias, cast

from jsonschema import FormatChecker, validators
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema_specifications import REGISTRY
from referencing.exceptions import Unresolvable

from toolhone.exceptions import UnusableSchemaError
from toolhone.execution import patterns
from toolhone.json_values import is_object
from toolhone.models import Json, JsonObject

UNUSABLE = (Unresolvable, re.error, RecursionError, TypeError, ValueError, KeyError, AttributeError)
"""What a schema that passed its own check can still raise in use: a reference that leads nowhere, endless
recursion, a keyword of the wrong shape in a place the meta-schema does not reach."""


class Validator(Protocol):
    """The part of a jsonschema validator that is used here."""

    def iter_errors(self, instance: Json) -> Iterator[ValidationError]: ...

    def is_type(self, instance: Json, type: str) -> bool: ...

    def descend(
        self, instance: Json, schema: Json, path: str | None = None, schema_path: str | None = None
    ) -> Iterator[ValidationError]: ...


def _pattern(
    validator: Validator, pattern: str, instance: Json, schema: JsonObject
) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string") and patterns.search(pattern, instance) is False:
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Validator, properties: Mapping[str, Json], instance: Json, schema: JsonObject
) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    for pattern, subschema in properties.items():
        for name, value in instance.items():
            if patterns.search(pattern, name):
                yield from validator.descend(value, subschema, path=name, schema_path=pattern)


def _additional_properties(
    validator: Validator, allowed: Json, instance: Json, schema: JsonObject
) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    known = schema.get("properties", {})
    named = list(schema.get("patternProperties", {}))
    for name, value in instance.items():
        # A pattern that cannot be run may well match, so what it names is not refused.
        if name in known or any(patterns.search(pattern, name) is not False for pattern in named):
            continue
        if validator.is_type(allowed, "object"):
            yield from validator.descend(value, allowed, path=name)
        elif allowed is False:
            yield ValidationError(f"{name!r} is not allowed here", path=[name])


def _required(
    validator: Validator, names: list[str], instance: Json, schema: JsonObject
) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    for name in names:
        if name not in instance:
            yield ValidationError(f"{name!r} is required", path=[name])


_KEYWORDS: dict[str, Callable[..., Iterator[ValidationError]]] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "required": _required,
}

_Extend: TypeAlias = Callable[
    [type, Mapping[str, Callable[..., Iterator[ValidationError]]]], Callable[..., Validator]
]

_DEFAULT_DRAFT: Json = validators.Draft202012Validator
_classes: dict[type, Callable[..., Validator]] = {}


def compile_schema(schema: Json) -> Validator:
    """A validator for the schema, by the draft it names, else 2020-12.

    Raises:
        UnusableSchemaError: It is not a JSON Schema.
    """
    try:
        # `$schema` of another type would not be hashable, and is not a draft anyway.
        named = is_object(schema) and isinstance(schema.get("$schema"), str)
        draft: Json = validators.validator_for(schema if named else {}, default=_DEFAULT_DRAFT)
        # Without formats: JavaScript's regular expressions are not all Python's.
        draft.check_schema(schema, format_checker=FormatChecker(()))
    except SchemaError as exc:
        where = "/".join(str(part) for part in exc.absolute_path)
        raise UnusableSchemaError(
            f"The JSON Schema is not valid at {where or 'the top'!r}: {exc.message[:300]}"
        ) from exc
    except UNUSABLE as exc:
        raise UnusableSchemaError(f"The JSON Schema cannot be read: {exc!r}"[:300]) from exc
    if draft not in _classes:
        # Draft 3 spells `required` as a boolean beside the property.
        keywords = {} if draft is validators.Draft3Validator else _KEYWORDS
        extend = cast(_Extend, validators.extend)  # pyright: ignore[reportUnknownMemberType]
        _classes[draft] = extend(draft, keywords)
    return _classes[draft](schema, registry=REGISTRY)
