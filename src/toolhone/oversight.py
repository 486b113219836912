"""The audit for those who may see it: list, export, verify, erase; each permitted, erasures recorded."""

from collections.abc import AsyncGenerator, Sequence

from toolhone.access import require
from toolhone.audit import AuditLog
from toolhone.models import Caller, JsonObject
from toolhone.roles import Permission
from toolhone.snapshots.erasure import Forgetting
from toolhone.stores import AuditQuery, AuditVerification


class Oversight:
    """The operations on the record of everything, over the log of one app."""

    def __init__(self, audit: AuditLog, forgetting: Forgetting) -> None:
        """Take the services.

        Args:
            forgetting: Takes what rows hold out of the exports.
        """
        self._audit = audit
        self._forgetting = forgetting

    async def rows(self, query: AuditQuery, *, caller: Caller) -> list[JsonObject]:
        """The matching rows in the export form (see `storage/chain.py`).

        Raises:
            InvalidRequestError: The query is not valid.
        """
        require(caller, Permission.READ_AUDIT)
        return await self._audit.query(query)

    async def export(self, query: AuditQuery, *, caller: Caller) -> AsyncGenerator[list[JsonObject]]:
        """All matching rows, oldest first, some hundred at a time, as they are read.

        What is wrong with the query is known before the first are asked for.

        Raises:
            InvalidRequestError: The query is not valid.
        """
        require(caller, Permission.READ_AUDIT)
        return await self._audit.export(query)

    async def verify(self, *, remembered: str | None = None, caller: Caller) -> AuditVerification:
        """Check the whole chain; `remembered` is a head hash of an earlier check, kept elsewhere."""
        require(caller, Permission.READ_AUDIT)
        return await self._audit.verify(remembered=remembered)

    async def erase(self, audit_ids: Sequence[str], *, caller: Caller) -> int:
        """Remove what these rows hold, also from exports, keeping the chain; returns how many did."""
        require(caller, Permission.ERASE)
        async with self._forgetting(events=audit_ids):
            return await self._audit.erase(audit_ids, caller=caller)
