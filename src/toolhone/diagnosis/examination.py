"""The whole examination of an installation, one look after the other."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import anyio.to_thread

from toolhone.app import open_app
from toolhone.assembly import load_encoder, open_grants, open_tokens
from toolhone.diagnosis import configuration, data_folder, logins, program, surroundings
from toolhone.diagnosis.findings import Finding, problem
from toolhone.exceptions import ConfigurationError, ToolhoneError
from toolhone.registry.config import load_servers
from toolhone.registry.server_state import ServerState
from toolhone.settings import Settings

logger = logging.getLogger(__name__)

Look = Callable[[], Iterator[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What is examined."""

    settings: Settings
    environ: Mapping[str, str]
    home: Path
    project: Path
    """Where the command was given; hosts may have files for it."""
    address: tuple[str, int]
    """Where HTTP would be served."""
    now: datetime
    deep: bool
    """Whether downstream servers are started and the data folder read through, as `toolhone check` does."""

    async def findings(self) -> AsyncIterator[Finding]:
        """Every finding, as soon as it is known."""
        folder = self.settings.data
        looks: list[tuple[str, Look]] = [
            ("python", program.program),
            ("command", lambda: program.command_path(self.environ)),
            ("settings", lambda: configuration.settings_file(self.environ)),
            ("settings", lambda: configuration.variables(self.environ)),
            ("servers", lambda: configuration.servers_file(self.settings, self.environ)),
            ("logins", self._logins),
            ("tool files", lambda: configuration.tool_files(self.settings, self.environ)),
            ("data", lambda: data_folder.data_folder(folder)),
            ("data files", partial(data_folder.all_files if self.deep else data_folder.data_files, folder)),
            ("jobs", lambda: data_folder.jobs(folder)),
            ("encoder", self._encoder),
            ("hosts", lambda: surroundings.hosts(self.environ, self.home, self.project)),
            ("port", lambda: surroundings.port(*self.address)),
            ("tokens", self._tokens),
            ("proxies", lambda: surroundings.proxies(self.environ)),
        ]
        for topic, look in looks:
            for finding in await anyio.to_thread.run_sync(_found, topic, look):
                yield finding
        if self.deep and self.settings.config is not None:
            for finding in await _started(self._start):
                yield finding

    def _encoder(self) -> Iterator[Finding]:
        try:
            loaded = load_encoder(self.settings)
        except ToolhoneError as exc:
            return program.encoder(exc)
        return program.encoder(loaded)

    def _logins(self) -> Iterator[Finding]:
        file = self.settings.config
        try:
            entries = None if file is None else load_servers(file, self.environ).entries
        except ConfigurationError:  # told where the file is looked at
            entries = None
        store = open_grants(self.settings)
        try:
            return logins.logins(entries, store.grants(), self.now)
        finally:
            store.close()

    def _tokens(self) -> Iterator[Finding]:
        if not (self.settings.data / "access.db").exists():
            return surroundings.tokens([], self.now)
        store = open_tokens(self.settings)
        try:
            return surroundings.tokens(store.tokens(), self.now)
        finally:
            store.close()

    async def _start(self) -> Sequence[ServerState]:
        async with open_app(self.settings, self.environ) as app:
            await app.gateway()
            await app.refresh()
            return app.server_states()


def _found(topic: str, look: Look) -> list[Finding]:
    """What a look found; that it failed is a finding too."""
    findings: list[Finding] = []
    try:
        findings.extend(look())
    except ToolhoneError as exc:
        findings.append(problem(topic, exc.message, "See the message."))
    except Exception as exc:
        # The end of one look: the others must not be kept from the user by a fault in this one.
        logger.debug("The look at %s failed.", topic, exc_info=True)
        findings.append(problem(topic, f"could not be examined: {type(exc).__name__}: {exc}", "Report this."))
    return findings


async def _started(start: Callable[[], Awaitable[Sequence[ServerState]]]) -> list[Finding]:
    try:
        states = await start()
    except ToolhoneError as exc:
        return [problem("servers started", exc.message, "Mend what is named above first.")]
    return list(configuration.started_servers(states))
