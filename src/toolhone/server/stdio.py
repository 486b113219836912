"""MCP over stdin and stdout, for hosts that start toolhone themselves."""

import signal
import sys
from typing import TYPE_CHECKING, cast

import anyio
from mcp import stdio_server

from toolhone.app import App
from toolhone.server.mcp import build_server
from toolhone.server.pipes import claimed_pipes
from toolhone.server.unreadable import ReadableLines

if TYPE_CHECKING:
    from toolhone.server.pipes import Text


async def serve_stdio(app: App) -> None:
    """Serve one client until it closes its end, or until SIGTERM or SIGINT."""
    server, handlers = build_server(app)
    async with (
        anyio.create_task_group() as tasks,
        claimed_pipes(tasks.cancel_scope.cancel) as (stdin, stdout),
    ):
        lines = None if stdin is None else ReadableLines(aiter(stdin))
        async with stdio_server(cast("Text | None", lines), stdout) as (read, write):
            if lines is not None:
                lines.answer = write.send
            tasks.start_soon(_cancel_on_signals, tasks.cancel_scope)
            tasks.start_soon(handlers.announce_changes)
            tasks.start_soon(handlers.announce_jobs)
            await server.run(read, write, server.create_initialization_options())
            tasks.cancel_scope.cancel()


async def _cancel_on_signals(scope: anyio.CancelScope) -> None:
    if sys.platform == "win32":
        return
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            scope.cancel()
