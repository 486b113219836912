"""The audit explorer: rows by filter, newest first, and everything that one request caused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from toolhone.audit_words import subject
from toolhone.exceptions import InvalidRequestError, NotFoundError
from toolhone.models import EventKind, JsonObject
from toolhone.roles import Permission
from toolhone.server.api.given import GivenApp, GivenCaller, allowed
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.formats import query, segment
from toolhone.server.dashboard.layout import render
from toolhone.server.dashboard.timeline import timeline
from toolhone.server.dashboard.typed import one_of
from toolhone.server.dashboard.windows import WINDOWS
from toolhone.stores import AuditQuery

PAGE = 50
"""Rows on a page."""

MOST_ROWS = 2_000
"""Rows of one request that are shown; a batch has at most 1,024 calls."""

KINDS = (("", "any"), *((kind.value, kind.value.replace("_", " ")) for kind in EventKind))
SUCCESS = {"ok": True, "failed": False}
OUTCOMES = (("", "any"), ("ok", "ok"), ("failed", "failed"))
TIMES = (("", "any time"), *((window, f"last {window}") for window in WINDOWS), ("between", "between"))


@dataclass(frozen=True, slots=True)
class Listed:
    """A row and what it is about."""

    row: JsonObject
    subject: str


@dataclass(frozen=True, slots=True)
class Places:
    """The addresses of the pages beside this one, as far as there are any."""

    newer: str | None
    older: str | None


def audit_pages() -> APIRouter:
    router = page_router()

    @router.get("/audit", dependencies=[allowed(Permission.READ_AUDIT)])
    async def explorer(
        request: Request,
        app: GivenApp,
        caller: GivenCaller,
        kind: str = "",
        outcome: str = "",
        tool: str = "",
        server: str = "",
        principal: str = "",
        code: str = "",
        window: str = "",
        since: str = "",
        until: str = "",
        before: int | None = None,
        after: int | None = None,
    ) -> HTMLResponse:
        chosen = {
            "kind": kind,
            "outcome": outcome,
            "tool": tool.strip(),
            "server": server.strip(),
            "principal": principal.strip(),
            "code": code.strip(),
            "window": window,
            "since": since.strip(),
            "until": until.strip(),
        }
        problem = ""
        rows: Sequence[JsonObject] = ()
        try:
            asked = replace(
                _query(chosen), before=before, after=after, newest_first=after is None, limit=PAGE + 1
            )
            rows = await app.oversight.rows(asked, caller=caller)
        except InvalidRequestError as error:
            problem = error.message
        more, rows = len(rows) > PAGE, rows[:PAGE]
        if after is not None:
            rows = rows[::-1]
        return render(
            request,
            "audit.html",
            title="Audit",
            nav="audit",
            rows=[Listed(row, subject(row)) for row in rows],
            chosen=chosen,
            filtered=any(chosen.values()),
            problem=problem,
            places=_places(chosen, rows, more=more, before=before, after=after),
            newest=before is None and after is None,
            kinds=KINDS,
            outcomes=OUTCOMES,
            times=TIMES,
        )

    @router.get("/audit/id", dependencies=[allowed(Permission.READ_AUDIT)])
    async def by_id(app: GivenApp, caller: GivenCaller, id: str = "") -> RedirectResponse:
        """Raises NotFoundError if no request and no call has this id."""
        given = id.strip()
        for asked in (AuditQuery(request_id=given, limit=1), AuditQuery(call_id=given, limit=1)):
            rows = await app.oversight.rows(asked, caller=caller) if given else ()
            if rows and rows[0]["request_id"]:
                return RedirectResponse(f"/audit/requests/{segment(rows[0]['request_id'])}", 303)
        raise NotFoundError(f"The audit has no request and no call with the id {given!r}. Give the whole id.")

    @router.get("/audit/requests/{request_id}", dependencies=[allowed(Permission.READ_AUDIT)])
    async def one(request: Request, app: GivenApp, caller: GivenCaller, request_id: str) -> HTMLResponse:
        """Raises NotFoundError if there is no such request."""
        asked = AuditQuery(request_id=request_id, limit=MOST_ROWS, newest_first=False)
        rows = await app.oversight.rows(asked, caller=caller)
        if not rows:
            raise NotFoundError(f"The audit has no request {request_id!r}. Its rows may have been deleted.")
        drawing = timeline(rows)
        return render(
            request,
            "request.html",
            title=_named(rows),
            nav="audit",
            request_id=request_id,
            rows=rows,
            first=rows[0],
            drawing=drawing,
            failed=sum(line.tone == "failed" for line in drawing.lines),
            tokens=sum(row["tokens_used"] or 0 for row in rows),
        )

    return router


def _query(chosen: Mapping[str, str]) -> AuditQuery:
    """Raises InvalidRequestError if there is no such outcome or time."""
    one_of(SUCCESS, chosen["outcome"], "outcome")
    one_of((*WINDOWS, "between"), chosen["window"], "time")
    since, until = (chosen["since"], chosen["until"]) if chosen["window"] == "between" else ("", "")
    if chosen["window"] in WINDOWS:
        since = (datetime.now(UTC) - WINDOWS[chosen["window"]]).isoformat(timespec="seconds")
    return AuditQuery(
        kinds=(chosen["kind"],) if chosen["kind"] else None,
        tool=chosen["tool"] or None,
        server=chosen["server"] or None,
        principal=chosen["principal"] or None,
        error_code=chosen["code"] or None,
        success=SUCCESS.get(chosen["outcome"]),
        since=since or None,
        until=until or None,
    )


def _places(
    chosen: Mapping[str, str],
    rows: Sequence[JsonObject],
    *,
    more: bool,
    before: int | None,
    after: int | None,
) -> Places:
    """A page ends where its rows do, so what is added meanwhile moves nothing."""
    if not rows:
        return Places(None if before is None and after is None else f"/audit{query(chosen)}", None)
    forward = after is not None
    newer = query(chosen, after=rows[0]["seq"]) if (more if forward else before is not None) else None
    older = query(chosen, before=rows[-1]["seq"]) if (forward or more) else None
    return Places(f"/audit{newer}" if newer else None, f"/audit{older}" if older else None)


def _named(rows: Sequence[JsonObject]) -> str:
    """What kind of request it was."""
    kinds = {row["kind"] for row in rows}
    calls = sum(row["kind"] in {EventKind.CALL, EventKind.REFUSAL} for row in rows)
    if calls > 1:
        return f"A batch of {calls} calls"
    if calls:
        return "A refused request" if EventKind.REFUSAL in kinds else "A call"
    if EventKind.SELECTION in kinds:
        return "A search for tools"
    return f"A request: {', '.join(sorted(kind.replace('_', ' ') for kind in kinds))}"
