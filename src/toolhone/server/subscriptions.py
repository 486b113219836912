"""Who wants to hear of which resource, over handshake-era sessions, and telling them."""

import logging
from collections.abc import Callable

import anyio
from mcp.server.session import ServerSession

from toolhone.server.callers import Context, session_key
from toolhone.server.sessions import PATIENCE

logger = logging.getLogger(__name__)

MOST = 1_000
"""Subscriptions remembered; past that the oldest go."""


class ResourceSubscriptions:
    """What sessions subscribed to. Clients since 2026-07-28 open a listen stream instead."""

    def __init__(self, served: Callable[[str], bool]) -> None:
        """Remember nothing yet; `served` says of which resources changes are told."""
        self._served = served
        self._wanted: dict[tuple[str | None, str], ServerSession] = {}

    def subscribe(self, ctx: Context, uri: str) -> None:
        if not self._served(uri):
            return
        self._wanted[session_key(ctx), uri] = ctx.session
        while len(self._wanted) > MOST:
            del self._wanted[next(iter(self._wanted))]

    def unsubscribe(self, ctx: Context, uri: str) -> None:
        self._wanted.pop((session_key(ctx), uri), None)

    async def tell(self, uri: str) -> None:
        """Tell every session that subscribed to this resource that it has changed."""
        for key, session in [one for one in self._wanted.items() if one[0][1] == uri]:
            try:
                with anyio.fail_after(PATIENCE):
                    await session.send_resource_updated(uri)
            except Exception:  # one closed or stuck connection must not keep the news from the others
                logger.debug("session %s is gone", key[0])
                self._wanted.pop(key, None)
