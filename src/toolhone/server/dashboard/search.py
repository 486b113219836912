"""Search as an agent does it: a task, the tools that are found, why, and the text that the agent gets."""

from dataclasses import dataclass, replace
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from toolhone import tokens
from toolhone.answers import wire_form
from toolhone.compression.levels import Level
from toolhone.exceptions import InvalidRequestError
from toolhone.finding import Found
from toolhone.found_text import FoundTool
from toolhone.models import Category
from toolhone.roles import Permission
from toolhone.selection.question import MAX_TOOLS
from toolhone.server.api.given import GivenCaller, GivenGateway, allowed
from toolhone.server.dashboard.category_choice import category_of
from toolhone.server.dashboard.errors import page_router
from toolhone.server.dashboard.layout import render
from toolhone.server.dashboard.typed import whole_number

MOST_TOKENS = 1_000_000
"""More than any context has."""

CLIENT = "dashboard"
"""Under which name the record has who searches here."""

EXAMPLES = (
    "convert a time of day from one time zone to another",
    "show the last commits of a git repository",
    "run a SQL query on a table of orders",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """One found tool, with what it takes to tell it."""

    found: FoundTool
    level: Level
    tokens: int
    """Of its signature."""
    json_tokens: int
    """Of its definition as JSON."""


def search_pages() -> APIRouter:
    router = page_router()

    @router.get("/tools/search", dependencies=[allowed(Permission.FIND_TOOLS)])
    async def search(
        request: Request,
        gateway: GivenGateway,
        caller: GivenCaller,
        task: str = "",
        tools: Annotated[int, Query(ge=1, le=MAX_TOOLS)] = 5,
        budget: str = "",
        category: str = "",
        fast: bool = False,
        cheap: bool = False,
    ) -> HTMLResponse:
        found, ranked, problem = None, list[Ranked](), ""
        try:
            token_budget = whole_number(budget, "tokens", most=MOST_TOKENS)
            chosen = category_of(category)
            if not task.strip():
                gateway.expect_question()  # who is shown the form types a task next
            else:
                found = await gateway.find(
                    task,
                    caller=replace(caller, client=CLIENT),
                    max_tools=tools,
                    token_budget=token_budget,
                    category=chosen,
                    prefer_fast=fast,
                    prefer_cheap=cheap,
                )
                ranked = await anyio.to_thread.run_sync(_ranked, found)
        except InvalidRequestError as error:
            problem = error.message
        return render(
            request,
            "search.html",
            title="Search as an agent",
            nav="tools",
            task=task,
            found=found,
            ranked=ranked,
            problem=problem,
            examples=EXAMPLES,
            categories=[one.value for one in Category],
            chosen={"tools": tools, "budget": budget, "category": category, "fast": fast, "cheap": cheap},
        )

    return router


def _ranked(found: Found) -> list[Ranked]:
    return [
        Ranked(
            found=tool,
            level=level,
            tokens=tokens.count_tokens(signature),
            json_tokens=tokens.count_json(wire_form(tool.definition)),
        )
        for tool, level, signature in zip(found.tools, found.levels, found.signatures, strict=True)
    ]
