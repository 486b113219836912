"""The catalog: every tool that the caller may use, and one tool in full."""

from dataclasses import dataclass
from datetime import timedelta

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from toolhone import tokens
from toolhone.access import allows
from toolhone.answers import definition_json, wire_form
from toolhone.app import App
from toolhone.compression.levels import LEFT_OUT, Level
from toolhone.compression.rendering import render as rendered
from toolhone.exceptions import UnknownToolError
from toolhone.models import Caller, Category, EventKind, JsonObject, ToolDefinition
from toolhone.roles import Permission
from toolhone.server.api.given import GivenApp, GivenCaller, GivenGateway, allowed
from toolhone.server.dashboard.call_charts import over_time
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.layout import render
from toolhone.stores import AuditQuery

PAGE = 100
"""Tools on a page."""

RECENT = 10

WINDOW = timedelta(days=7)
"""Of a tool's figures."""

SHOWN_LEVELS = (Level.INDEX, Level.TYPES, Level.BRIEF, Level.FULL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A tool at one level of detail, as an agent reads it."""

    level: Level
    text: str
    tokens: int
    left_out: str


def catalog_pages() -> APIRouter:
    router = page_router()

    @router.get("/tools", dependencies=[allowed(Permission.FIND_TOOLS)])
    async def tools(
        request: Request,
        gateway: GivenGateway,
        caller: GivenCaller,
        q: str = "",
        server: str = "",
        category: str = "",
        page: int = 1,
    ) -> HTMLResponse:
        gateway.expect_question()  # the search is one step from here
        everything = gateway.tools(caller)
        found = [tool for tool in everything if _matches(tool, q.casefold().split(), server, category)]
        last = max(1, -(-len(found) // PAGE))
        page = min(max(page, 1), last)
        return render(
            request,
            "tools.html",
            title="Tools",
            nav="tools",
            tools=found[(page - 1) * PAGE : page * PAGE],
            found=len(found),
            total=len(everything),
            servers=sorted({tool.server or "local" for tool in everything}),
            categories=[one.value for one in Category],
            chosen={"q": q, "server": server, "category": category},
            page=page,
            last=last,
        )

    @router.get("/tools/{name}", dependencies=[allowed(Permission.FIND_TOOLS)])
    async def tool(
        request: Request, gateway: GivenGateway, app: GivenApp, caller: GivenCaller, name: str
    ) -> HTMLResponse:
        known = gateway.tool(name, caller)
        if known is None:
            near = ", ".join(gateway.near(name, caller))
            raise UnknownToolError(f"There is no tool {name!r}.{f' Did you mean {near}?' if near else ''}")
        levels, as_json = await anyio.to_thread.run_sync(_written, known)
        may_read = allows(caller, Permission.READ_AUDIT)
        figures = await app.figures.tool(known.name, WINDOW) if may_read else None
        return render(
            request,
            "tool.html",
            title=known.name,
            nav="tools",
            tool=known,
            definition=definition_json(known),
            levels=levels,
            json_tokens=as_json,
            recent=await _recent(app, caller, known.name) if may_read else [],
            figures=figures,
            charts=bool(figures and figures.total.calls),
            over_time=over_time(figures) if figures else [],
        )

    return router


def _matches(tool: ToolDefinition, words: list[str], server: str, category: str) -> bool:
    if server and tool.server_name != server:
        return False
    if category and tool.category.value != category:
        return False
    text = f"{tool.name} {tool.description}".casefold()
    return all(word in text for word in words)


def _written(tool: ToolDefinition) -> tuple[list[Written], int]:
    """The tool at each level, and its tokens as JSON."""
    wire = wire_form(tool)
    levels: list[Written] = []
    for level in SHOWN_LEVELS:
        text = rendered([wire], level).text
        levels.append(
            Written(level=level, text=text, tokens=tokens.count_tokens(text), left_out=LEFT_OUT[level])
        )
    return levels, tokens.count_json(wire)


async def _recent(app: App, caller: Caller, name: str) -> list[JsonObject]:
    asked = AuditQuery(tool=name, kinds=(EventKind.CALL, EventKind.REFUSAL), limit=RECENT)
    return await app.oversight.rows(asked, caller=caller)
