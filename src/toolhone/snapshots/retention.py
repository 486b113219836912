"""How long snapshots are kept: what is older than the days of its category goes."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

import anyio.to_thread

from toolhone.exceptions import InvalidRequestError
from toolhone.models import AuditEvent, Caller, Category, EventKind
from toolhone.records.snapshots import SnapshotQuery
from toolhone.records.stores import SnapshotStore

logger = logging.getLogger(__name__)

EVERY_CATEGORY = "*"


class Retention:
    """Deletes snapshots by age. Their ids stay, so that an erasure still finds the datasets they are in."""

    def __init__(
        self,
        open_store: Callable[[], SnapshotStore],
        *,
        days: Mapping[str, int],
        record: Callable[[AuditEvent], Awaitable[None]],
        new_event: Callable[..., AuditEvent],
        now: Callable[[], str],
    ) -> None:
        """Take what it needs.

        Args:
            open_store: As for the collector.
            days: How long, by category; "*" is every category that is not named. What is neither named
                nor under "*" is kept for ever.
            record: Writes an audit event.
            new_event: Makes one.
            now: This moment, as snapshots have it.

        Raises:
            InvalidRequestError: A number of days is not positive, or a category is unknown.
        """
        for name, number in days.items():
            if name != EVERY_CATEGORY and name not in {category.value for category in Category}:
                raise InvalidRequestError(
                    f"There is no category {name!r}; there are {', '.join(Category)} and {EVERY_CATEGORY!r}."
                )
            if number < 1:
                raise InvalidRequestError(f"{name!r} cannot be kept {number!r} days; give 1 or more.")
        self._open_store = open_store
        self._days = dict(days)
        self._record = record
        self._new_event = new_event
        self._now = now

    async def prune(self, *, caller: Caller) -> dict[Category, int]:
        """Delete what is too old; returns how many by category, without those that lost none.

        Raises:
            StorageError: It could not be done or not be recorded. What went until then is gone; what is
                left goes when this is done again.
        """
        now = datetime.fromisoformat(self._now()).astimezone(UTC)
        deleted: dict[Category, int] = {}
        for category in Category:
            days = self._days.get(category.value, self._days.get(EVERY_CATEGORY))
            if days is None:
                continue
            before = (now - timedelta(days=days)).isoformat(timespec="microseconds")
            query = SnapshotQuery(category=category, until=before)

            def delete(query: SnapshotQuery = query) -> int:
                return len(self._open_store().delete(query))

            if number := await anyio.to_thread.run_sync(delete):
                deleted[category] = number
                payload = {
                    "what": "snapshots too old",
                    "category": category.value,
                    "days": days,
                    "before": before,
                    "snapshots": number,
                }
                await self._record(self._new_event(EventKind.ERASURE, caller, success=True, payload=payload))
                logger.info("%d snapshot(s) of %s were older than %d days", number, category.value, days)
        return deleted
