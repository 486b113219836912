"""The one way into the audit log: redacts, writes off the event loop, and returns once it is kept.

Events that arrive while a write runs go together in the next one. Whoever finds no write under way
leads: it writes all that is pending, then hands the lead to the first who came meanwhile. So nobody
waits for more than the write that runs and its own, and no task of our own has to live in between.
"""

import json
import logging
import re
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import NoReturn, TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread

from toolhone.events import new_event
from toolhone.exceptions import NotRunningError, StorageError, ToolhoneError
from toolhone.models import AuditEvent, Caller, EventKind, Json, JsonObject
from toolhone.stores import AuditQuery, AuditStore, AuditVerification, ToolUsage
from toolhone.whole_files import whole_file

logger = logging.getLogger(__name__)

T = TypeVar("T")

Listener = Callable[[AuditEvent, float], None]
"""Receives (event, seconds that it took to record it)."""

_TOOL_NAME = re.compile(r"[a-z0-9_]{1,50}")
"""What a tool can be called. Anything else was made up by the caller and is redacted like other text."""

_ROWS_PER_PIECE = 500
"""Of an export that is handed on while it is read."""

_IDS_PER_ERASURE = 500
"""So that the erasure row names every id within the size of a payload."""


@dataclass(eq=False, slots=True)
class _Ticket:
    """One event on its way, and its caller's place in the queue."""

    event: AuditEvent
    woken: anyio.Event = field(default_factory=anyio.Event)
    """Set when the event was dealt with, or when it is this ticket's turn to lead."""
    done: bool = False
    error: StorageError | None = None


@dataclass(eq=False, slots=True)
class _Batch:
    tickets: list[_Ticket]
    written: bool = False


class AuditLog:
    """Records events durably and reads them back. Belongs to one event loop.

    Args:
        open_store: Called in a worker thread when the log is first used, and again if it failed:
            opening takes time that a start should not.
        redact: Returns a JSON value without its secrets. Nothing is written that did not pass it.
    """

    def __init__(self, open_store: Callable[[], AuditStore], *, redact: Callable[[Json], Json]) -> None:
        self._open_store = open_store
        self._redact = redact
        self._store: AuditStore | None = None
        self._store_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._writer = anyio.CapacityLimiter(1)
        self._readers = anyio.CapacityLimiter(4)
        self._pending: list[_Ticket] = []
        self._batch: _Batch | None = None
        self._leader: _Ticket | None = None
        self._idle: anyio.Event | None = None
        self._closed = False
        self._store_closed = False
        self._listeners: list[Listener] = []

    async def record(self, event: AuditEvent) -> None:
        """Write the event; it is kept when this returns, whatever happens to the process then.

        A caller that is cancelled meanwhile is so after the write.

        Raises:
            StorageError: It could not be written.
            NotRunningError: The log was closed.
        """
        self._check_open()
        began = perf_counter()
        ticket = _Ticket(event)
        self._pending.append(ticket)
        if self._leader is None:
            self._leader = ticket
        cancelled: BaseException | None = None
        # Bounded by the store, which gives up on a locked or failing file by itself.
        with anyio.CancelScope(shield=True):
            while not ticket.done:
                try:
                    if self._leader is ticket:
                        await self._lead()
                    else:
                        await ticket.woken.wait()
                except anyio.get_cancelled_exc_class() as exc:
                    # asyncio's own cancellation (`asyncio.wait_for`, say) passes through shields.
                    cancelled = exc
        if ticket.error is None:
            for listener in self._listeners:
                listener(ticket.event, perf_counter() - began)
        if cancelled is not None:
            raise cancelled
        if ticket.error is not None:
            raise ticket.error

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Tell `listener` of each event that this process has recorded; returns how to stop that.

        It is told on the event loop, of the event as it was written and of the seconds that took. It must
        be quick, and not raise.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def check_writable(self) -> None:
        """Whether an event could be recorded now.

        Raises:
            StorageError: No; the message says why.
        """
        self._check_open()
        await self._read(lambda store: store.check_writable())

    async def query(self, query: AuditQuery) -> list[JsonObject]:
        """The matching rows in the export form (see `storage/chain.py`).

        Raises:
            InvalidRequestError: The query is not valid.
        """
        return await self._read(lambda store: store.query(query))

    async def matching(self, test: Callable[[JsonObject], bool]) -> list[str]:
        """The ids of the rows that pass the test, which gets each in the export form, oldest first."""

        def read(store: AuditStore) -> list[str]:
            ids: list[str] = []
            for row in store.export(AuditQuery(limit=None)):
                anyio.from_thread.check_cancelled()
                if test(row):
                    ids.append(row["audit_id"])
            return ids

        self._check_open()
        # Not abandoned when it is cancelled, as short queries are: it may read for minutes.
        return await anyio.to_thread.run_sync(lambda: read(self._opened()), limiter=self._readers)

    async def verify(self, *, remembered: str | None = None) -> AuditVerification:
        """Check the chain; `remembered` is a head hash of an earlier check, kept elsewhere."""
        return await self._read(lambda store: store.verify(remembered=remembered))

    async def usage(self) -> Mapping[str, ToolUsage]:
        """What the log knows about each tool's calls."""
        return await self._read(lambda store: store.usage())

    async def calls(self) -> int:
        """How many calls the log has."""
        return await self._read(lambda store: store.calls())

    async def aged(self, before: str, *, after: int, limit: int) -> tuple[list[str], int | None]:
        """See `AuditStore.aged`."""
        return await self._read(lambda store: store.aged(before, after=after, limit=limit))

    async def erase(self, event_ids: Sequence[str], *, caller: Caller) -> int:
        """Remove the payloads of these events and record who did so; returns how many had one."""
        erased = 0
        for start in range(0, len(event_ids), _IDS_PER_ERASURE):
            ids = list(event_ids[start : start + _IDS_PER_ERASURE])
            record = new_event(EventKind.ERASURE, caller, success=True, payload={"event_ids": ids})

            def erase(ids: list[str] = ids, record: AuditEvent = record) -> int:
                return self._opened().erase(ids, record=record)

            self._check_open()
            erased += await anyio.to_thread.run_sync(erase, limiter=self._writer)
        return erased

    async def export_to(self, path: Path, query: AuditQuery | None = None) -> int:
        """Write the matching rows (default: all) as JSONL, oldest first; returns how many.

        The file appears whole or not at all, readable by this user alone.

        Raises:
            StorageError: The file cannot be written.
        """
        chosen = query or AuditQuery(limit=None)
        self._check_open()
        return await anyio.to_thread.run_sync(
            lambda: _write_lines(path, self._opened(), chosen), limiter=self._readers
        )

    async def export(self, query: AuditQuery) -> AsyncGenerator[list[JsonObject]]:
        """The matching rows, oldest first, in pieces of some hundred; read while they are taken.

        Raises:
            InvalidRequestError: The query is not valid; before there is anything to iterate over.
        """
        rows: Iterator[JsonObject] = await self._read(lambda store: store.export(query))

        async def take() -> list[JsonObject]:
            self._check_open()
            # Not abandoned when it is cancelled: an iterator must not be left in a thread.
            return await anyio.to_thread.run_sync(
                lambda: list(islice(rows, _ROWS_PER_PIECE)), limiter=self._readers
            )

        first = await take()

        async def pieces() -> AsyncGenerator[list[JsonObject]]:
            piece = first
            while piece:
                yield piece
                piece = await take()

        return pieces()

    async def aclose(self) -> None:
        """Finish what was begun, refuse what comes after, and close the store."""
        self._closed = True
        with anyio.CancelScope(shield=True):
            if self._leader is not None:
                self._idle = self._idle or anyio.Event()
                await self._idle.wait()
            await anyio.to_thread.run_sync(self._close_store, limiter=self._writer)

    async def _lead(self) -> None:
        """Write what is pending, tell everybody, and hand on the lead."""
        if self._batch is None:
            self._batch = _Batch(self._pending)
            self._pending = []
        batch = self._batch
        # If this await is broken off, the leader comes back with the same batch until it is written.
        try:
            await anyio.to_thread.run_sync(self._write, batch, limiter=self._writer)
        except Exception as exc:  # no thread is to be had, say: whoever waits must hear of it
            _fail(batch.tickets, exc)
        self._batch = None
        self._leader = self._pending[0] if self._pending else None
        for ticket in batch.tickets:
            ticket.done = True
            ticket.woken.set()
        if self._leader is not None:
            self._leader.woken.set()
        elif self._idle is not None:
            self._idle.set()

    def _write(self, batch: _Batch) -> None:
        """Redact and write a batch, once; what went wrong is noted on its tickets."""
        with self._write_lock:
            if batch.written:
                return
            ready: list[_Ticket] = []
            for ticket in batch.tickets:
                try:
                    ticket.event = self._redacted(ticket.event)
                except Exception as exc:  # whatever the redactor met: unredacted it is not written
                    _fail([ticket], exc)
                else:
                    ready.append(ticket)
            self._append(ready)
            batch.written = True

    def _append(self, tickets: list[_Ticket]) -> None:
        if not tickets:
            return
        try:
            self._opened().append([ticket.event for ticket in tickets])
        except StorageError as exc:
            _fail(tickets, exc)
        except Exception as exc:  # an event that cannot be stored, say: its neighbours shall not suffer
            if len(tickets) == 1:
                _fail(tickets, exc)
            else:
                for ticket in tickets:
                    self._append([ticket])

    def _redacted(self, event: AuditEvent) -> AuditEvent:
        slot, tool = event.slot, event.tool
        if slot is not None:
            slot = self._redact(slot)
        if tool is not None and not _TOOL_NAME.fullmatch(tool):
            tool = self._redact(tool)
        return replace(event, payload=self._redact(event.payload), slot=slot, tool=tool)

    async def _read(self, work: Callable[[AuditStore], T]) -> T:
        self._check_open()
        # A reader that is cancelled leaves at once. Its thread reads on, in nobody's way, and is
        # stopped by `aclose` at the latest.
        return await anyio.to_thread.run_sync(
            lambda: work(self._opened()), limiter=self._readers, abandon_on_cancel=True
        )

    def _opened(self) -> AuditStore:
        with self._store_lock:
            if self._store_closed:
                self._refuse()
            if self._store is None:
                self._store = self._open_store()
            return self._store

    def _close_store(self) -> None:
        with self._store_lock:
            self._store_closed = True
            if self._store is not None:
                self._store.close()

    def _check_open(self) -> None:
        if self._closed:
            self._refuse()

    def _refuse(self) -> NoReturn:
        raise NotRunningError("The audit log has been closed; nothing more can be recorded or read.")


def _fail(tickets: Sequence[_Ticket], exc: Exception) -> None:
    logger.error("%d audit event(s) could not be written", len(tickets), exc_info=exc)
    for ticket in tickets:
        # One each: a traceback must not be shared by tasks.
        if isinstance(exc, StorageError):
            error = type(exc)(exc.message, data=exc.data)
        else:
            reason = exc.message if isinstance(exc, ToolhoneError) else f"{type(exc).__name__}: {exc}"
            error = StorageError(f"The audit event could not be written, so nothing goes on. {reason}")
        error.__cause__ = exc
        ticket.error = error


def _write_lines(path: Path, store: AuditStore, query: AuditQuery) -> int:
    rows = 0
    try:
        with whole_file(path) as file:
            for entry in store.export(query):
                anyio.from_thread.check_cancelled()
                # backslashreplace: what UTF-8 cannot spell becomes JSON's own escape for it.
                line = json.dumps(entry, ensure_ascii=False).encode("utf-8", "backslashreplace")
                file.write(line + b"\n")
                rows += 1
    except OSError as exc:
        raise StorageError(
            f"The audit cannot be exported to {str(path)!r}: {exc.strerror or exc}. Name another file."
        ) from exc
    return rows
