"""Requests that were turned away at the door, on record: few rows, however many they were."""

import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio

from toolhone.events import new_event
from toolhone.exceptions import NotRunningError, StorageError
from toolhone.models import AuditEvent, Caller, EventKind, JsonObject

logger = logging.getLogger(__name__)

WINDOW = 60.0
"""Seconds for which one row stands for all refusals of an address with the same code."""

MOST_KEYS = 1_000
"""Kept apart at once; what comes on top is counted together, under `OTHERS`."""

OTHERS = "others"


@dataclass(slots=True)
class _Counted:
    since: float
    caller: Caller
    code: str
    more: int = 0
    """How many came after the one that is on record."""


class Refusals:
    """Records the first refusal of an address at once, and the number of those that follow in a minute.

    So who guesses is seen at once, and cannot fill the disk.

    Args:
        record: Writes an event into the audit log.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        record: Callable[[AuditEvent], Awaitable[None]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._record = record
        self._clock = clock
        self._counted: OrderedDict[tuple[str, str], _Counted] = OrderedDict()

    async def note(self, code: str, caller: Caller, *, request_id: str, method: str, path: str) -> None:
        """One refusal of a caller that may be nobody we know: its principal then is its address.

        Args:
            code: Why, as the answer says it.
        """
        await self.flush()
        key = caller.principal, code
        if key not in self._counted and len(self._counted) >= MOST_KEYS:
            key = OTHERS, code
        known = self._counted.get(key)
        if known is not None:
            known.more += 1
            return
        self._counted[key] = _Counted(self._clock(), caller, code)
        # The path may be anything; a long one says no more than its beginning.
        payload: JsonObject = {"what": "refused", "method": method, "path": path[:200]}
        await self._write(caller, code, payload, request_id)

    async def flush(self, *, all_of_them: bool = False) -> None:
        """Record the counts of the minutes that are over."""
        now = self._clock()
        over: list[_Counted] = []
        while self._counted:
            key, oldest = next(iter(self._counted.items()))
            if not all_of_them and now < oldest.since + WINDOW:
                break
            del self._counted[key]
            over.append(oldest)
        for counted in over:
            if counted.more:
                payload: JsonObject = {"what": "refused_again", "count": counted.more}
                await self._write(counted.caller, counted.code, payload, None)

    async def run(self) -> None:
        """Record the counts as their minutes end, and the rest when cancelled."""
        try:
            while True:
                await anyio.sleep(WINDOW)
                await self.flush()
        finally:
            with anyio.CancelScope(shield=True):
                await self.flush(all_of_them=True)

    async def _write(self, caller: Caller, code: str, payload: JsonObject, request_id: str | None) -> None:
        event = new_event(
            EventKind.ACCESS, caller, request_id=request_id, success=False, error_code=code, payload=payload
        )
        try:
            await self._record(event)
        except (StorageError, NotRunningError) as exc:
            # The request is refused all the same.
            logger.warning("A refusal of %s (%s) is not recorded: %s", caller.principal, code, exc.message)
