"""JSON bodies of requests over HTTP: refused before anybody reads them if a number in them is none of JSON's.

REST, `/mcp` and `/messages` have a reader each, and all of them take NaN.
"""

import anyio.to_thread
from mcp_types import PARSE_ERROR
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from toolhone.server.api.json_answers import JsonAnswer
from toolhone.server.api.problems import problem
from toolhone.server.guard import UPLOADS
from toolhone.server.numbers import impossible_number
from toolhone.server.paths import PROTOCOLS, is_in
from toolhone.server.same_page import SAFE
from toolhone.server.unreadable import not_carried, request_id
from toolhone.server.whole_bodies import read_whole

AT_ONCE = 65_536
"""Bytes. Larger bodies are looked through in a worker thread, so that others are answered meanwhile."""


class JsonBodies:
    """The ASGI middleware inside of authentication, so that only who is known has a body read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_json(scope):
            await self._app(scope, receive, send)
            return
        body, receive = await read_whole(receive)
        if len(body) > AT_ONCE:
            refusal = await anyio.to_thread.run_sync(_refusal, scope, body)
        else:
            refusal = _refusal(scope, body)
        await (refusal or self._app)(scope, receive, send)


def _has_json(scope: Scope) -> bool:
    """Whether a reader may take the body for JSON. Of what is imported, each line is looked at for itself."""
    if scope["method"] in SAFE or scope["path"] == UPLOADS:
        return False
    # MCP is JSON, whatever it is called.
    is_called_so = "json" in Headers(scope=scope).get("content-type", "").lower()
    return is_called_so or is_in(scope["path"], PROTOCOLS)


def _refusal(scope: Scope, body: bytes) -> Response | None:
    """What answers a body that nobody may read; `None` if it is readable, for all that is known here."""
    number = impossible_number(body)
    if number is None:
        return None
    told = not_carried(number)
    if is_in(scope["path"], PROTOCOLS):
        asked = request_id(body.decode("utf-8", "replace"))
        return JsonAnswer(
            {"jsonrpc": "2.0", "id": asked, "error": {"code": PARSE_ERROR, "message": told}}, 400
        )
    errors = [{"field": "body", "in": "body", "message": told}]
    return problem(422, "invalid_request", "The request is not valid.", f"body: {told}", errors=errors)
