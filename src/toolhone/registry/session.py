"""One supervised downstream server: started when needed, tried again with patience when lost."""

import logging
import math

import anyio
import anyio.abc
import anyio.to_thread

from toolhone.exceptions import (
    ConnectionLostError,
    ServerAuthenticationError,
    ServerUnavailableError,
    ToolhoneError,
)
from toolhone.identifiers import REQUEST
from toolhone.models import JsonObject, ProgressReporter, ToolOutput
from toolhone.registry.config import Command, Endpoint, ServerEntry
from toolhone.registry.connection import Connection, connect
from toolhone.registry.credentials import Credentials
from toolhone.registry.failures import Patience, is_ourselves, refusal, start_failure, stopped_by
from toolhone.registry.known_tools import KnownTools
from toolhone.registry.listing import Listing, read_listing
from toolhone.registry.server_state import ServerState, ServerStatus
from toolhone.registry.supervision import RENEWED_AFTER, Attempt, Supervision, stored_seconds, utc
from toolhone.registry.transport import ServerTrace, open_transport
from toolhone.stores import StoredCatalog

logger = logging.getLogger(__name__)

_FINAL = (ServerStatus.FAILED, ServerStatus.INVALID, ServerStatus.NEEDS_LOGIN)


class SupervisedServer:
    """Calls to one server, whatever happens to it. All methods belong to the event loop's thread."""

    def __init__(self, entry: ServerEntry, prefix: str, shared: Supervision) -> None:
        self.entry = entry
        self.known = KnownTools(entry.name, shared.judge)
        self.settled = anyio.Event()
        """Set once its tools are known, or it failed to tell them."""
        self._remembered_at = 0.0
        self._prefix = prefix
        self._shared = shared
        self._tasks: anyio.abc.TaskGroup | None = None
        self._attempt: Attempt | None = None
        self._connection: Connection | None = None
        self._trace = ServerTrace(entry.name)
        self._status = ServerStatus.IDLE
        self._error: str | None = None
        self._patience = Patience()
        if entry.disabled:
            self._status = ServerStatus.DISABLED
        elif entry.problem is not None:
            self._status, self._error = ServerStatus.INVALID, entry.problem.message
        if entry.target is None:
            self.settled.set()
        self._credentials: Credentials | None = None
        if isinstance(entry.target, Endpoint) and entry.target.oauth and shared.grants:
            self._credentials = Credentials(entry.name, entry.target, shared.grants, shared.environment)

    @property
    def listing(self) -> Listing:
        return self.known.listing

    @property
    def listed(self) -> bool:
        return self.known.listed_at is not None

    @property
    def can_start(self) -> bool:
        return self.entry.target is not None and self._status not in _FINAL

    def state(self) -> ServerState:
        """A picture of now."""
        connection, target = self._connection, self.entry.target
        problems = self.listing.problems
        queues = self._status is ServerStatus.STARTING and self._attempt and not self._attempt.queued
        if connection is not None and connection.noise:
            problems += (f"{connection.noise} messages were not MCP and were skipped.",)
        return ServerState(
            name=self.entry.name,
            transport="" if target is None else "stdio" if isinstance(target, Command) else target.transport,
            state=self._status,
            error=self._shared.queue_note if queues else self._error,
            tools=len(self.listing.tools),
            problems=problems,
            listed_at=self.known.listed_at,
            protocol_version=None if connection is None else connection.protocol_version,
            server_version=None if connection is None else connection.server_version,
            pid=None if connection is None else self._trace.pid,
            attempts=self._patience.failures,
            next_attempt=utc(self._patience.next_attempt) if self._status == ServerStatus.BACKOFF else None,
        )

    @property
    def refusal(self) -> str | None:
        """Why a call made now would be refused without a try, or `None`."""
        waits = self._status == ServerStatus.BACKOFF and self._patience.next_attempt > self._shared.clock()
        return (self._error or "It is not running.") if waits or self._status in _FINAL else None

    @property
    def failing(self) -> str | None:
        """What went wrong last, if it failed and has not been running since; `None` otherwise."""
        running = self._connection is not None and self._connection.usable
        return self._error if self._patience.failures and not running else None

    def supervise(self, tasks: anyio.abc.TaskGroup) -> None:
        """From now on its sessions live in this group."""
        self._tasks = tasks

    async def adopt(self, stored: StoredCatalog) -> None:
        """Take a listing of an earlier run, if it is of this entry and nothing newer is known."""
        if self.entry.target is None or stored.fingerprint != self.entry.fingerprint:
            return
        listing = await anyio.to_thread.run_sync(read_listing, stored.tools, self.entry, self._prefix)
        if not self.listed:
            await self._take(listing, stored.listed_at)
            self._remembered_at = stored_seconds(stored)

    async def ensure_ready(self) -> None:
        """Start it if it is not running, within its own time limit for that.

        Raises:
            ServerUnavailableError: It does not run. Nothing was sent.
        """
        if self._connection is None or not self._connection.usable:
            await self._connected(for_call=True)

    async def call(
        self, tool: str, arguments: JsonObject, report_progress: ProgressReporter | None
    ) -> ToolOutput:
        """Run one tool; starts the server if need be, and once more if it turns out to be gone.

        Raises:
            UnknownToolError: The server has no such tool (any more).
            PermissionDeniedError: It has one, which must not be used.
            ServerUnavailableError: Nothing was sent.
            ConnectionLostError: It was sent, and no answer will come.
            ToolFailedError: The answer is a protocol error, or not an answer.
        """
        resent = False
        while True:
            connection = await self._connected(for_call=True)
            if (missing := self.known.refusal(tool)) is not None:
                raise missing
            try:
                return await connection.call(tool, arguments, report_progress)
            except ServerAuthenticationError as exc:
                self._stop_trying(stopped_by(exc), exc)
                connection.retire(broken=True)
                raise
            except ServerUnavailableError:
                connection.retire(broken=True)
                if resent:
                    raise
                resent = True
            except ConnectionLostError:
                connection.retire(broken=True)
                raise

    async def refresh(self) -> None:
        """Start it if it is not running, and list its tools now. What fails is in the state."""
        if not self.can_start:
            return
        self._patience.hurry()
        try:
            if self._connection is not None and self._connection.usable:
                await self._list_again(self._connection)
            else:
                await self._connected(for_call=False)
        except ToolhoneError as exc:
            logger.debug("Refreshing server %s failed: %s", self.entry.name, exc.message)

    async def keep_listing(self) -> None:
        """Try until its tools are known. No call can start a server that has none to be called."""
        while not self.listed and self.can_start:
            try:
                await self._connected(for_call=False)
            except ServerUnavailableError:
                await self._shared.sleep(max(0.0, self._patience.next_attempt - self._shared.clock()))

    async def follow_login(self) -> None:
        """Somebody may have logged in or out: try again what was refused, and stop using what is gone."""
        if self._credentials is None:
            return
        before = self._credentials.bearer
        await self._credentials.load()
        if self._credentials.bearer == before:
            return
        if self._status is ServerStatus.NEEDS_LOGIN:
            self._status, self._error = ServerStatus.IDLE, None
            self._patience.forget()
            if self._tasks is not None:
                self._tasks.start_soon(self.refresh if self.listed else self.keep_listing)
        elif self._credentials.bearer is None and self._connection is not None:
            self._connection.retire(broken=False)

    async def restart(self) -> None:
        """End the session, forget every failure, and start anew.

        Raises:
            ServerUnavailableError: It does not start.
        """
        if self.entry.target is not None:
            if self._attempt is not None:
                self._attempt.cancel("It was restarted.")
                await self._attempt.finished.wait()
            self._status, self._error = ServerStatus.IDLE, None
            self._patience.forget()
        await self._connected(for_call=False)

    async def _connected(self, *, for_call: bool) -> Connection:
        if self._connection is not None and self._connection.usable:
            return self._connection
        attempt = self._attempt
        if attempt is None or attempt.settled.is_set():
            attempt = self._begin()
        attempt.wanted = attempt.wanted or for_call
        await attempt.settled.wait()
        if attempt.error is not None:
            # A copy: each waiter adds its own traceback.
            raise type(attempt.error)(attempt.error.message, data=attempt.error.data) from attempt.error
        assert attempt.connection is not None
        return attempt.connection

    def _begin(self) -> Attempt:
        waiting = self._patience.next_attempt - self._shared.clock()
        if self._tasks is None or not self.can_start or waiting > 0:
            retry_after = waiting if self._tasks is not None and waiting > 0 else None
            raise refusal(self.entry.name, self._status, self._error, retry_after=retry_after)
        self._attempt = attempt = Attempt()
        self._status = ServerStatus.STARTING
        self._tasks.start_soon(self._live, attempt)
        return attempt

    async def _live(self, attempt: Attempt) -> None:
        """Start, serve and end one session. Nothing that goes wrong in it reaches its siblings."""
        REQUEST.set(None)  # it outlives the request that it was begun for
        try:
            with attempt.life:
                # The time limit begins with the start, not in the queue for it.
                await self._shared.starting.acquire_on_behalf_of(attempt)
                attempt.queued = True
                if not await self._run_session(attempt, probe=True):
                    # Some older servers end when the first thing they are asked is not `initialize`.
                    await self._run_session(attempt, probe=False)
            if attempt.life.cancelled_caught:
                self._failed(attempt, attempt.interruption())
        except Exception as exc:
            # The end of a session: a transport may fail in any way there is.
            logger.debug("The session with server %s ended", self.entry.name, exc_info=True)
            self._failed(attempt, exc)
        finally:
            attempt.leave_queue(self._shared.starting)
            if not attempt.settled.is_set():
                attempt.error = ServerUnavailableError("toolhone is being stopped.")
                attempt.settled.set()
            if self._attempt is attempt:
                self._attempt = self._connection = None
                if self._status in (ServerStatus.STARTING, ServerStatus.READY):
                    self._status = ServerStatus.STOPPED
            attempt.finished.set()
        if attempt.error is None:
            await self._tell("stopped", {})
        else:
            what = "failed" if attempt.connection is None else "lost"
            await self._tell(what, {"error": attempt.error.message})

    async def _run_session(self, attempt: Attempt, *, probe: bool) -> bool:
        """False if it ended at the first question, so that another first question is worth a try."""
        target = self.entry.target
        assert target is not None
        self._trace = ServerTrace(self.entry.name)

        def on_fault() -> None:
            if attempt.connection is None:
                attempt.cancel("It refused a message.")
            else:
                attempt.connection.abort()

        deadline = attempt.life.deadline = anyio.current_time() + self._start_timeout
        transport = open_transport(target, self._trace, self._shared.environment, on_fault, self._credentials)
        async with transport as streams, connect(self.entry.name, streams) as connection:
            attempt.life.deadline = math.inf
            try:
                with anyio.fail_after(deadline - anyio.current_time()):
                    await connection.negotiate(probe=probe)
                    if connection.is_toolhone:
                        self._refuse_itself(attempt)
                        return True
                    await self._list(connection)
            except ConnectionLostError as exc:
                if probe and connection.protocol_version is None:
                    return False
                self._failed(attempt, exc)
                return True
            except (ToolhoneError, TimeoutError) as exc:
                # Told before the session is wound up, which takes seconds for a server that hangs.
                self._failed(attempt, exc)
                return True
            attempt.leave_queue(self._shared.starting)
            await self._serve(attempt, connection)
        return True

    async def _serve(self, attempt: Attempt, connection: Connection) -> None:
        self._connection = attempt.connection = connection
        self._status, self._error = ServerStatus.READY, None
        attempt.ready_at = self._shared.clock()
        attempt.settled.set()
        facts = {"protocol_version": connection.protocol_version, "server": connection.server_version}
        await self._tell("started", facts)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(connection.subscribe)
            tasks.start_soon(self._list_on_change, connection)
            if not attempt.wanted:
                with anyio.move_on_after(self._shared.linger):
                    await connection.touched.wait()
                if not connection.touched.is_set():
                    connection.retire(broken=False)
            await connection.until_over()
            tasks.cancel_scope.cancel()
        if connection.broken:
            self._failed(attempt, ConnectionLostError("Its session was lost."))
        elif self._attempt is attempt:
            self._status = ServerStatus.IDLE

    def _failed(self, attempt: Attempt, failure: Exception) -> None:
        """Note what ended the attempt, tell who waits for it, and decide when to try again."""
        if attempt.error is not None:
            return
        now, chance = self._shared.clock(), self._shared.random()
        if attempt.connection is not None:
            why = failure.message if isinstance(failure, ToolhoneError) else "Its session was lost."
            attempt.error = ServerUnavailableError(why + self._trace.last_words())
            self._patience.session_lost(now, chance, lived=now - attempt.ready_at)
        else:
            timeout, last_words = self._start_timeout, self._trace.last_words()
            attempt.error = start_failure(self.entry, failure, timeout=timeout, last_words=last_words)
            self._patience.start_failed(now, chance)
        attempt.settled.set()
        self.settled.set()
        if isinstance(attempt.error, ServerAuthenticationError):
            self._stop_trying(stopped_by(attempt.error), attempt.error)
        elif self._attempt is attempt and self._status not in _FINAL:
            waits = self._patience.next_attempt > now
            self._status = ServerStatus.BACKOFF if waits else ServerStatus.IDLE
            self._error = attempt.error.message

    def _refuse_itself(self, attempt: Attempt) -> None:
        # However it came about that it is started: its servers would start their servers, without end.
        error = is_ourselves(self.entry.name)
        self._failed(attempt, error)
        attempt.error = error  # Of its start there is nothing to say: it did start.
        self._stop_trying(ServerStatus.INVALID, error)

    def _stop_trying(self, status: ServerStatus, error: ToolhoneError) -> None:
        self._status, self._error = status, error.message

    async def _list_on_change(self, connection: Connection) -> None:
        while True:
            await connection.next_change()
            await self._list_again(connection)

    async def _list_again(self, connection: Connection) -> None:
        """List over a session that is in use. If that fails, the tools stay as they were known."""
        try:
            with anyio.fail_after(self._start_timeout):
                await self._list(connection)
        except (ToolhoneError, TimeoutError) as exc:
            self._error = f"Its tools could not be listed again: {str(exc) or 'no answer in time.'}"
            logger.warning("Server %s: %s", self.entry.name, self._error)
        else:
            self._error = None

    async def _list(self, connection: Connection) -> None:
        listed = await connection.list_tools()
        before = self.listing.content_hash if self.listed else None
        listing = await anyio.to_thread.run_sync(read_listing, listed, self.entry, self._prefix)
        now = self._shared.clock()
        await self._take(listing, utc(now))
        changed = listing.content_hash != before
        if changed or now - self._remembered_at > RENEWED_AFTER:
            self._remembered_at = now
            await self._shared.listed(self.entry, listing, utc(now), changed)
        if changed:
            facts = {"tools": len(self.listing.tools), "content_hash": listing.content_hash}
            await self._tell("listed" if before is None else "changed", facts)

    async def _take(self, listing: Listing, listed_at: str) -> None:
        await self.known.take(listing, listed_at)
        self.settled.set()

    @property
    def _start_timeout(self) -> float:
        return self.entry.settings.start_timeout_seconds or self._shared.start_timeout

    async def _tell(self, what: str, detail: JsonObject) -> None:
        await self._shared.tell(self.entry.name, what, detail)
