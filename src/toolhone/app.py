"""Builds everything from settings: the only place where objects meet."""

import json
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from toolhone import tokens
from toolhone.access import ToolRules
from toolhone.assembly import (
    api_tokens,
    approvals,
    audit_log,
    downstream_servers,
    figures,
    keeping,
    keyed_requests,
    learning_from_use,
    load_encoder,
    open_indexes,
    open_results,
    open_vectors,
    scoring_weights,
)
from toolhone.calling import build_executor
from toolhone.events import new_event
from toolhone.exceptions import StorageError, ToolhoneError
from toolhone.execution.output_schemas import OutputSchemas
from toolhone.execution.results import ResultKeeper
from toolhone.finding import Finder
from toolhone.finetuning_host import FinetuningHost
from toolhone.first_line import first_line
from toolhone.gateway import Gateway
from toolhone.models import LOCAL_CALLER, Caller, EventKind, JsonObject, Limits, ToolDefinition
from toolhone.oversight import Oversight
from toolhone.reach import Reach
from toolhone.receipts import Receipts
from toolhone.registry.catalog import Catalog
from toolhone.registry.config import ServersFile, load_servers
from toolhone.registry.files import FileToolset
from toolhone.registry.self_reference import NESTING_MARK
from toolhone.registry.server_state import ServerState, ServerStatus
from toolhone.registry.toolset import Toolset
from toolhone.selection.learning import Learning
from toolhone.selection.selector import Selector
from toolhone.settings import Settings
from toolhone.standing import REASON, Standing
from toolhone.statistics import Usage
from toolhone.tool_choice import ToolChoice
from toolhone.upkeep import Upkeep

if TYPE_CHECKING:
    from toolhone.finetuning_parts import FinetuningParts
    from toolhone.operations import Finetuning
    from toolhone.selection.learned import LearnedRanker

logger = logging.getLogger(__name__)

WITHOUT_NEWS = frozenset({ServerStatus.DISABLED, ServerStatus.READY, ServerStatus.IDLE})
"""States in which a server without tools needs no word: there is nothing wrong with it."""

PRUNING_PAUSE = 300.0
"""Seconds between two looks for expired results."""

NO_LIMITS = Limits()

LISTING_PATIENCE = 5.0
"""Seconds that a request waits for servers that have never been listed before it goes on without."""


class App:
    """A running toolhone. `open_app` makes one."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], servers: ServersFile) -> None:
        self.settings = settings
        self._environ = environ
        self._servers = servers
        self._gateway: Gateway | None = None
        self._tool_choice: ToolChoice | None = None
        self._learning: Learning | None = None
        self._built = anyio.Event()
        self.audit = audit_log(settings)
        self.approvals = approvals(settings, self.audit)
        self.rules = ToolRules(settings.allow_tools, settings.allow_servers)
        self.downstream = downstream_servers(
            settings, environ, servers, on_event=self._on_server_event, judge=self.approvals.judge
        )
        self._limits = self.downstream.server_limits
        self.figures = figures(settings)
        self.tokens = api_tokens(settings, self.audit)
        self.keeping = keeping(settings, self.audit)
        self.oversight = Oversight(self.audit, self.keeping.forgetting)
        self.keyed_requests = keyed_requests(settings)
        self.upkeep = Upkeep(self.downstream, self.learning, self.audit)
        self.host = FinetuningHost(settings, environ, self.audit, self._tools)
        self.registry: FileToolset | None = None
        """The tool files, once everything is built; `None` if there is no folder of them."""
        self._registry_problems: tuple[str, ...] = ()
        self._started = anyio.current_time()

    async def gateway(self) -> Gateway:
        """The operations, once everything is built: a fraction of a second after the start."""
        await self._built.wait()
        assert self._gateway is not None
        return self._gateway

    @property
    def built_gateway(self) -> Gateway | None:
        """The same if everything is built already, for who cannot wait."""
        return self._gateway

    async def tool_choice(self) -> ToolChoice:
        """Choosing tools for programs, likewise."""
        await self._built.wait()
        assert self._tool_choice is not None
        return self._tool_choice

    async def learning(self) -> Learning:
        """Learning from use, likewise."""
        await self._built.wait()
        assert self._learning is not None
        return self._learning

    async def finetuning(self) -> "Finetuning":
        """Learning from work; built when it is first asked for."""
        return (await self.finetuning_parts()).system

    async def finetuning_parts(self) -> "FinetuningParts":
        """The same with what runs beside it."""
        await self._built.wait()
        return await self.host.parts()

    async def _tools(self) -> Sequence[ToolDefinition]:
        await self._settle(LOCAL_CALLER)
        return (await self.gateway()).catalog.tools()

    async def aclose(self) -> None:
        """Close what was opened; nothing can be recorded any more."""
        await self.host.aclose()
        await self.keyed_requests.aclose()
        await self.tokens.aclose()
        await self.approvals.aclose()
        await self.figures.aclose()
        await self.audit.aclose()

    async def listed(self) -> None:
        """Wait until every downstream server was listed or failed, but not for ever."""
        await self.downstream.wait_listed(self.settings.start_timeout)

    async def refresh(self) -> None:
        """Start every downstream server and list its tools now."""
        await self.downstream.refresh()

    def server_states(self) -> Sequence[ServerState]:
        return self.downstream.states()

    def notices(self) -> tuple[str, ...]:
        """What the user should know about servers and tool files that are not as configured."""
        waiting = [state.name for state in self.downstream.states() if state.state is ServerStatus.STARTING]
        unlisted = (f"Not listed yet: {', '.join(waiting)}.",) if waiting else ()
        return (*self._servers.notices, *self._registry_problems, *self._conflicts(), *unlisted)

    def _conflicts(self) -> tuple[str, ...]:
        conflicts = self._gateway.catalog.conflicts if self._gateway else ()
        return tuple(
            f"The tool {conflict.name!r} of {conflict.left_out.server or 'a tool file'} is left out: "
            f"{conflict.kept.server or 'a tool file'} has a tool of this name."
            for conflict in conflicts
        )

    async def catalog_changes(self) -> AsyncIterator[None]:
        """Yields at once, then after each change of the catalog; changes that come together count as one.

        Whoever looks at the catalog at each turn misses nothing: it is watched before the first.
        """
        gateway = await self.gateway()
        changed = anyio.Event()

        def note() -> None:
            changed.set()

        unsubscribe = gateway.catalog.subscribe(note)
        try:
            while True:
                yield
                await changed.wait()
                changed = anyio.Event()
        finally:
            unsubscribe()

    async def run(self) -> None:
        """Build the services, then do their background work until cancelled."""
        files = await self._load_registry()
        toolsets: list[Toolset] = [*files, self.downstream]
        catalog = Catalog(toolsets)
        output_schemas = OutputSchemas(partial(_output_schema, catalog))
        await self._load_output_schemas(output_schemas)
        usage = Usage(self.audit.usage)
        reach = Reach(catalog, self.rules)
        standing = Standing(catalog, self.downstream, reach, failing=usage.failing, pins=self.settings.pins)
        selector = Selector(
            load_encoder=partial(load_encoder, self.settings),
            explore=self.settings.explore,
            open_vectors=partial(open_vectors, self.settings),
            open_indexes=partial(open_indexes, self.settings),
            usage=usage.known,
            weights=partial(scoring_weights, self.settings),
            load_learned=self._load_learned,
        )
        self._learning = learning = learning_from_use(self.settings, self.audit, selector)
        results = ResultKeeper(
            partial(open_results, self.settings),
            # Good for its own caller only, so 72 bits that nobody guesses are enough; each costs tokens.
            new_handle=lambda: secrets.token_urlsafe(9),
            count_tokens=tokens.count_tokens,
            max_bytes=self.settings.result_limit,
            preview_bytes=self.settings.preview_size,
            lifetime_seconds=self.settings.result_lifetime,
        )
        executor = build_executor(
            self.settings,
            catalog,
            reach,
            self.audit,
            usage,
            results,
            self._server_limits,
            refusal=standing.refusal,
            on_call=learning.called,
            snapshotting=self.host.snapshots,
        )
        receipts = Receipts(tokens.count_tokens)
        finder = Finder(
            selector=selector,
            audit=self.audit,
            usage=usage,
            standing=standing,
            reach=reach,
            receipts=receipts,
            default_budget=self.settings.token_budget,
            margin=self.settings.token_margin,
            settle=self._settle,
            remember=learning.remembered,
        )
        self._gateway = Gateway(
            catalog=catalog,
            selector=selector,
            executor=executor,
            results=results,
            output_schemas=output_schemas,
            audit=self.audit,
            usage=usage,
            standing=standing,
            reach=reach,
            receipts=receipts,
            finder=finder,
            settle=self._settle,
            native_mode=self.settings.mode == "native",
            default_budget=self.settings.token_budget,
            margin=self.settings.token_margin,
        )
        self._tool_choice = ToolChoice(self._gateway, usage, self.figures)
        selector.update(standing.ranked())
        unsubscribe = catalog.subscribe(lambda: selector.update(standing.ranked()))
        try:
            async with anyio.create_task_group() as tasks:
                await tasks.start(self.downstream.run)
                tasks.start_soon(selector.run)
                tasks.start_soon(learning.run)
                tasks.start_soon(self._prune, results)
                tasks.start_soon(self.keeping.run)
                tasks.start_soon(self.host.run)
                if self._servers.entries and self.settings.approve != "off":
                    tasks.start_soon(self.approvals.watch, self.downstream.judge_again)
                self._built.set()
        finally:
            unsubscribe()

    async def _load_registry(self) -> list[FileToolset]:
        folder = self.settings.registry
        if folder is None:
            return []
        files = await anyio.to_thread.run_sync(FileToolset, folder, self._environ)
        self.registry = files
        self._registry_problems = tuple(f"Tool file {problem}" for problem in files.problems)
        for notice in self._registry_problems:
            logger.warning("%s", notice)
        return [files]

    async def _load_output_schemas(self, schemas: OutputSchemas) -> None:
        """Register each `output_schemas/NAME.json` of the registry folder under its name."""
        if self.settings.registry is None:
            return
        problems: list[str] = []
        for file in await anyio.to_thread.run_sync(
            sorted, self.settings.registry.glob("output_schemas/*.json")
        ):
            try:
                schemas.register(file.stem, json.loads(await anyio.Path(file).read_bytes()))
            except (OSError, ValueError, ToolhoneError) as exc:
                problems.append(f"Output schema {file}: {exc}")
        for problem in problems:
            logger.warning("%s", problem)
        self._registry_problems += tuple(problems)

    async def _prune(self, results: ResultKeeper) -> None:
        """Drop old results and answers, also when nothing new comes in."""
        while True:
            await anyio.sleep(PRUNING_PAUSE)
            try:
                if (self.settings.data / "results.db").exists():
                    await results.prune()
                await self.keyed_requests.prune()
            except StorageError as exc:
                logger.warning("Expired results could not be dropped: %s", exc.message)

    async def _load_learned(self, encoder: str) -> "LearnedRanker | None":
        assert self._learning is not None
        return await self._learning.load(encoder)

    async def _settle(self, caller: Caller) -> tuple[str, ...]:
        """Give servers that were never listed a moment after our start, then say which are missing."""
        patience = self._started + LISTING_PATIENCE - anyio.current_time()
        if patience > 0:
            await self.downstream.wait_listed(patience)
        missing = [
            f"{state.name} ({first_line(state.error, most=REASON)})" if state.error else state.name
            for state in self.downstream.states()
            if not state.tools
            and state.state not in WITHOUT_NEWS
            and self.rules.allows_server(caller, state.name)
        ]
        return (f"Not available now: {', '.join(missing)}.",) if missing else ()

    def _server_limits(self, server: str) -> Limits:
        return self._limits.get(server, NO_LIMITS)

    async def _on_server_event(self, server: str, what: str, detail: JsonObject) -> None:
        event = new_event(EventKind.SERVER, LOCAL_CALLER, server=server, payload={"what": what, **detail})
        try:
            await self.audit.record(event)
        except StorageError as exc:
            # Calls are refused then, with the reason; the other servers must not end for it.
            logger.warning("Server %s %s; this was not recorded: %s", server, what, exc.message)


def _output_schema(catalog: Catalog, name: str) -> JsonObject | None:
    tool = catalog.get(name)
    return None if tool is None else tool.output_schema


def _servers(settings: Settings, environ: Mapping[str, str]) -> ServersFile:
    if settings.config is None:
        return ServersFile(entries=())
    if environ.get(NESTING_MARK):
        notice = (
            "This toolhone was started by another toolhone, so it starts no servers of its own: "
            f"{NESTING_MARK} is set."
        )
        return ServersFile(entries=(), notices=(notice,))
    return load_servers(settings.config, environ)


@asynccontextmanager
async def open_app(settings: Settings, environ: Mapping[str, str]) -> AsyncGenerator[App]:
    """A running app, stopped at the end with everything it started.

    Raises:
        ConfigurationError: The servers file is not valid.
    """
    app = App(settings, environ, _servers(settings, environ))
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app.run)
            try:
                yield app
            finally:
                tasks.cancel_scope.cancel()
    finally:
        # Last: the end of calls and of servers is recorded too.
        with anyio.CancelScope(shield=True):
            await app.aclose()
