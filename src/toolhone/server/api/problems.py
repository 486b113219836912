"""Errors over REST: problem details as of RFC 9457, one for each of ours and for what FastAPI refuses."""

import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from toolhone.exceptions import (
    BudgetExceededError,
    CallTimeoutError,
    ConfigurationError,
    ConflictError,
    InvalidArgumentsError,
    InvalidRequestError,
    ModelUnavailableError,
    NotAuthenticatedError,
    NotFoundError,
    NotRunningError,
    PermissionDeniedError,
    ProviderError,
    ProviderNotSetUpError,
    RateLimitedError,
    ReusedKeyError,
    ServerUnavailableError,
    StorageError,
    ToolhoneError,
    UnknownHandleError,
    UnknownToolError,
)
from toolhone.identifiers import REQUEST
from toolhone.models import Json, JsonObject
from toolhone.server.answer_headers import HEADERS
from toolhone.server.api.json_answers import JsonAnswer

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

IN_THE_LOG = "toolhone's log says what went wrong, with the request {}."

REFUSED = "toolhone.refused"
"""Where in an ASGI scope the error stands by which its caller was refused, for the record."""

STATUS: tuple[tuple[type[ToolhoneError], int], ...] = (
    (NotAuthenticatedError, 401),
    (PermissionDeniedError, 403),
    (NotFoundError, 404),
    (UnknownToolError, 404),
    (UnknownHandleError, 404),
    (BudgetExceededError, 409),
    (ConflictError, 409),
    (ReusedKeyError, 422),
    (InvalidRequestError, 400),
    (InvalidArgumentsError, 422),
    (RateLimitedError, 429),
    (ConfigurationError, 409),
    (ProviderNotSetUpError, 409),
    (ProviderError, 502),
    (ServerUnavailableError, 503),
    (NotRunningError, 503),
    (ModelUnavailableError, 503),
    (StorageError, 503),
    (CallTimeoutError, 504),
)
"""The first class that an error is of says its status; what is of none is a fault of ours."""


class Problem(BaseModel):
    """The body of every error, as `application/problem+json` (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:toolhone:error:not_found",
                    "title": "There is nothing of this name or id.",
                    "status": 404,
                    "detail": "There is no job 'finetune_core_security_x'.",
                    "code": "not_found",
                }
            ]
        }
    )

    type: str
    """`urn:toolhone:error:CODE`."""
    title: str
    status: int
    detail: str
    code: str
    """Stable, and the same as over MCP."""
    errors: list[JsonObject] = []
    """Which part of the request is not valid, and why."""


def status_of(error: ToolhoneError) -> int:
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def problem(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    errors: list[JsonObject] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    body: JsonObject = {
        "type": f"urn:toolhone:error:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        **({"errors": errors} if errors else {}),
    }
    return JsonAnswer(body, status, headers=headers, media_type=MEDIA_TYPE)


def of_error(error: ToolhoneError) -> JSONResponse:
    title = (type(error).__doc__ or error.code).strip().splitlines()[0]
    wait = error.data.get("retry_after")
    headers = None if wait is None else {"Retry-After": str(wait)}
    return problem(status_of(error), error.code, title, error.message, headers=headers)


def note_refusal(request: Request, error: ToolhoneError) -> None:
    """Keep what a caller was refused for, if it was: who records it sees only the status otherwise."""
    if isinstance(error, PermissionDeniedError):
        request.scope[REFUSED] = error


def install(api: FastAPI) -> None:
    """Let every error of the application be answered as a problem."""

    async def ours(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ToolhoneError)
        note_refusal(request, error)
        return of_error(error)

    async def refused(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        errors = [_told(one) for one in error.errors()]
        detail = "; ".join(f"{one['field']}: {one['message']}" for one in errors)
        return problem(422, "invalid_request", "The request is not valid.", detail, errors=errors)

    async def plain(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        if error.status_code == 400 and error.__cause__ is not None:
            return problem(400, "invalid_request", "The request is not valid.", _unreadable(error.__cause__))
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_request")
        return problem(error.status_code, code, str(error.detail), str(error.detail), headers=error.headers)

    async def fault(request: Request, error: Exception) -> JSONResponse:
        request_id = REQUEST.get()
        what = f"{request.method} {request.url.path}"
        logger.error("%s failed (request %s)", what, request_id, exc_info=error)
        # Answered outside of all that adds headers to answers.
        headers = {**HEADERS, **({} if request_id is None else {"X-Request-Id": request_id})}
        title = "Something went wrong in toolhone."
        return problem(500, "internal_error", title, IN_THE_LOG.format(request_id), headers=headers)

    api.add_exception_handler(ToolhoneError, ours)
    api.add_exception_handler(RequestValidationError, refused)
    api.add_exception_handler(HTTPException, plain)
    api.add_exception_handler(Exception, fault)


def _told(error: Mapping[str, Json]) -> JsonObject:
    """What is wrong and where, without what was sent: it may be a secret, or very long."""
    if error["type"] == "json_invalid":
        # Its location is a place in the text, which reads like the name of a field.
        why, place = error["ctx"]["error"], error["loc"][-1]
        return {"field": "body", "in": "body", "message": f"It is not JSON: {why} at character {place}."}
    where = [str(part) for part in error["loc"]]
    return {"field": ".".join(where[1:]) or where[0], "in": where[0], "message": str(error["msg"])}


def _unreadable(cause: BaseException) -> str:
    """Why FastAPI could not read a body, though it is no error of JSON's syntax."""
    if isinstance(cause, RecursionError):
        return "The body's JSON is nested too deeply. Send it with fewer levels."
    if isinstance(cause, UnicodeError):
        return "The body is not UTF-8. Send JSON as UTF-8."
    if isinstance(cause, ValueError):
        return "A number in the body has too many digits. Send it as a string."
    return "The body cannot be read. Send JSON as UTF-8."
