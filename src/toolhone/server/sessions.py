"""The open handshake-era sessions, so that list changes can be announced to them."""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import anyio
from mcp.server.session import ServerSession

from toolhone.server.callers import Context, session_key

logger = logging.getLogger(__name__)

MOST = 1_000
"""Sessions remembered; past that the one that asked longest ago is forgotten."""

PATIENCE = 5.0
"""Seconds that a client which does not read may hold up the others."""

MODERN = "2026-07-28"


class LegacySessions:
    """Clients since 2026-07-28 open a listen stream instead, which the subscription bus serves."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str | None, ServerSession] = OrderedDict()

    def remember(self, ctx: Context) -> None:
        if ctx.protocol_version >= MODERN:
            return
        key = session_key(ctx)
        self._sessions[key] = ctx.session
        self._sessions.move_to_end(key)
        while len(self._sessions) > MOST:
            self._sessions.popitem(last=False)

    async def notify_tools(self) -> None:
        await self._tell(ServerSession.send_tool_list_changed)

    async def notify_resources(self) -> None:
        await self._tell(ServerSession.send_resource_list_changed)

    async def _tell(self, send: Callable[[ServerSession], Awaitable[None]]) -> None:
        for key, session in list(self._sessions.items()):
            try:
                with anyio.fail_after(PATIENCE):
                    await send(session)
            except Exception:  # one closed or stuck connection must not keep the news from the others
                self._forget(key)

    def _forget(self, key: str | None) -> None:
        logger.debug("session %s is gone", key)
        self._sessions.pop(key, None)
