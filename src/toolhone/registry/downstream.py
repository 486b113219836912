"""All downstream MCP servers as one source of tools."""

import logging
import random as random_module
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import anyio
import anyio.abc
import anyio.to_thread

from toolhone.exceptions import ConfigurationError, NotRunningError, StorageError, UnknownToolError
from toolhone.models import JsonObject, Limits, ProgressReporter, ToolDefinition, ToolOutput
from toolhone.records.grants import GrantStore
from toolhone.registry.config import Endpoint, ServerEntry
from toolhone.registry.credentials import Grants
from toolhone.registry.known_tools import Judge
from toolhone.registry.listeners import Listeners
from toolhone.registry.listing import DeniedTool, Listing
from toolhone.registry.names import server_prefixes
from toolhone.registry.server_state import ServerState
from toolhone.registry.session import SupervisedServer
from toolhone.registry.supervision import Supervision, stored_seconds
from toolhone.stores import CatalogStore, StoredCatalog

logger = logging.getLogger(__name__)

FORGOTTEN_AFTER = 90 * 86_400.0
"""Seconds without a new listing after which the remembered tools of a server that is not ours are dropped.

Not sooner: several toolhones with different configurations may share a data folder, and a server that is
not configured here may be in use there. One in use is listed anew now and then, so its listing never gets
this old. If it goes all the same, it costs the other side one start of that server to list it.
"""

LOGIN_SECONDS = 2.0
"""Between two looks whether another process logged in or out."""

_CLOSE_SECONDS = 2.0


class DownstreamServers:
    """A `Toolset` of supervised servers. Tools are known and found before their server was started.

    `run` must be going on while anything else is awaited; every task and session lives inside it.
    """

    def __init__(
        self,
        entries: Sequence[ServerEntry],
        open_store: Callable[[], CatalogStore],
        environment: Mapping[str, str],
        *,
        max_starting: int = 4,
        start_timeout: float = 30.0,
        linger: float = 60.0,
        clock: Callable[[], float] = time.time,
        random: Callable[[], float] = random_module.random,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        on_event: Callable[[str, str, JsonObject], Awaitable[None] | None] | None = None,
        judge: Judge | None = None,
        open_grants: Callable[[], GrantStore] | None = None,
    ) -> None:
        """Nothing is started or opened yet.

        Args:
            open_store: Called in a worker thread, so it may be slow.
            environment: Ours; children get a few harmless variables of it, and what their entry names.
            max_starting: How many servers may be starting at once.
            start_timeout: Seconds to start and list, for servers whose entry does not say.
            linger: Seconds a server that was started only to list its tools is kept for a first call.
            clock: Seconds since the epoch.
            random: A number from 0 to 1, for the jitter of pauses.
            sleep: How the background waits for its next try at a server that was never listed.
            on_event: Told (server, what, detail); what is one of started, listed, changed, lost,
                failed and stopped.
            judge: Says which tools of a listing must not be used, before anybody sees it.
            open_grants: Where logins at servers are kept; called in a worker thread. Without it nothing
                but their headers is shown to servers.
        """
        self._open_store = open_store
        self._clock = clock
        self._store: CatalogStore | None = None
        self._storing = anyio.Lock()
        self._listeners = Listeners()
        self._tools: tuple[ToolDefinition, ...] = ()
        self._denied: dict[str, DeniedTool] = {}
        self._tasks: anyio.abc.TaskGroup | None = None
        may_log_in = any(isinstance(entry.target, Endpoint) and entry.target.oauth for entry in entries)
        self._grants = Grants(open_grants) if open_grants is not None and may_log_in else None
        supervision = Supervision(
            environment=environment,
            starting=anyio.CapacityLimiter(max_starting),
            start_timeout=start_timeout,
            linger=linger,
            clock=clock,
            random=random,
            sleep=sleep,
            listed=self._on_listed,
            on_event=on_event,
            judge=judge,
            grants=self._grants,
        )
        prefixes = server_prefixes(entry.name for entry in entries)
        self._servers = {
            entry.name: SupervisedServer(entry, prefixes[entry.name], supervision) for entry in entries
        }

    @property
    def server_limits(self) -> dict[str, Limits]:
        """What the configuration bounds for each server as a whole."""
        return {name: server.entry.settings.limits.limits() for name, server in self._servers.items()}

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Supervise until cancelled; no child process is left then."""
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                for server in self._servers.values():
                    server.supervise(tasks)
                task_status.started()
                await self._load_catalogs()
                for server in self._servers.values():
                    tasks.start_soon(server.keep_listing)
                if self._grants is not None:
                    tasks.start_soon(self._follow_logins, self._grants)
                await anyio.sleep_forever()
        finally:
            self._tasks = None
            with anyio.CancelScope(shield=True, deadline=anyio.current_time() + _CLOSE_SECONDS):
                if self._store is not None:
                    await anyio.to_thread.run_sync(self._store.close)
                if self._grants is not None:
                    await self._grants.aclose()

    def tools(self) -> Sequence[ToolDefinition]:
        """Every tool that is known, by server in the order of the configuration."""
        return self._tools

    def denied(self) -> Mapping[str, DeniedTool]:
        """Tools that allow and deny lists, or the judge, keep out of `tools`, by name."""
        return self._denied

    def refusals(self) -> dict[str, tuple[str, Sequence[ToolDefinition]]]:
        """Why a call made now would be refused without a try, and which tools that holds for, by server."""
        return {
            name: (refusal, server.listing.tools)
            for name, server in self._servers.items()
            if (refusal := server.refusal) is not None
        }

    def failing(self) -> dict[str, tuple[str, Sequence[ToolDefinition]]]:
        """What went wrong last with servers that may be tried again, and which tools they have, by server."""
        return {
            name: (error, server.listing.tools)
            for name, server in self._servers.items()
            if server.refusal is None and (error := server.failing) is not None
        }

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` on the event loop whenever `tools` changed; returns how to stop that."""
        return self._listeners.subscribe(listener)

    async def ensure_ready(self, definition: ToolDefinition) -> None:
        """Have the server of this tool running, started within its own time limit if need be.

        Does nothing for a tool that no server has; its call says so.

        Raises:
            ServerUnavailableError: The server does not run. Nothing was sent.
        """
        server = self._servers.get(definition.server or "")
        if server is not None:
            self._must_run()
            await server.ensure_ready()

    async def call(
        self,
        definition: ToolDefinition,
        arguments: JsonObject,
        *,
        report_progress: ProgressReporter | None = None,
    ) -> ToolOutput:
        """Run one tool, starting its server if need be.

        Raises:
            UnknownToolError: Its server has it no more.
            ServerUnavailableError: The call was not sent.
            ConnectionLostError: It was sent, and no answer will come.
            ToolFailedError: The server answered with a protocol error, or with no answer at all.
        """
        server = self._servers.get(definition.server or "")
        if server is None:
            raise UnknownToolError(f"No downstream server has a tool {definition.name!r}.")
        self._must_run()
        return await server.call(definition.original_name, arguments, report_progress)

    def states(self) -> list[ServerState]:
        """Where each server stands, in the order of the configuration."""
        return [server.state() for server in self._servers.values()]

    async def refresh(self, names: Iterable[str] | None = None) -> None:
        """Start these servers (all, if none are named) and list their tools now; `states` says how it went.

        Raises:
            ConfigurationError: There is no server of this name.
        """
        self._must_run()
        wanted = list(self._servers.values() if names is None else map(self._server, names))
        async with anyio.create_task_group() as tasks:
            for server in wanted:
                tasks.start_soon(server.refresh)

    async def judge_again(self) -> None:
        """Something was decided about tools: let the judge say again which must not be used."""
        changed = [await server.known.judge_again() for server in self._servers.values()]
        if any(changed):
            self._publish()

    async def restart(self, name: str) -> None:
        """End the server's session, forget its failures, and start it.

        Raises:
            ConfigurationError: There is no server of this name.
            ServerUnavailableError: It does not start.
        """
        self._must_run()
        await self._server(name).restart()

    async def wait_listed(self, timeout: float) -> bool:  # noqa: ASYNC109 - a bound, not a failure
        """Wait until every server was listed or has failed once; whether that happened in time."""
        waiting = [server for server in self._servers.values() if not server.settled.is_set()]
        with anyio.move_on_after(timeout) as patience:
            for server in waiting:
                await server.settled.wait()
        return not patience.cancelled_caught

    async def _follow_logins(self, grants: Grants) -> None:
        """Let what another process did to logins have its effect here."""
        seen = dict.fromkeys(self._servers, 0)
        following: set[str] = set()

        async def follow(name: str, version: int) -> None:
            try:
                await self._servers[name].follow_login()
                seen[name] = version
            except StorageError as exc:
                logger.warning("The login at server %s cannot be read: %s", name, exc.message)
            finally:
                following.discard(name)

        async with anyio.create_task_group() as tasks:
            while True:
                try:
                    version = await grants.version()
                    # A task for each: one that is being renewed has the others wait for nothing.
                    behind = [name for name, known in seen.items() if known != version]
                    for name in behind:
                        if name not in following:
                            following.add(name)
                            tasks.start_soon(follow, name, version)
                except StorageError as exc:
                    logger.warning("Logins at servers cannot be read: %s", exc.message)
                await anyio.sleep(LOGIN_SECONDS)

    def _server(self, name: str) -> SupervisedServer:
        if name not in self._servers:
            known = ", ".join(sorted(self._servers)) or "none"
            raise ConfigurationError(f"There is no server {name!r}. Configured are: {known}.")
        return self._servers[name]

    def _must_run(self) -> None:
        if self._tasks is None:
            raise NotRunningError("The downstream servers are not being run.")

    async def _load_catalogs(self) -> None:
        try:
            self._store = await anyio.to_thread.run_sync(self._open_store)
            async with self._storing:
                stored = await anyio.to_thread.run_sync(self._store.load)
                await self._forget_unused(self._store, stored)
        except StorageError as exc:
            logger.warning("Tools of downstream servers are not remembered: %s", exc.message)
            return
        for name, catalog in stored.items():
            if name in self._servers:
                await self._servers[name].adopt(catalog)
        self._publish()

    async def _forget_unused(self, store: CatalogStore, stored: Mapping[str, StoredCatalog]) -> None:
        eldest = self._clock() - FORGOTTEN_AFTER
        for name, catalog in stored.items():
            if name not in self._servers and stored_seconds(catalog) < eldest:
                try:
                    await anyio.to_thread.run_sync(store.delete, name)
                except StorageError as exc:
                    logger.warning("The tools of server %s cannot be forgotten: %s", name, exc.message)

    async def _on_listed(self, entry: ServerEntry, listing: Listing, listed_at: str, changed: bool) -> None:
        if changed:
            self._publish()
        if self._store is None:
            return
        catalog = StoredCatalog(
            server=entry.name,
            fingerprint=entry.fingerprint,
            content_hash=listing.content_hash,
            tools=listing.raw,
            listed_at=listed_at,
        )
        try:
            async with self._storing:
                await anyio.to_thread.run_sync(self._store.save, catalog)
        except StorageError as exc:
            logger.warning("The tools of server %s are not remembered: %s", entry.name, exc.message)

    def _publish(self) -> None:
        self._tools = tuple(tool for server in self._servers.values() for tool in server.listing.tools)
        self._denied = {
            denied.definition.name: denied
            for server in self._servers.values()
            for denied in server.listing.denied
        }
        self._listeners.notify()
