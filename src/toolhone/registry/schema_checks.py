"""Is a tool's inputSchema or outputSchema a JSON Schema that can be used here?"""

from collections.abc import Iterator
from typing import NamedTuple, cast

from toolhone.models import Json, JsonObject
from toolhone.pointers import pointer, tokens_of
from toolhone.registry.schema_shape import shape_problem

_MAPS_OF_SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_DATA = frozenset({"const", "default", "enum", "examples", "example"})


class Issue(NamedTuple):
    """Something wrong in a document, at a JSON Pointer into it."""

    field: str
    message: str


def form_issues(schema: JsonObject, field: str, *, for_input: bool) -> list[Issue]:
    """What is wrong at first sight: cheap enough for every start."""
    problem = shape_problem(schema, of_object=False)
    if problem is not None:
        return [Issue(field, f"is not a JSON Schema: {problem}")]
    issues: list[Issue] = []
    if for_input and schema.get("type") != "object":
        issues.append(Issue(f"{field}/type", 'must be "object"'))
    for place, reference in _references(schema, field):
        if not reference.startswith("#"):
            issues.append(Issue(place, f"{reference!r} is a remote reference; put what it names under $defs"))
        elif reference.startswith("#/") and not _resolves(schema, reference[1:]):
            issues.append(Issue(place, f"{reference!r} names nothing in this schema"))
    return issues


def metaschema_issues(schema: JsonObject, field: str) -> list[Issue]:
    """Everything the metaschema of its own dialect says against it."""
    # jsonschema takes a fifth of a second to import, so nothing that runs at start-up may come here.
    from jsonschema.validators import Draft202012Validator, validator_for

    dialect: Json = validator_for(schema, default=Draft202012Validator)
    validator: Json = dialect(dialect.META_SCHEMA, format_checker=dialect.FORMAT_CHECKER)
    return [
        Issue(field + pointer(error.absolute_path), str(error.message))
        for error in validator.iter_errors(schema)
    ]


def _references(value: Json, place: str, *, is_map: bool = False) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for index, item in enumerate(cast("list[Json]", value)):
            yield from _references(item, f"{place}/{index}")
    elif isinstance(value, dict):
        for key, member in cast("dict[str, Json]", value).items():
            here = place + pointer([key])
            if is_map:
                yield from _references(member, here)
            elif key in ("$ref", "$dynamicRef") and isinstance(member, str):
                yield here, member
            elif key not in _DATA:
                yield from _references(member, here, is_map=key in _MAPS_OF_SCHEMAS)


def _resolves(schema: JsonObject, reference: str) -> bool:
    value: Json = schema
    for key in tokens_of(reference):
        if isinstance(value, dict) and key in value:
            value = cast("Json", value[key])
        elif isinstance(value, list) and key.isdigit() and int(key) < len(cast("list[Json]", value)):
            value = cast("list[Json]", value)[int(key)]
        else:
            return False
    return True
