"""How many sessions of MCP one credential may have open at once."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from toolhone.exceptions import RateLimitedError
from toolhone.identifiers import new_id
from toolhone.models import Caller
from toolhone.server.api import problems
from toolhone.server.callers import CALLER

MOST_SESSIONS = 256
"""Of one credential. Each holds a task and what the client said of itself."""

IDLE = 600.0
"""Seconds without any request after which a session ends; a stream of events that is open is one."""


@dataclass(slots=True)
class _Session:
    used_at: float
    under_way: int = 0


class SessionLimits:
    """The ASGI application around the session manager, which ends idle sessions after `IDLE` itself.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, app: ASGIApp, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._clock = clock
        self._open: dict[str, dict[str, _Session]] = {}
        """By principal, and by the id of the session."""
        self._looked_at = clock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller: Caller = scope[CALLER]
        headers = Headers(scope=scope)
        version = headers.get("mcp-protocol-version")
        if version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS:
            await self._app(scope, receive, send)  # clients since 2026-07-28 have no sessions
            return
        session = headers.get("mcp-session-id")
        mine = self._current(caller.principal)
        if session is None and len(mine) >= MOST_SESSIONS:
            error = RateLimitedError(
                f"This credential has {MOST_SESSIONS} sessions of MCP open. End one (DELETE /mcp), or wait: "
                f"after {IDLE / 60:.0f} minutes without a request each ends by itself.",
                data={"retry_after": 60},
            )
            await problems.of_error(error)(scope, receive, send)
            return
        # Until it has an id its place is held by another, so that many at once are not more than may be.
        key = session or new_id()
        kept = session is not None and session in mine

        async def noted(message: Message) -> None:
            nonlocal kept
            if message["type"] == "http.response.start":
                begun = Headers(raw=message["headers"]).get("mcp-session-id")
                good = message["status"] < 400
                if session is None and begun is not None and good:
                    mine[begun] = mine.pop(key)
                    kept = True
                elif message["status"] == 404 or (good and scope["method"] == "DELETE"):
                    kept = False
            await send(message)

        one = mine.setdefault(key, _Session(self._clock()))
        try:
            with self._under_way(one):
                await self._app(scope, receive, noted)
        finally:
            if not kept:
                mine.pop(key, None)
            if not mine:
                self._open.pop(caller.principal, None)

    @contextmanager
    def _under_way(self, one: _Session) -> Generator[None]:
        one.under_way += 1
        try:
            yield
        finally:
            one.under_way -= 1
            one.used_at = self._clock()

    def _current(self, principal: str) -> dict[str, _Session]:
        """The sessions of a principal, without those that have ended by themselves."""
        now = self._clock()
        if now - self._looked_at > IDLE:
            # Also those of who does not come back.
            self._looked_at = now
            for other in list(self._open):
                self._forget_ended(other, now)
        self._forget_ended(principal, now)
        return self._open.setdefault(principal, {})

    def _forget_ended(self, principal: str, now: float) -> None:
        mine = self._open.get(principal, {})
        for key in [key for key, one in mine.items() if not one.under_way and now - one.used_at > IDLE]:
            del mine[key]
        if not mine:
            self._open.pop(principal, None)
