"""What the routers of REST have in common."""

from enum import Enum

from fastapi import APIRouter

from toolhone.server.api.json_answers import JsonAnswer

PREFIX = "/api/v1"


def endpoints(path: str = "", *, tag: str) -> APIRouter:
    """A router of endpoints below this path of REST.

    Its routes are whole as they are: a server takes them over one by one (`routes.api_routes`).
    A router that is included in another would be built anew for each server, and looked through
    twice for each request.
    """
    tags: list[str | Enum] = [tag]
    return APIRouter(prefix=PREFIX + path, tags=tags, default_response_class=JsonAnswer)
