"""The one way in for snapshots: checks, redacts, writes, and returns once they are kept.

Whoever hands in snapshots while others are being written waits for the lock, and the first to get it writes
all that wait in one transaction; the others then find theirs done. So the cost of a commit is shared by all
who come at once, and nobody's snapshots are kept without its waiting for them.
"""

import logging
import threading
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio
import anyio.to_thread

from toolhone.exceptions import InvalidRequestError, StorageError, ToolhoneError
from toolhone.models import AuditEvent, Caller, EventKind, JsonObject
from toolhone.records.snapshots import NewSnapshot, Snapshot
from toolhone.records.stores import SnapshotStore
from toolhone.snapshots.anonymity import Redact, anonymised
from toolhone.snapshots.validation import check_content, new_snapshot

__all__ = ["Collector", "new_snapshot"]

logger = logging.getLogger(__name__)

Record = Callable[[AuditEvent], Awaitable[None]]
"""Writes an audit event; durable when it returns."""

_NAMED_AGENTS = 20
"""Ids of agents that the audit event of a batch names at most."""


@dataclass(eq=False, slots=True)
class _Ticket:
    """What one caller handed in, ready to be written."""

    snapshots: list[Snapshot]
    done: bool = False
    error: ToolhoneError | None = None


@dataclass(eq=False, slots=True)
class _Batch:
    """What goes into one transaction. Written once, however often it is asked for."""

    tickets: list[_Ticket]
    written: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class Collector:
    """Keeps snapshots durably. Belongs to one event loop."""

    def __init__(
        self,
        open_store: Callable[[], SnapshotStore],
        *,
        redact: Redact,
        record: Record,
        new_event: Callable[..., AuditEvent],
        now: Callable[[], str],
        new_id: Callable[[], str],
    ) -> None:
        """Take what it needs.

        Args:
            open_store: Called in a worker thread whenever the store is needed: opening takes time that a
                start should not. Whoever made the store closes it.
            redact: Returns a JSON value without its secrets, with marks that agree within the value.
                Nothing is written that did not pass it.
            record: Writes an audit event.
            new_event: Makes one from `(kind, caller, **fields)`, with its own id and time.
            now: This moment, as snapshots have it.
            new_id: An id that no other snapshot has; later ones sort after earlier ones.
        """
        self._open_store = open_store
        self._redact = redact
        self._record = record
        self._new_event = new_event
        self._now = now
        self._new_id = new_id
        self._key: bytes | None = None
        # Redacting is work of the processor: more threads would only take turns.
        self._redacting = anyio.CapacityLimiter(1)
        self._writing = anyio.Lock()
        self._writer = anyio.CapacityLimiter(1)
        self._pending: list[_Ticket] = []
        self._batch: _Batch | None = None

    async def collect(self, snapshots: Sequence[NewSnapshot], *, caller: Caller) -> list[str]:
        """Keep the snapshots, all or none of them; returns their ids once they are on the disk.

        Whoever is cancelled while they are written is so after the write.

        Raises:
            InvalidRequestError: One of them cannot be kept; the message says which and why.
            StorageError: They could not be written, and none is kept; or they are kept, but the audit
                could not be told of it, which the message says, and `data` has their ids.
        """
        if not snapshots:
            return []
        ready = await anyio.to_thread.run_sync(self._prepared, snapshots, limiter=self._redacting)
        # Bounded by the stores, which give up on a locked or failing file by themselves.
        with anyio.CancelScope(shield=True):
            await self._write(_Ticket(ready))
            await self._tell(ready, caller)
        return [snapshot.snapshot_id for snapshot in ready]

    def _prepared(self, snapshots: Sequence[NewSnapshot]) -> list[Snapshot]:
        # All are checked before one of them costs the time of redacting.
        for number, snapshot in enumerate(snapshots, 1):
            with _named(number, len(snapshots)):
                check_content(snapshot)
        if self._key is None:
            self._key = self._open_store().subject_key()
        ready: list[Snapshot] = []
        for number, snapshot in enumerate(snapshots, 1):
            with _named(number, len(snapshots)):
                ready.append(self._anonymised(snapshot, self._key))
        return ready

    def _anonymised(self, snapshot: NewSnapshot, key: bytes) -> Snapshot:
        return anonymised(
            snapshot, snapshot_id=self._new_id(), recorded_at=self._now(), key=key, redact=self._redact
        )

    async def _write(self, ticket: _Ticket) -> None:
        self._pending.append(ticket)
        try:
            async with self._writing:
                # A writer that asyncio itself cancelled, which passes through shields, leaves its batch
                # behind while a thread may still write it. It is waited for before the next.
                while not ticket.done:
                    if self._batch is None:
                        self._batch, self._pending = _Batch(self._pending), []
                    await anyio.to_thread.run_sync(self._write_batch, self._batch, limiter=self._writer)
                    self._batch = None
        finally:
            if ticket in self._pending:
                self._pending.remove(ticket)
        if ticket.error is not None:
            raise ticket.error

    def _write_batch(self, batch: _Batch) -> None:
        with batch.lock:
            if batch.written:
                return
            batch.written = True
            self._add(batch.tickets)

    def _add(self, tickets: list[_Ticket]) -> None:
        """Write the tickets together, or each for itself if one of them cannot be written."""
        try:
            self._open_store().add([snapshot for ticket in tickets for snapshot in ticket.snapshots])
        except Exception as exc:  # whatever it is, whoever waits must hear of it
            if len(tickets) > 1 and not isinstance(exc, StorageError):
                for ticket in tickets:
                    self._add([ticket])
                return
            logger.error("%d batch(es) of snapshots could not be written", len(tickets), exc_info=exc)
            for ticket in tickets:
                ticket.error = _failed(exc, len(ticket.snapshots))
        for ticket in tickets:
            ticket.done = True

    async def _tell(self, snapshots: list[Snapshot], caller: Caller) -> None:
        """Tell the audit that there are new snapshots, and nothing of what is in them."""
        categories: JsonObject = {}
        for snapshot in snapshots:
            categories[snapshot.category.value] = categories.get(snapshot.category.value, 0) + 1
        agents = sorted({snapshot.agent_id for snapshot in snapshots})
        payload: JsonObject = {
            "what": "collected",
            "snapshots": len(snapshots),
            "categories": categories,
            "agents": len(agents),
            "agent_ids": agents[:_NAMED_AGENTS],
            "first": snapshots[0].snapshot_id,
            "last": snapshots[-1].snapshot_id,
        }
        try:
            await self._record(self._new_event(EventKind.SNAPSHOT, caller, success=True, payload=payload))
        except StorageError as exc:
            raise StorageError(
                f"{_counted(len(snapshots))} kept, but the audit log could not be told: {exc.message} "
                "Do not hand in the same again.",
                data={**exc.data, "snapshot_ids": [snapshot.snapshot_id for snapshot in snapshots]},
            ) from exc


@contextmanager
def _named(number: int, among: int) -> Generator[None]:
    """Say which of several snapshots cannot be kept."""
    try:
        yield
    except InvalidRequestError as exc:
        if among == 1:
            raise
        raise InvalidRequestError(
            f"None of the {among} snapshots is kept, because number {number} cannot be: {exc.message}",
            data={**exc.data, "number": number},
        ) from exc


def _counted(number: int) -> str:
    return "The snapshot is" if number == 1 else f"The {number} snapshots are"


def _failed(exc: Exception, number: int) -> ToolhoneError:
    # One each: a traceback must not be shared by tasks.
    if isinstance(exc, ToolhoneError):
        error = type(exc)(f"{_counted(number)} not kept: {exc.message}", data=exc.data)
    else:
        error = StorageError(f"{_counted(number)} not kept: {type(exc).__name__}: {exc}")
    error.__cause__ = exc
    return error
