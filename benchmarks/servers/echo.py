"""A bare low-level MCP server with two tools: echo a text, and wait for some milliseconds."""

from typing import Any

import anyio
from mcp import types
from mcp.server import Server
from mcp.server.context import ServerRequestContext
from mcp.server.stdio import stdio_server

TOOLS = [
    types.Tool(
        name="echo",
        description="Answer with the text that was given.",
        input_schema={"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
        annotations=types.ToolAnnotations(read_only_hint=True),
    ),
    types.Tool(
        name="wait",
        description="Wait for some milliseconds, then answer.",
        input_schema={
            "type": "object",
            "properties": {"milliseconds": {"type": "number"}},
            "required": ["milliseconds"],
        },
        annotations=types.ToolAnnotations(read_only_hint=True),
    ),
]


async def list_tools(
    ctx: ServerRequestContext[dict[str, Any]], params: types.PaginatedRequestParams | None
) -> types.ListToolsResult:
    return types.ListToolsResult(tools=TOOLS)


async def call_tool(
    ctx: ServerRequestContext[dict[str, Any]], params: types.CallToolRequestParams
) -> types.CallToolResult:
    arguments = params.arguments or {}
    if params.name == "wait":
        await anyio.sleep(arguments["milliseconds"] / 1000)
        text = "waited"
    else:
        text = arguments["text"]
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)])


async def main() -> None:
    server = Server("echo", version="1", on_list_tools=list_tools, on_call_tool=call_tool)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


if __name__ == "__main__":
    anyio.run(main)
