"""MCP resources and prompts: the catalog, a tool, a stored result, statistics."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote

from mcp import types

from toolhone.answers import definition_json
from toolhone.exceptions import InvalidRequestError, UnknownToolError
from toolhone.first_line import first_line
from toolhone.gateway import Gateway
from toolhone.json_values import minified
from toolhone.models import Caller, Json, ToolDefinition
from toolhone.roles import Permission

CATALOG = "toolhone://catalog"
WITHIN = f"{CATALOG}?token_budget="
TOOL = "toolhone://tools/"
RESULT = "toolhone://results/"
STATISTICS = "toolhone://statistics"

PAGE = 200
"""Tools on one page of the catalog."""

SMALLEST_BUDGET = 50
"""Tokens, as for find_tools."""

LINE = 200
"""Characters of a description in the catalog: some servers write whole manuals in one line."""

CHOOSE = "choose_tools"

TAKES: Mapping[str, Permission] = {
    CATALOG: Permission.FIND_TOOLS,
    TOOL: Permission.FIND_TOOLS,
    STATISTICS: Permission.FIND_TOOLS,
    RESULT: Permission.CALL_TOOLS,
}
"""What a resource takes, by how its URI begins."""

PROMPTS_TAKE: Mapping[str, Permission] = {CHOOSE: Permission.FIND_TOOLS}


def listing() -> list[types.Resource]:
    return [
        types.Resource(
            uri=CATALOG,
            name="catalog",
            title="Catalog of tools",
            description="Every tool behind this server: name, source, first line. Paged.",
            mime_type="application/json",
        ),
        types.Resource(
            uri=STATISTICS,
            name="statistics",
            title="Statistics",
            description="Calls, failures and tokens saved so far.",
            mime_type="application/json",
        ),
    ]


def templates() -> list[types.ResourceTemplate]:
    return [
        types.ResourceTemplate(
            uri_template=f"{CATALOG}/{{page}}",
            name="catalog_page",
            description=f"A page of the catalog, {PAGE} tools each, from 1.",
            mime_type="application/json",
        ),
        types.ResourceTemplate(
            uri_template=f"{CATALOG}{{?token_budget}}",
            name="catalog_within",
            description="Every tool in at most so many tokens: names first, then detail.",
            mime_type="text/plain",
        ),
        types.ResourceTemplate(
            uri_template=f"{TOOL}{{name}}",
            name="tool",
            description="One tool's full definition.",
            mime_type="application/json",
        ),
        types.ResourceTemplate(
            uri_template=f"{RESULT}{{handle}}",
            name="result",
            description="A stored result, from its beginning.",
            mime_type="application/json",
        ),
    ]


async def read(gateway: Gateway, uri: str, caller: Caller) -> types.ReadResourceResult:
    """The content of one resource.

    Raises:
        InvalidRequestError: There is no such resource.
        UnknownToolError: There is no such tool.
        UnknownHandleError: There is no such result for this caller.
    """
    if uri == STATISTICS:
        return _json(uri, await gateway.statistics(caller=caller))
    if uri.startswith((CATALOG, TOOL)):
        await gateway.settle(caller)  # what was just started may not have all of its tools yet
    if uri.startswith(WITHIN) or (uri == CATALOG and gateway.default_budget is not None):
        text = await gateway.catalog_text(
            gateway.default_budget or 0 if uri == CATALOG else _budget(uri), caller=caller
        )
        return types.ReadResourceResult(
            contents=[types.TextResourceContents(uri=uri, mime_type="text/plain", text=text)]
        )
    if uri == CATALOG or uri.startswith(f"{CATALOG}/"):
        return _json(uri, _catalog_page(gateway.tools(caller), uri))
    if uri.startswith(TOOL):
        name = unquote(uri.removeprefix(TOOL))
        tool = gateway.tool(name, caller)
        if tool is None:
            near = ", ".join(gateway.near(name, caller)) or "none"
            raise UnknownToolError(f"There is no tool {name!r}. Close names: {near}.")
        return _json(uri, definition_json(tool))
    if uri.startswith(RESULT):
        return _json(uri, await gateway.read_result(unquote(uri.removeprefix(RESULT)), caller=caller))
    raise unknown(uri)


def unknown(uri: str) -> InvalidRequestError:
    """What is answered to who asks for a resource that is none."""
    return InvalidRequestError(
        f"Resource not found: {uri!r}. See resources/list and resources/templates/list."
    )


def _catalog_page(tools: Sequence[ToolDefinition], uri: str) -> Json:
    pages = max(1, -(-len(tools) // PAGE))
    text = uri.removeprefix(CATALOG).removeprefix("/") or "1"
    if not text.isdecimal() or not 1 <= int(text) <= pages:
        raise InvalidRequestError(f"The catalog has the pages 1 to {pages}; got {text!r}.")
    page = int(text)
    shown = tools[(page - 1) * PAGE : page * PAGE]
    content: Json = {
        "page": page,
        "pages": pages,
        "total": len(tools),
        "tools": [
            {
                "name": tool.name,
                "server": tool.server or "local",
                "description": first_line(tool.description, most=LINE),
            }
            for tool in shown
        ],
    }
    if page < pages:
        content["next"] = f"{CATALOG}/{page + 1}"
    return content


def _budget(uri: str) -> int:
    text = uri.removeprefix(WITHIN)
    if not text.isdecimal() or int(text[:9]) < SMALLEST_BUDGET:
        raise InvalidRequestError(f"The token budget is a number from {SMALLEST_BUDGET} on; got {text!r}.")
    return int(text[:9])


def _json(uri: str, value: Json) -> types.ReadResourceResult:
    content = types.TextResourceContents(uri=uri, mime_type="application/json", text=minified(value))
    return types.ReadResourceResult(contents=[content])


def complete(gateway: Gateway, params: types.CompleteRequestParams, caller: Caller) -> types.CompleteResult:
    """Tool names for the tool template; nothing for everything else."""
    values: list[str] = []
    if isinstance(params.ref, types.ResourceTemplateReference) and params.ref.uri == f"{TOOL}{{name}}":
        begin = params.argument.value
        values = [quote(tool.name) for tool in gateway.tools(caller) if tool.name.startswith(begin)]
    return types.CompleteResult(
        completion=types.Completion(values=values[:100], total=len(values), has_more=len(values) > 100)
    )


def prompts() -> list[types.Prompt]:
    task = types.PromptArgument(name="task", description="what you want to get done", required=True)
    return [
        types.Prompt(
            name=CHOOSE,
            title="Choose tools for a task",
            description="Have the model find, read and combine the tools that a task needs.",
            arguments=[task],
        )
    ]


def prompt(arguments: dict[str, str]) -> types.GetPromptResult:
    """Raises InvalidRequestError for a missing task."""
    task = arguments.get("task", "").strip()
    if not task:
        raise InvalidRequestError(f"The prompt {CHOOSE!r} needs the argument 'task'.")
    text = (
        f"Task: {task}\n\n"
        "1. Call find_tools with the whole task in words.\n"
        "2. Pick the fewest of its tools that do the job. If none fits, say so.\n"
        "3. Run them with one call_tools request; feed one call's result to another with "
        '{"$from": "id", "path": "/json/pointer"}.\n'
        "4. Read more of a large result with read_result only if its preview is not enough."
    )
    message = types.PromptMessage(role="user", content=types.TextContent(type="text", text=text))
    return types.GetPromptResult(description=f"Choose tools for: {task}", messages=[message])
