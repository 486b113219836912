"""The page of snapshots: how much of agents' work is kept, and each piece as it is kept."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from toolhone.records.snapshots import Snapshot, SnapshotQuery
from toolhone.roles import Permission
from toolhone.server.api.given import GivenCaller, GivenSystem, allowed
from toolhone.server.api.given_pages import GivenPages
from toolhone.server.api.paging import cursor_of, place_of
from toolhone.server.dashboard.category_choice import ALL_CATEGORIES, category_of
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.formats import pretty, query
from toolhone.server.dashboard.layout import render
from toolhone.server.dashboard.typed import one_of

SHOWN = 25

OUTCOMES = [("", "All"), ("yes", "Worked"), ("no", "Failed")]
SUCCESS = {"yes": True, "no": False}

LONGEST = 4_000
"""Characters shown of what an agent was given, and of what it answered."""


def snapshots_pages() -> APIRouter:
    router = page_router()

    @router.get("/snapshots", dependencies=[allowed(Permission.READ_WORK)])
    async def snapshots(
        request: Request,
        pages: GivenPages,
        system: GivenSystem,
        caller: GivenCaller,
        category: str = "",
        agent: str = "",
        task_type: str = "",
        outcome: str = "",
        cursor: str = "",
    ) -> HTMLResponse:
        counts = await system.counts(caller=caller)
        asked = SnapshotQuery(
            category=category_of(category),
            agent_id=agent.strip() or None,
            task_type=task_type.strip() or None,
            success=SUCCESS.get(one_of(SUCCESS, outcome, "outcome")),
            after=_place(cursor) if cursor else None,
            newest_first=True,
        )
        found, more = await pages.snapshots(asked, SHOWN, caller=caller)
        filters = {"category": category, "agent": agent, "task_type": task_type, "outcome": outcome}
        return render(
            request,
            "snapshots.html",
            title="Snapshots",
            nav="snapshots",
            counts=counts,
            total=sum(count.snapshots for count in counts),
            snapshots=[(one, _cut(one)) for one in found],
            older=query(filters, cursor=_cursor(found[-1])) if more else None,
            newest=query(filters) if cursor else None,
            filtered=any(filters.values()),
            categories=ALL_CATEGORIES,
            outcomes=OUTCOMES,
            filters=filters,
        )

    return router


def _cursor(last: Snapshot) -> str:
    return cursor_of(last.recorded_at, last.snapshot_id)


def _place(cursor: str) -> tuple[str, str]:
    at, snapshot_id = place_of(cursor, str, str)
    return str(at), str(snapshot_id)


def _cut(snapshot: Snapshot) -> tuple[str, str]:
    """What it was given and what it answered, as far as the list shows it."""
    given, answered = (pretty(value) for value in (snapshot.input_data, snapshot.output_data))
    return _shown(given), _shown(answered)


def _shown(text: str) -> str:
    left = len(text) - LONGEST
    return text if left <= 0 else f"{text[:LONGEST]}\n… {left:,} more characters"
