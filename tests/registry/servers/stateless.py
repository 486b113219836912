"""An MCP server on the SDK that speaks 2026-07-28: changes its tools, asks for input, tells what it saw."""

import anyio
import mcp.types as types
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged

OBJECT = {"type": "object"}
bus = InMemorySubscriptionBus()
names = ["echo", "ask", "grow", "wait", "cancelled"]
cancelled: list[str] = []
Context = ServerRequestContext


async def list_tools(_: Context, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[types.Tool(name=name, input_schema=OBJECT) for name in names])


async def call_tool(
    context: Context, params: types.CallToolRequestParams
) -> types.CallToolResult | types.InputRequiredResult:
    if params.name == "ask":
        return types.InputRequiredResult(request_state="who are you?")
    if params.name == "grow":
        names.remove("ask")
        names.append("grown")
        await bus.publish(ToolsListChanged())
        return types.CallToolResult(content=[], structured_content=None)
    if params.name == "wait":
        try:
            await context.session.report_progress(1, 2, "waiting")
            await anyio.sleep_forever()
        finally:
            cancelled.append("wait")
    text = types.TextContent(type="text", text=str(len(cancelled)) if params.name == "cancelled" else "hello")
    return types.CallToolResult(content=[text])


server = Server(
    "stateless",
    version="1",
    on_list_tools=list_tools,
    on_call_tool=call_tool,
    on_subscriptions_listen=ListenHandler(bus),
)


async def main() -> None:
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


if __name__ == "__main__":
    anyio.run(main)
