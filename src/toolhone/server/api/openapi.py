"""What the OpenAPI document says of every operation alike: its credentials, and how it refuses.

An operation declares the errors that are its own (`also`). Those that any request can meet are added here,
with the body that `problems.py` gives them, so that no endpoint can forget one or describe it otherwise.
"""

from typing import Any, cast

import anyio
import anyio.to_thread
from fastapi import FastAPI, Request, Response
from pydantic import TypeAdapter

from toolhone.json_values import minified
from toolhone.models import Json, JsonObject
from toolhone.server.api import null_examples
from toolhone.server.api.problems import MEDIA_TYPE, Problem

SCHEMES: JsonObject = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API token (`toolhone tokens issue`), or a JWT if an OAuth issuer is configured.",
    },
    "login": {
        "type": "apiKey",
        "in": "cookie",
        "name": "toolhone_session_8000",
        "description": "The login of a browser at the dashboard. The port is part of its name, and over "
        "https it begins with `__Host-`. Unsafe methods need the CSRF token too.",
    },
}

_WORDS: dict[int, tuple[str, str, str]] = {
    400: (
        "invalid_request",
        "The request is not valid.",
        "The task is empty (''). Say in words what is to be done.",
    ),
    401: (
        "not_authenticated",
        "A credential is needed, and none that is valid was given.",
        "Send an API token: Authorization: Bearer TOKEN.",
    ),
    403: (
        "permission_denied",
        "The caller may not do this.",
        "The role 'agent' has not the permission 'train'; it takes admin.",
    ),
    404: ("not_found", "There is nothing of this name or id.", "There is no tool 'get_wether'."),
    409: (
        "invalid_configuration",
        "It cannot be done as things stand.",
        "There is no server 'github'. Configured are: git, time.",
    ),
    413: ("too_large", "The body is too large.", "A body may have 4,194,304 bytes."),
    422: (
        "invalid_request",
        "The request is not valid.",
        "max_tools: Input should be less than or equal to 50",
    ),
    429: ("rate_limited", "Too many requests in the last minute.", "Try again in 12 s."),
    500: (
        "internal_error",
        "Something went wrong in toolhone.",
        "toolhone's log says what went wrong.",
    ),
    502: (
        "provider_failed",
        "The provider could not do it.",
        "The provider of fine-tuning answered with 500.",
    ),
    503: (
        "storage_failed",
        "toolhone cannot do this now.",
        "The audit event could not be written, so nothing goes on.",
    ),
}
"""By status: a code, a title and a detail that it can come with. Each is one that some operation answers."""

ANY = (400, 401, 403, 422, 429, 500, 503)
"""What any operation may answer."""

WITH_BODY = (413,)


def also(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of one operation besides those of every operation; for `responses=`."""
    return {status: {"description": _WORDS[status][1]} for status in statuses}


PATH = "/api/v1/openapi.json"


def install(api: FastAPI) -> None:
    """Answer with the complete document at `PATH`, for every caller that is known."""
    making = anyio.Lock()
    made: list[bytes] = []

    async def document(request: Request) -> Response:
        async with making:
            if not made:
                # A second of work, once, which nobody else shall wait for.
                made.append(
                    await anyio.to_thread.run_sync(lambda: minified(completed(api.openapi())).encode())
                )
        return Response(made[0], media_type="application/json")

    api.add_route(PATH, document, methods=["GET"], include_in_schema=False)


def completed(document: JsonObject) -> JsonObject:
    """The document with credentials and errors in every operation; changed in place."""
    components: JsonObject = document.setdefault("components", {})
    schemas: JsonObject = components.setdefault("schemas", {})
    for theirs in ("HTTPValidationError", "ValidationError"):
        schemas.pop(theirs, None)
    schemas["Problem"] = TypeAdapter(Problem).json_schema(ref_template="#/components/schemas/{model}")
    components["securitySchemes"] = SCHEMES
    components["responses"] = {f"Problem{status}": _response(status) for status in _WORDS}
    document["security"] = [{name: []} for name in SCHEMES]
    for methods in cast("dict[str, JsonObject]", document.get("paths", {})).values():
        for operation in methods.values():
            if isinstance(operation, dict) and "responses" in operation:
                _complete(cast(JsonObject, operation))
    null_examples.restore(document)
    return document


def _complete(operation: JsonObject) -> None:
    responses = cast("dict[str, JsonObject]", operation["responses"])
    always = (*ANY, *(WITH_BODY if "requestBody" in operation else ()))
    given = {int(status): told for status, told in responses.items() if status.isdecimal()}
    for status in sorted({*always, *(status for status in given if status >= 400)}):
        reference: JsonObject = {"$ref": f"#/components/responses/Problem{status}"}
        said: Json = given.get(status, {}).get("description")
        if said and said not in {_WORDS[status][1], "Validation Error"}:
            reference["description"] = said
        responses[str(status)] = reference


def _response(status: int) -> JsonObject:
    code, title, detail = _WORDS[status]
    example = {
        "type": f"urn:toolhone:error:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
    }
    response: JsonObject = {
        "description": title,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}},
    }
    if status == 429:
        response["headers"] = {
            "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}}
        }
    return response
