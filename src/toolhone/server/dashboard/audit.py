"""The audit explorer: rows by filter, newest first, and everything that one request caused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from toolhone.app import App
from toolhone.audit_words import subject
from toolhone.exceptions import InvalidRequestError, NotFoundError
from toolhone.models import EventKind, JsonObject
from toolhone.roles import Permission
from toolhone.server.api.given import GivenApp, allowed
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.formats import query, segment
from toolhone.server.dashboard.layout import render
from toolhone.server.dashboard.timeline import timeline
from toolhone.stores import AuditQuery

PAGE = 50
"""Rows on a page."""

MOST_ROWS = 2_000
"""Rows of one request that are shown; a batch has at most 1,024 calls."""

WINDOWS = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}

OUTCOMES = (("", "any"), ("ok", "ok"), ("failed", "failed"))


@dataclass(frozen=True, slots=True)
class Listed:
    """A row and what it is about."""

    row: JsonObject
    subject: str


def audit_pages() -> APIRouter:
    router = page_router()

    @router.get("/audit", dependencies=[allowed(Permission.READ_AUDIT)])
    async def explorer(
        request: Request,
        app: GivenApp,
        kind: str = "",
        outcome: str = "",
        tool: str = "",
        server: str = "",
        principal: str = "",
        window: str = "",
        since: str = "",
        until: str = "",
        before: int = 0,
        after: int = 0,
    ) -> HTMLResponse:
        chosen = {
            "kind": kind,
            "outcome": outcome,
            "tool": tool.strip(),
            "server": server.strip(),
            "principal": principal.strip(),
            "window": window if window in WINDOWS else "",
            "since": since.strip(),
            "until": until.strip(),
        }
        rows = await app.audit.query(_query(chosen, before, after))
        return render(
            request,
            "audit.html",
            title="Audit",
            nav="audit",
            rows=[Listed(row, subject(row)) for row in rows],
            chosen=chosen,
            filtered=any(chosen.values()),
            newer=None,
            older=None,
            kinds=[("", "any"), *((one.value, one.value.replace("_", " ")) for one in EventKind)],
            outcomes=OUTCOMES,
            windows=[("", "any time"), *((one, f"last {one}") for one in WINDOWS)],
            newest=not before and not after,
        )

    return router
