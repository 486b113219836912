"""MCP over stdin and stdout, for hosts that start toolhone themselves."""

import anyio
from mcp import stdio_server

from toolhone.app import App
from toolhone.server.mcp import build_server


async def serve_stdio(app: App) -> None:
    """Serve one client until it closes stdin."""
    server, handlers = build_server(app)
    async with stdio_server() as (read, write), anyio.create_task_group() as tasks:
        tasks.start_soon(handlers.announce_changes)
        await server.run(read, write, server.create_initialization_options())
        tasks.cancel_scope.cancel()
