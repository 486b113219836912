"""The access token that requests to a downstream server carry, renewed when it ends.

The SDK's own `httpx2.Auth` is not put on the connection. It holds a lock until the headers of an answer are
there, so that calls of one server would wait for each other; with a restart it forgets when a token ends and
where it is renewed; and it knows nothing of other processes. Its flows do the exchange (`authorization.py`).
"""

import logging
import math
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeGuard

import anyio
import anyio.to_thread
import httpx2

from toolhone.exceptions import ServerAuthenticationError, ServerUnavailableError, ToolhoneError
from toolhone.identifiers import new_id
from toolhone.records.grants import Grant, GrantStore
from toolhone.registry.config import Endpoint

logger = logging.getLogger(__name__)

RENEWAL_SECONDS = 15.0
"""A renewal takes no longer, however slow the authorization server is."""

_LEASE_SECONDS = 30.0
"""For so long nobody else renews it, should our process die over it."""

_LOOK_SECONDS = 0.1

_PAUSE_SECONDS = 10.0
"""For so long after a failure a token that is good yet is used without another try."""


class Grants:
    """The grants of a data folder, asked for in worker threads. Opened when they are first needed."""

    def __init__(
        self, open_store: Callable[[], GrantStore], *, clock: Callable[[], float] = time.time
    ) -> None:
        """Take the store.

        Args:
            open_store: Called in a worker thread, so it may be slow.
            clock: Seconds since the epoch, the same for all processes that share the store.
        """
        self._open_store = open_store
        self._opening = anyio.Lock()
        self._store: GrantStore | None = None
        self.clock = clock

    async def get(self, server: str, url: str) -> Grant | None:
        store = await self._opened()
        return await anyio.to_thread.run_sync(store.get, server, url)

    async def all(self) -> Sequence[Grant]:
        store = await self._opened()
        return await anyio.to_thread.run_sync(store.grants)

    async def save(self, grant: Grant) -> None:
        store = await self._opened()
        await anyio.to_thread.run_sync(store.save, grant)

    async def forget(self, server: str, url: str) -> bool:
        store = await self._opened()
        return await anyio.to_thread.run_sync(store.forget, server, url)

    async def version(self) -> int:
        """Another number than before if another process has changed anything."""
        store = await self._opened()
        return await anyio.to_thread.run_sync(store.version)

    @asynccontextmanager
    async def renewing(self, server: str, url: str) -> AsyncGenerator[None]:
        """Be the only one of all processes that changes this grant."""
        store = await self._opened()
        owner = new_id()

        def begin() -> bool:
            now = self.clock()
            return store.begin_renewal(server, url, owner=owner, now=now, until=now + _LEASE_SECONDS)

        while not await anyio.to_thread.run_sync(begin):  # noqa: ASYNC110 - of another process
            await anyio.sleep(_LOOK_SECONDS)
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(partial(store.end_renewal, server, url, owner=owner))

    async def aclose(self) -> None:
        if self._store is not None:
            await anyio.to_thread.run_sync(self._store.close)

    async def _opened(self) -> GrantStore:
        async with self._opening:
            if self._store is None:
                self._store = await anyio.to_thread.run_sync(self._open_store)
            return self._store


class Credentials:
    """What one server is shown. All methods belong to the event loop's thread."""

    def __init__(self, server: str, target: Endpoint, grants: Grants, environment: Mapping[str, str]) -> None:
        self._server = server
        self._target = target
        self._grants = grants
        self._environment = environment
        self._renewing = anyio.Lock()
        self._loaded = False
        self._grant: Grant | None = None
        self._attempts = 0
        self._failure: ToolhoneError | None = None
        """Of the last attempt to renew it."""
        self._failed_at = -math.inf

    @property
    def bearer(self) -> str | None:
        """The access token as it was known last."""
        return None if self._grant is None else self._grant.access_token

    async def load(self) -> None:
        """Read it anew: another process may have logged in or out, or renewed it.

        Raises:
            StorageError: The store cannot be read.
        """
        # Not while one is being renewed: what was read before must not take the place of what came after.
        async with self._renewing:
            await self._load()

    async def current(self) -> str | None:
        """A token that has not ended, as far as is known; `None` if there is no login.

        Raises:
            ToolhoneError: As `renewed`.
        """
        if not self._loaded:
            await self.load()
        grant = self._grant
        due = grant is not None and grant.renew_at is not None and grant.renew_at <= self._grants.clock()
        if not due or not self._can_be_renewed:
            return self.bearer
        if self._is_good(grant) and self._grants.clock() < self._failed_at + _PAUSE_SECONDS:
            return self.bearer
        try:
            return await self.renewed(instead_of=self.bearer, challenge=None)
        except ServerAuthenticationError:
            raise
        except ServerUnavailableError:
            if self._is_good(grant):
                return grant.access_token
            raise

    def _is_good(self, grant: Grant | None) -> TypeGuard[Grant]:
        """Whether its access token, which is due to be renewed, has not ended yet."""
        return grant is not None and grant.ends_at is not None and self._grants.clock() < grant.ends_at

    async def renewed(self, *, instead_of: str | None, challenge: httpx2.Response | None) -> str | None:
        """A token in place of one that was refused or has ended; `None` if it takes a person to log in.

        Of all who ask at once, in whatever process, one renews it, and the others get the new token. If that
        fails, all who wait in this process get its error; another process tries by itself.

        Args:
            challenge: The answer 401 of the server, which says where tokens come from.

        Raises:
            ServerAuthenticationError: The authorization server refuses the client of the configuration.
            ServerUnavailableError: It cannot be reached now. Nothing is lost.
            StorageError: The store cannot be read or written.
        """
        attempts = self._attempts
        async with self._renewing:
            if self.bearer == instead_of:
                await self._load()
            if self.bearer != instead_of:
                return self.bearer
            if not self._can_be_renewed:
                return None
            if self._failure is not None and self._attempts != attempts:
                # A copy: each who waited adds a traceback of its own.
                raise type(self._failure)(self._failure.message, data=self._failure.data) from self._failure
            async with self._grants.renewing(self._server, self._target.url):
                await self._load()
                if self.bearer == instead_of:
                    # Once the request is sent, the old refresh token may be used up: the new one must be
                    # kept, whether who asked for it still waits or not.
                    with anyio.CancelScope(shield=True):
                        await self._attempt(challenge)
            return self.bearer

    async def _attempt(self, challenge: httpx2.Response | None) -> None:
        self._failure = None
        try:
            self._grant = await self._exchange(challenge)
            await self._grants.save(self._grant)
        except ToolhoneError as exc:
            self._failure, self._failed_at = exc, self._grants.clock()
            raise
        finally:
            self._attempts += 1

    async def _load(self) -> None:
        self._grant = await self._grants.get(self._server, self._target.url)
        self._loaded = True

    @property
    def _can_be_renewed(self) -> bool:
        oauth = self._target.oauth
        by_itself = oauth is not None and oauth.machine
        return by_itself or (self._grant is not None and self._grant.can_be_renewed)

    async def _exchange(self, challenge: httpx2.Response | None) -> Grant:
        # Few servers ask for a login, and the flows bring libraries that the start must not wait for.
        from toolhone.registry.authorization import obtain, renew
        from toolhone.registry.exchange import authorizing

        try:
            with anyio.fail_after(RENEWAL_SECONDS):
                async with authorizing(self._server, self._target, self._environment) as exchange:
                    if self._target.oauth is not None and self._target.oauth.machine:
                        return await obtain(exchange, challenge, self._grant, now=self._grants.clock())
                    assert self._grant is not None
                    return await renew(exchange, self._grant, now=self._grants.clock())
        except TimeoutError as exc:
            raise ServerUnavailableError(
                f"The login of server {self._server!r} could not be renewed within {RENEWAL_SECONDS:g} s."
            ) from exc


class BearerAuth(httpx2.Auth):
    """Puts the access token on every request, and asks once for another if it is refused."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        shown = await self._credentials.current()
        _show(request, shown)
        response = yield request
        if response.status_code != 401:
            return
        other = await self._credentials.renewed(instead_of=shown, challenge=response)
        if other is not None:
            _show(request, other)
            yield request


def _show(request: httpx2.Request, token: str | None) -> None:
    if token is not None:
        request.headers["Authorization"] = f"Bearer {token}"
