"""The OpenAPI document is complete: whoever writes a client from it needs nothing else."""

from collections.abc import Iterator
from typing import TypeAlias, cast

import httpx2
import pytest
from jsonschema import Draft202012Validator

from toolhone.models import Json, JsonObject
from toolhone.server.api.openapi import ANY, SCHEMES

Rest: TypeAlias = Json

Operation: TypeAlias = tuple[str, JsonObject]


@pytest.fixture(scope="module")
async def document(admin: httpx2.AsyncClient) -> JsonObject:
    response = await admin.get("/api/v1/openapi.json")
    assert response.status_code == 200
    return response.json()


@pytest.fixture(scope="module")
def operations(document: JsonObject) -> list[Operation]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def without(operations: list[Operation], *keys: str) -> list[str]:
    """The operations that lack something."""
    return [name for name, operation in operations for key in keys if not operation.get(key)]


def schemas(document: JsonObject, part: JsonObject) -> Json:
    """A schema that stands in the document, without the reference that leads to it."""
    while "$ref" in part:
        found: Json = document
        for key in part["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        part = cast(JsonObject, found)
    return part


def shown(document: JsonObject, schema: JsonObject) -> list[Json]:
    """The examples of a schema, or made of those of its parts."""
    schema = schemas(document, schema)
    given: list[Json] = list(schema.get("examples", []))
    for part in schema.get("anyOf", []):
        given += shown(document, part)
    if not given and schema.get("type") == "array":
        given = [shown(document, schema["items"])]
    return given


def examples(document: JsonObject, media: JsonObject) -> list[Json]:
    given: list[Json] = [one["value"] for one in media.get("examples", {}).values()]
    return [
        *given,
        *([media["example"]] if "example" in media else []),
        *shown(document, media.get("schema", {})),
    ]


def successes(operation: JsonObject) -> Iterator[JsonObject]:
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            yield response


async def test_every_operation_says_what_it_does(operations: list[Operation]) -> None:
    assert len(operations) > 50
    assert without(operations, "operationId", "summary", "description", "tags") == []


async def test_every_operation_has_a_name_of_its_own(operations: list[Operation]) -> None:
    names = [operation["operationId"] for _, operation in operations]

    assert len(names) == len(set(names))


async def test_every_operation_asks_for_a_credential(
    document: JsonObject, operations: list[Operation]
) -> None:
    assert document["components"]["securitySchemes"].keys() == SCHEMES.keys()
    assert document["security"] == [{"token": []}, {"login": []}]
    assert [name for name, operation in operations if operation.get("security") == []] == []


async def test_every_error_is_a_problem(document: JsonObject, operations: list[Operation]) -> None:
    missing = [
        f"{name}: {status}"
        for name, operation in operations
        for status in ANY
        if str(status) not in operation["responses"]
    ]
    others = [
        f"{name}: {status}"
        for name, operation in operations
        for status, response in operation["responses"].items()
        if int(status) >= 400 and list(schemas(document, response)["content"]) != ["application/problem+json"]
    ]

    assert (missing, others) == ([], [])


async def test_every_body_and_answer_has_an_example_that_is_valid(
    document: JsonObject, operations: list[Operation]
) -> None:
    lacking: list[str] = []
    wrong: list[str] = []
    for name, operation in operations:
        parts = [("body", operation["requestBody"])] if "requestBody" in operation else []
        parts += [("answer", response) for response in successes(operation)]
        for kind, part in parts:
            for media_type, media in schemas(document, part).get("content", {}).items():
                if media_type != "application/json":
                    continue  # a stream, a page, a file: its description says what it holds
                given = examples(document, media)
                if not given:
                    lacking.append(f"{name}: {kind}")
                schema = {**media["schema"], "components": document["components"]}
                validator: Json = Draft202012Validator(schema)
                wrong += [
                    f"{name}: {kind}: {error.message}"
                    for example in given
                    for error in validator.iter_errors(example)
                ]

    assert (lacking, wrong) == ([], [])


async def test_every_parameter_of_a_query_is_bounded(operations: list[Operation]) -> None:
    """Nobody can send a megabyte in an address, but an integer without bounds has no place in a database."""
    wrong = [
        f"{name}: {parameter['name']}"
        for name, operation in operations
        for parameter in operation.get("parameters", [])
        for schema in [parameter["schema"], *parameter["schema"].get("anyOf", [])]
        if schema.get("type") in {"integer", "number"} and not {"maximum", "exclusiveMaximum"} & schema.keys()
    ]

    assert wrong == []
