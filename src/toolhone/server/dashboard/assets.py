"""Styles and scripts of the pages: files of this package, at addresses that change with their content."""

import hashlib
from functools import cache
from importlib import resources

from fastapi import APIRouter, Request
from fastapi.responses import Response

from toolhone.exceptions import NotFoundError
from toolhone.plots.page import chart_library

PATH = "/static"

TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

LIBRARY = "chart.js"
"""Chart.js, which the reports have too."""

NAMES = (LIBRARY, "charts.js", "icon.svg", "live.js", "page.js", "theme.js", "toolhone.css")


def assets_router() -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.api_route(f"{PATH}/{{name}}", methods=["GET", "HEAD"])
    async def asset(request: Request, name: str) -> Response:
        """Raises NotFoundError if there is none of this name."""
        if name not in NAMES:
            raise NotFoundError(f"There is no asset {name!r}.")
        content, mark = _loaded(name)
        headers = {
            # The address has the mark in it, so what it names never changes.
            "Cache-Control": "public, max-age=31536000, immutable" if request.url.query else "no-cache",
            "ETag": f'"{mark}"',
            "X-Content-Type-Options": "nosniff",
        }
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=TYPES[name[name.rindex(".") :]], headers=headers)

    return router


def address(name: str) -> str:
    """Where a page finds the asset of this name."""
    assert name in NAMES, name
    return f"{PATH}/{name}?{_loaded(name)[1]}"


@cache
def _loaded(name: str) -> tuple[bytes, str]:
    """Content and mark."""
    if name == LIBRARY:
        content = chart_library().encode()
    else:
        content = (resources.files("toolhone.server.dashboard") / "static" / name).read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:16]
