"""Tools over REST: list, find, describe; as the MCP tools of these names."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import islice
from typing import Annotated

import anyio.to_thread
from fastapi import Query, Response

from toolhone import tokens
from toolhone.answers import wire_form
from toolhone.exceptions import PermissionDeniedError, ToolhoneError, UnknownToolError
from toolhone.first_line import first_line
from toolhone.found_text import described
from toolhone.gateway import Gateway
from toolhone.models import Caller, Category, JsonObject, ToolDefinition
from toolhone.roles import Permission
from toolhone.server.api.bodies_of_tools import (
    Describe,
    DescribedTools,
    Find,
    FoundTools,
    ToolDetail,
    ToolPage,
)
from toolhone.server.api.endpoints import endpoints
from toolhone.server.api.etags import UNCHANGED, IfNoneMatch, tag_of, tagged, unchanged
from toolhone.server.api.given import GivenCaller, GivenGateway, allowed
from toolhone.server.api.openapi import also
from toolhone.server.api.paging import Cursor, Limit, cursor_of, place_of
from toolhone.server.tools import described_answer

router = endpoints("/tools", tag="tools")

LINE = 200
"""Characters of a description in a list."""

FINDING = [allowed(Permission.FIND_TOOLS)]


@asynccontextmanager
async def recorded(
    gateway: Gateway, tool: str, arguments: JsonObject, caller: Caller
) -> AsyncGenerator[None]:
    """What is turned away inside is in the audit, as for the MCP tool of this name."""
    try:
        yield
    except PermissionDeniedError:  # whoever answers with 403 records it
        raise
    except ToolhoneError as error:
        await gateway.refuse(tool, arguments, caller=caller, error=error)
        raise


@router.get(
    "", dependencies=FINDING, response_model=ToolPage, summary="List tools", operation_id="list_tools"
)
async def list_tools(
    gateway: GivenGateway,
    caller: GivenCaller,
    prefix: Annotated[str, Query(max_length=200, description="Only names that begin so.")] = "",
    server: Annotated[
        str | None, Query(max_length=200, description="Only of this server; `local` is of tool files.")
    ] = None,
    category: Annotated[Category | None, Query(description="Only of this category.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> JsonObject:
    """All tools that the caller may use, by name; one line each. `find` is for tasks."""
    after = "" if cursor is None else str(place_of(cursor, str)[0])
    await gateway.settle(caller)

    def page() -> JsonObject:
        matching = [
            tool
            for tool in gateway.tools(caller)
            if tool.name.startswith(prefix)
            and (server is None or tool.server_name == server)
            and (category is None or tool.category is category)
        ]
        rest = (tool for tool in matching if tool.name > after)
        shown = list(islice(rest, limit))
        more = next(rest, None) is not None
        return {
            "items": [_summary(tool) for tool in shown],
            "total": len(matching),
            "next_cursor": cursor_of(shown[-1].name) if more else None,
        }

    return await anyio.to_thread.run_sync(page)


def _summary(tool: ToolDefinition) -> JsonObject:
    return {
        "name": tool.name,
        "server": tool.server or "local",
        "category": tool.category,
        "readOnly": tool.read_only,
        "description": first_line(tool.description, most=LINE),
    }


@router.post(
    "/find",
    dependencies=FINDING,
    response_model=FoundTools,
    response_model_exclude_unset=True,
    summary="Find tools for a task",
    operation_id="find_tools",
)
async def find_tools(body: Find, gateway: GivenGateway, caller: GivenCaller) -> JsonObject:
    """The few tools that fit a task, best first, each told as briefly as it can be called from.

    What is found is recorded; `toolhone` learns from which of them are called then.
    """
    arguments = body.model_dump(mode="json", exclude_unset=True)
    async with recorded(gateway, "find_tools", arguments, caller):
        found = await gateway.find(
            body.task,
            caller=caller,
            max_tools=body.max_tools,
            token_budget=body.token_budget,
            available_tools=body.available_tools,
            category=body.category,
            prefer_fast=body.prefer_fast,
            prefer_cheap=body.prefer_cheap,
        )
    answer = found.as_json()
    await gateway.exchanged(caller, "find_tools", arguments, found.text, answer)
    return {**answer, "text": found.text}


@router.post(
    "/describe",
    dependencies=FINDING,
    response_model=DescribedTools,
    response_model_exclude_unset=True,
    responses=also(404),
    summary="Describe tools by name",
    operation_id="describe_tools",
)
async def describe_tools(body: Describe, gateway: GivenGateway, caller: GivenCaller) -> JsonObject:
    """Full definitions as signatures. 404 only if none of the names is known."""
    async with recorded(gateway, "describe_tools", {"names": body.names}, caller):
        definitions, missing = await gateway.describe(body.names, caller=caller)
    structured, text = await described_answer(definitions, missing)
    await gateway.exchanged(caller, "describe_tools", {"names": body.names}, text, structured)
    return {**structured, "text": text}


@router.get(
    "/{name}",
    dependencies=FINDING,
    response_model=ToolDetail,
    response_model_exclude_unset=True,
    responses={
        200: {"headers": {"ETag": {"description": "Of the definition.", "schema": {"type": "string"}}}},
        304: UNCHANGED,
        **also(404),
    },
    summary="Show a tool",
    operation_id="get_tool",
)
async def get_tool(
    name: str,
    response: Response,
    gateway: GivenGateway,
    caller: GivenCaller,
    if_none_match: IfNoneMatch = None,
) -> JsonObject | Response:
    """A tool's full definition, how an agent is told about it, and what both take in tokens."""
    async with recorded(gateway, "describe_tools", {"names": [name]}, caller):
        (definition,), _ = await gateway.describe([name], caller=caller)
    tag = tag_of(definition)
    if (same := unchanged(tag, if_none_match)) is not None:
        return same
    tool = gateway.tool(name, caller)
    if tool is None:  # it went while we wrote down that it was asked for
        raise UnknownToolError(f"There is no tool {name!r} any more.")

    def told() -> JsonObject:
        rendered, _ = described([definition])
        signature = rendered.blocks[0]
        return {
            **definition,
            **({"preamble": rendered.preamble} if rendered.preamble else {}),
            "signature": signature,
            "tokens": {
                "signature": tokens.count_tokens(f"{rendered.preamble}\n{signature}".strip()),
                "as_json": tokens.count_json(wire_form(tool)),
            },
        }

    response.headers.update(tagged(tag))
    return await anyio.to_thread.run_sync(told)
