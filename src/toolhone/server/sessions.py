"""The open handshake-era sessions, so that list changes can be announced to them."""

import logging
from collections import OrderedDict

from mcp.server.session import ServerSession

from toolhone.server.callers import Context, session_key

logger = logging.getLogger(__name__)

MOST = 1_000
"""Sessions remembered; past that the one that asked longest ago is forgotten."""

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
        for key, session in list(self._sessions.items()):
            try:
                await session.send_tool_list_changed()
            except Exception:  # one closed connection must not keep the news from the others
                self._forget(key)

    async def notify_resources(self) -> None:
        for key, session in list(self._sessions.items()):
            try:
                await session.send_resource_list_changed()
            except Exception:  # as above
                self._forget(key)

    def _forget(self, key: str | None) -> None:
        logger.debug("session %s is gone", key)
        self._sessions.pop(key, None)
