"""A server that asks for a login, and what a user does about it."""

import importlib.util
import socket
import sys
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import anyio.to_thread
import httpx2
import pytest

from toolhone.models import LOCAL_CALLER, AuditEvent, Caller
from toolhone.records.grants import Grant
from toolhone.registry.config import Endpoint, ServerEntry, ServerSettings
from toolhone.registry.credentials import Grants
from toolhone.registry.oauth_settings import OAuth
from toolhone.server_logins import ServerLogins
from toolhone.storage.grants import SqliteGrantStore

if TYPE_CHECKING:
    from logins.login_server import LoginServer

Show: TypeAlias = Callable[[str], Awaitable[None]]


@pytest.fixture(scope="session")
def login_host() -> "Generator[LoginServer]":
    path = Path(__file__).parent / "login_server.py"
    spec = importlib.util.spec_from_file_location("login_server", path)
    assert spec and spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with module.serving() as server:
        yield server


async def browse(address: str) -> None:
    """What a browser does, for a user who agrees to everything."""
    answer = await anyio.to_thread.run_sync(partial(httpx2.get, address, follow_redirects=True, timeout=30))
    assert answer.status_code == 200


class User:
    """Somebody at a terminal, with a data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recorded: list[AuditEvent] = []
        self.browse = browse

    def entry(
        self, url: str, *, transport: Literal["http", "sse"] = "http", oauth: OAuth | None = None
    ) -> ServerEntry:
        target = Endpoint(url=url, headers={}, transport=transport, oauth=oauth or OAuth())
        return ServerEntry(name="docs", fingerprint="sha256:1", target=target, settings=ServerSettings())

    def open_store(self) -> SqliteGrantStore:
        return SqliteGrantStore(self.folder)

    async def log_in(
        self,
        entry: ServerEntry,
        *,
        show: Show = browse,
        port: int | None = None,
        more_scopes: str | None = None,
        patience: float = 20,
        caller: Caller = LOCAL_CALLER,
    ) -> Grant:
        grants = Grants(self.open_store)
        try:
            return await self.logins(entry, grants).log_in(
                entry.name, show=show, port=port, more_scopes=more_scopes, patience=patience, caller=caller
            )
        finally:
            await grants.aclose()

    def logins(self, entry: ServerEntry, grants: Grants) -> ServerLogins:
        return ServerLogins([entry], grants, {}, record=self._record)

    def kept(self, entry: ServerEntry) -> Grant | None:
        store = self.open_store()
        try:
            assert isinstance(entry.target, Endpoint)
            return store.get(entry.name, entry.target.url)
        finally:
            store.close()

    def keep(self, grant: Grant) -> None:
        """As another process of the user does."""
        store = self.open_store()
        store.save(grant)
        store.close()

    async def _record(self, event: AuditEvent) -> None:
        self.recorded.append(event)


@pytest.fixture
def protected(login_host: "LoginServer") -> "LoginServer":
    """A server that asks for a login, to which nobody ever did."""
    login_host.forget_all()
    return login_host


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path / "data")


@pytest.fixture
def entry(user: User, protected: "LoginServer") -> ServerEntry:
    return user.entry(protected.mcp)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
