"""How long the audit keeps what its rows hold: older payloads are erased; the rows and their chain stay."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from toolhone.events import new_event
from toolhone.models import AuditEvent, Caller, EventKind

logger = logging.getLogger(__name__)

AT_ONCE = 500
"""Rows that one erasure names. Writers of the audit wait for each."""


class Audit(Protocol):
    """What of the audit log is needed."""

    async def record(self, event: AuditEvent) -> None: ...

    async def aged(self, before: str, *, after: int, limit: int) -> tuple[list[str], int | None]: ...

    def erase(self, event_ids: Sequence[str], *, caller: Caller) -> Awaitable[int]: ...


class AuditAge:
    """Erases the payloads of old rows. Several processes may do so at once."""

    def __init__(
        self, audit: Audit, *, days: int, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Take what it needs.

        Args:
            days: How long payloads are kept; 0 is for ever.
        """
        self._audit = audit
        self._days = days
        self._now = now

    async def prune(self, *, caller: Caller) -> int:
        """Erase what is too old; returns of how many rows.

        Raises:
            StorageError: It could not be done. What went until then is gone; the rest goes next time.
        """
        if not self._days:
            return 0
        before = (self._now() - timedelta(days=self._days)).isoformat(timespec="microseconds")
        erased, after = 0, 0
        while True:
            ids, last = await self._audit.aged(before, after=after, limit=AT_ONCE)
            if last is None:
                break
            erased += await self._audit.erase(ids, caller=caller)
            after = last
        if erased:
            payload = {"what": "audit too old", "days": self._days, "before": before, "events": erased}
            await self._audit.record(new_event(EventKind.ERASURE, caller, success=True, payload=payload))
            logger.info("%d row(s) of the audit were older than %d days", erased, self._days)
        return erased
