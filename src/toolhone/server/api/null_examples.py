"""Gives the examples of the OpenAPI document back their nulls: FastAPI leaves out every null it finds.

An example without them is not valid where a property may be null and must be there all the same.
"""

from typing import cast

from toolhone.models import Json, JsonObject


def restore(document: JsonObject) -> None:
    """Add the missing nulls to the examples of schemas and answers; the document is changed in place."""
    schemas = cast("dict[str, JsonObject]", document["components"]["schemas"])
    for schema in schemas.values():
        for example in schema.get("examples", []):
            _fill(example, schema, schemas)
    for methods in cast("dict[str, dict[str, JsonObject]]", document.get("paths", {})).values():
        for operation in methods.values():
            for response in operation["responses"].values():
                for media in response.get("content", {}).values():
                    if "example" in media:
                        _fill(media["example"], media.get("schema", {}), schemas)


def _fill(value: Json, schema: JsonObject, schemas: dict[str, JsonObject]) -> None:
    schema = _meant(schema, schemas)
    if isinstance(value, list):
        for item in cast("list[Json]", value):
            _fill(item, schema.get("items", {}), schemas)
    if not isinstance(value, dict):
        return
    example = cast(JsonObject, value)
    properties = cast("dict[str, JsonObject]", schema.get("properties", {}))
    for name in schema.get("required", []):
        if name not in example and _nullable(properties.get(name, {})):
            example[name] = None
    for name, part in example.items():
        _fill(part, properties.get(name, {}), schemas)


def _meant(schema: JsonObject, schemas: dict[str, JsonObject]) -> JsonObject:
    """The schema of what is not null, without the reference that leads to it."""
    while True:
        others = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
        if "$ref" in schema:
            schema = schemas[schema["$ref"].removeprefix("#/components/schemas/")]
        elif len(others) == 1:
            (schema,) = others
        else:
            return schema


def _nullable(schema: JsonObject) -> bool:
    if "anyOf" in schema:
        return any(one.get("type") == "null" for one in schema["anyOf"])
    # What does not say what it is may be anything.
    return not schema.keys() & {"type", "$ref", "allOf", "oneOf", "enum", "const"}
