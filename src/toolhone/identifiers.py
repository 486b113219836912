"""Time-ordered ids, and the one spelling of a moment in time."""

import secrets
import threading
import time
import uuid
from contextvars import ContextVar
from datetime import UTC, datetime

REQUEST: ContextVar[str | None] = ContextVar("toolhone.request", default=None)
"""The id of the request over HTTP that is being answered, as its header X-Request-Id has it."""

_lock = threading.Lock()
_last_tick = 0


def new_id() -> str:
    """A UUID of version 7: ids made later by this process sort after earlier ones."""
    global _last_tick
    # 48 bits of milliseconds and 12 bits of their fraction (RFC 9562, 6.2, method 3).
    tick = time.time_ns() * 4096 // 1_000_000
    with _lock:
        # A clock that stands still or goes back must not break the order.
        _last_tick = tick = max(tick, _last_tick + 1)
    value = (tick >> 12) << 80 | 0x7 << 76 | (tick & 0xFFF) << 64 | 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))


def id_of_request() -> str:
    """What joins the rows of one request in the audit: its id over HTTP, and a new one over any other way."""
    return REQUEST.get() or new_id()


def utc_timestamp() -> str:
    """Now, in ISO 8601 with microseconds and `+00:00`: the order of such texts is that of the moments."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
