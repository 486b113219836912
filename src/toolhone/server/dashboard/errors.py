"""Errors as pages: whatever a page's route raises is said in HTML, to people."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse

from toolhone.exceptions import NotAuthenticatedError, ToolhoneError
from toolhone.identifiers import REQUEST
from toolhone.server.api.problems import IN_THE_LOG, note_refusal, status_of
from toolhone.server.dashboard.layout import render, render_bare

logger = logging.getLogger(__name__)

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

HEADINGS = {
    400: "This request is not valid",
    403: "You may not do this",
    404: "There is nothing here",
    405: "This address does not do that",
    409: "This cannot be done now",
    422: "This request is not valid",
    429: "Too many requests",
}


class PageRoute(APIRoute):
    """A route whose errors are pages. What can be asked for with GET can be with HEAD."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        if self.methods is not None and "GET" in self.methods:
            self.methods.add("HEAD")

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except NotAuthenticatedError:
                return RedirectResponse("/login", 303)
            except ToolhoneError as error:
                note_refusal(request, error)
                return error_page(request, status_of(error), error.message, code=error.code)
            except RequestValidationError as error:
                fields = "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors())
                return error_page(request, 422, f"{fields}.", code="invalid_request")
            except HTTPException as error:
                return error_page(request, error.status_code, str(error.detail))
            except Exception:
                # The request ends here. What went wrong stands in the log, not on a page.
                request_id = REQUEST.get()
                logger.exception("%s %s failed (request %s)", request.method, request.url.path, request_id)
                return error_page(request, 500, IN_THE_LOG.format(request_id), code="internal_error")

        return answered


def page_router() -> APIRouter:
    """A router of pages."""
    return APIRouter(route_class=PageRoute, include_in_schema=False)


def error_page(request: Request, status: int, message: str, *, code: str = "") -> Response:
    """What went wrong, and what to do next."""
    heading = HEADINGS.get(status, "This did not work")
    try:
        return render(
            request,
            "error.html",
            title=heading,
            http_status=status,
            status=status,
            message=message,
            code=code,
        )
    except NotAuthenticatedError:
        return render_bare("bare_error.html", title=heading, status=status, message=message)


def install(api: FastAPI) -> None:
    """Let a browser that asks for a page that is not there get a page that says so."""
    others = api.exception_handlers[HTTPException]

    async def missing(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        wants_page = "text/html" in request.headers.get("accept", "")
        if wants_page and not request.url.path.startswith("/api/"):
            return error_page(request, 404, f"There is no page {request.url.path!r}.", code="not_found")
        answered = others(request, error)
        if isinstance(answered, Response):
            return answered
        response = await answered  # pyright: ignore[reportUnknownVariableType, reportGeneralTypeIssues]
        assert isinstance(response, Response)
        return response

    api.add_exception_handler(404, missing)
