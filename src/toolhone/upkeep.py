"""What operators and admins do to a running toolhone: its servers and what the selector ranks with.

Each is permitted and recorded, with who did it; `toolhone servers` and `selector` do the same from outside.
"""

from collections.abc import Awaitable, Callable, Sequence

from toolhone.access import require
from toolhone.audit import AuditLog
from toolhone.events import new_event
from toolhone.exceptions import NotFoundError
from toolhone.models import Caller, EventKind, JsonObject
from toolhone.registry.downstream import DownstreamServers
from toolhone.registry.server_state import ServerState
from toolhone.roles import Permission
from toolhone.selection.learning import Learning
from toolhone.selection.learning_reports import Status


class Upkeep:
    """The operations, over the services of one app."""

    def __init__(
        self, downstream: DownstreamServers, learning: Callable[[], Awaitable[Learning]], audit: AuditLog
    ) -> None:
        """Take the services.

        Args:
            learning: Gives learning from use, once it is built.
        """
        self._downstream = downstream
        self._learning = learning
        self._audit = audit

    def servers(self, *, caller: Caller) -> Sequence[ServerState]:
        """Where each downstream server stands, in the order of the configuration."""
        require(caller, Permission.OPERATE)
        return self._downstream.states()

    async def restart(self, server: str, *, caller: Caller) -> ServerState:
        """End a server's session, forget its failures, and start it.

        Raises:
            NotFoundError: There is no server of this name.
            ServerUnavailableError: It does not start.
        """
        require(caller, Permission.OPERATE)
        self._state(server)
        await self._record(EventKind.SERVER, caller, server=server, what="restart asked")
        await self._downstream.restart(server)
        return self._state(server)

    async def refresh(self, *, caller: Caller) -> Sequence[ServerState]:
        """Start every downstream server and list its tools now; the states say how it went."""
        require(caller, Permission.OPERATE)
        await self._record(EventKind.SERVER, caller, server=None, what="refresh asked")
        await self._downstream.refresh()
        return self._downstream.states()

    async def selector(self, *, caller: Caller) -> Status:
        """What the selector ranks with, and the versions that were learned from use."""
        require(caller, Permission.MONITOR)
        return await (await self._learning()).status()

    async def promote(self, version: str, *, anyway: bool = False, caller: Caller) -> Status:
        """Rank with a version from now on.

        Raises:
            InvalidRequestError: There is no such version, it has expired, or it did not pass the gate.
        """
        require(caller, Permission.PROMOTE)
        learning = await self._learning()
        await learning.promote(version, anyway=anyway)
        await self._record(EventKind.MODEL, caller, what="selector promoted", version=version, anyway=anyway)
        return await learning.status()

    async def rollback(self, *, caller: Caller) -> Status:
        """Rank again with what was used before.

        Raises:
            InvalidRequestError: No learned version is in use.
        """
        require(caller, Permission.PROMOTE)
        learning = await self._learning()
        version = await learning.rollback()
        await self._record(EventKind.MODEL, caller, what="selector rolled back", version=version)
        return await learning.status()

    def _state(self, server: str) -> ServerState:
        states = self._downstream.states()
        for state in states:
            if state.name == server:
                return state
        known = ", ".join(state.name for state in states) or "none"
        raise NotFoundError(f"There is no server {server!r}. Configured are: {known}.")

    async def _record(
        self, kind: EventKind, caller: Caller, *, server: str | None = None, **details: object
    ) -> None:
        payload: JsonObject = dict(details)
        await self._audit.record(new_event(kind, caller, server=server, success=True, payload=payload))
