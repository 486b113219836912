"""What supervision is made of: what all servers share, and one attempt at a session."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio

from toolhone.exceptions import ServerUnavailableError, ToolhoneError
from toolhone.models import JsonObject
from toolhone.registry.config import ServerEntry
from toolhone.registry.connection import Connection
from toolhone.registry.credentials import Grants
from toolhone.registry.known_tools import Judge
from toolhone.registry.listing import Listing
from toolhone.stores import StoredCatalog

RENEWED_AFTER = 86_400.0
"""Seconds after which a listing that has not changed is remembered anew, to show that it is in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervision:
    """What all servers share."""

    environment: Mapping[str, str]
    starting: anyio.CapacityLimiter
    """How many may start at once."""
    start_timeout: float
    linger: float
    """How long a server stays that was started only to list its tools."""
    clock: Callable[[], float]
    """Seconds since the epoch."""
    random: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    listed: Callable[[ServerEntry, Listing, str, bool], Awaitable[None]]
    """Told (entry, listing, when, changed) of every listing that differs from the one before, and now
    and then of one that does not."""
    on_event: Callable[[str, str, JsonObject], Awaitable[None] | None] | None
    judge: Judge | None = None
    grants: Grants | None = None
    """Logins at servers that ask for one."""

    @property
    def queue_note(self) -> str:
        most = self.starting.total_tokens
        return f"Waiting to start: no more than {most:g} servers may be starting at once."

    async def tell(self, server: str, what: str, detail: JsonObject) -> None:
        """Report to `on_event`."""
        if self.on_event is not None:
            answer = self.on_event(server, what, detail)
            if inspect.isawaitable(answer):
                await answer


def utc(seconds: float) -> str:
    """A moment in seconds since the epoch as it is shown and kept."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def stored_seconds(catalog: StoredCatalog) -> float:
    """When it was listed, in seconds since the epoch; 0 if it does not say."""
    try:
        return datetime.fromisoformat(catalog.listed_at).timestamp()
    except ValueError:
        return 0.0


class Attempt:
    """One start, and the life of the session that comes of it."""

    def __init__(self) -> None:
        self.settled = anyio.Event()
        self.finished = anyio.Event()
        self.life = anyio.CancelScope()
        self.connection: Connection | None = None
        self.ready_at = 0.0
        self.error: ToolhoneError | None = None
        """Why it did not start, or why its session ended."""
        self.queued = False
        """Has its place among those that may start."""
        self.wanted = False
        """By a call, not only for a listing."""
        self._cancelled_because: str | None = None

    def cancel(self, why: str) -> None:
        self._cancelled_because = why
        self.life.cancel()

    def leave_queue(self, starting: anyio.CapacityLimiter) -> None:
        if self.queued:
            self.queued = False
            starting.release_on_behalf_of(self)

    def interruption(self) -> Exception:
        """What it means that its life was cut short."""
        why = self._cancelled_because
        return TimeoutError() if why is None else ServerUnavailableError(why)
