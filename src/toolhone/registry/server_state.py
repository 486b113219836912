"""Where one downstream server stands, for people and for the record."""

from dataclasses import dataclass
from enum import StrEnum


class ServerStatus(StrEnum):
    """Where a server stands."""

    IDLE = "idle"
    """Not running; starts when a call needs it."""
    STARTING = "starting"
    """Or waiting for its turn to start; `error` says so then."""
    READY = "ready"
    BACKOFF = "backoff"
    """Failed; not tried again before `next_attempt`."""
    FAILED = "failed"
    """Refused our credentials; not tried again before toolhone is restarted."""
    NEEDS_LOGIN = "needs_login"
    """Asks for a login (`toolhone servers login`); tried again when there was one."""
    STOPPED = "stopped"
    INVALID = "invalid"
    """Its entry is wrong, or it turned out to be toolhone itself."""
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerState:
    """What an operator wants to know of one server."""

    name: str
    transport: str
    state: ServerStatus
    error: str | None = None
    """Why it does not run (yet), or what went wrong last."""
    tools: int = 0
    problems: tuple[str, ...] = ()
    """Tools that were left out of its listing, and other things to know."""
    listed_at: str | None = None
    protocol_version: str | None = None
    server_version: str | None = None
    pid: int | None = None
    attempts: int = 0
    """Failures in a row."""
    next_attempt: str | None = None
    """Not before this time, in UTC."""
