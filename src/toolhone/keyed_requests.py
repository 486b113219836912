"""Lets a request that its caller gave a key take effect once, however often it is sent.

Whoever sends it again gets the first answer, or waits for it. A request whose end was never seen (the
process died, or something failed in the middle) stays refused: nobody knows whether it took effect, and to
try would be to risk that it does so twice. One that was turned away may be sent again with its key: see
`REFUSALS`.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import anyio
import anyio.to_thread

from toolhone.exceptions import (
    ConfigurationError,
    ConflictError,
    InvalidArgumentsError,
    InvalidRequestError,
    NotAuthenticatedError,
    PermissionDeniedError,
    ProviderNotSetUpError,
    ProviderUnavailableError,
    RateLimitedError,
    ReusedKeyError,
    StorageError,
)
from toolhone.records.requests import FirstAnswer, KeyedRequest, KeyedRequestStore

logger = logging.getLogger(__name__)

KEPT = timedelta(hours=24)
"""How long an answer is remembered."""


REFUSALS = (
    InvalidRequestError,
    InvalidArgumentsError,
    NotAuthenticatedError,
    PermissionDeniedError,
    RateLimitedError,
    ConfigurationError,
    ProviderNotSetUpError,
    ProviderUnavailableError,
)
"""What services raise only before a request takes any effect. After every other error the key stays taken."""


class KeyedRequests:
    """Requests with keys, over one store. Belongs to one event loop."""

    def __init__(
        self, store: KeyedRequestStore, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._now = now
        self._running: dict[tuple[str, str], anyio.Event] = {}

    async def answer(
        self, principal: str, key: str, fingerprint: str, work: Callable[[], Awaitable[FirstAnswer]]
    ) -> tuple[FirstAnswer, bool]:
        """What `work` answers, or what it answered when the request came first; and whether it is the latter.

        Args:
            fingerprint: What tells the request from others: a hash of its method, path and body.

        Of what `work` raises, `REFUSALS` free the key: they must come before any effect. Whatever else it
        raises leaves the key taken, since part of the work may be kept.

        Raises:
            ReusedKeyError: The caller used the key for another request.
            ConflictError: It was begun and not answered: by another process, by one that ended, or by one
                that failed in the middle.
        """
        where = principal, key
        while (running := self._running.get(where)) is not None:
            await running.wait()
        self._running[where] = done = anyio.Event()
        try:
            return await self._answer(principal, key, fingerprint, work)
        finally:
            del self._running[where]
            done.set()

    async def prune(self) -> None:
        """Forget what is too old, also when nothing new comes in."""
        await anyio.to_thread.run_sync(self._store.drop, _moment(self._now() - KEPT))

    async def aclose(self) -> None:
        """Close the store."""
        await anyio.to_thread.run_sync(self._store.close)

    async def _answer(
        self, principal: str, key: str, fingerprint: str, work: Callable[[], Awaitable[FirstAnswer]]
    ) -> tuple[FirstAnswer, bool]:
        now = self._now()
        request = KeyedRequest(principal=principal, key=key, fingerprint=fingerprint, at=_moment(now))
        found = await anyio.to_thread.run_sync(
            lambda: self._store.begin(request, forget_before=_moment(now - KEPT))
        )
        if found is not None:
            return _answered(found[0], fingerprint, found[1]), True
        try:
            answer = await work()
        except REFUSALS:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._store.forget, request)
            raise
        with anyio.CancelScope(shield=True):
            await self._keep(request, answer)
        return answer, False

    async def _keep(self, request: KeyedRequest, answer: FirstAnswer) -> None:
        try:
            await anyio.to_thread.run_sync(self._store.answered, request, answer)
        except StorageError as exc:
            # It took effect, and its caller must hear so. Sent again it is refused, which is safe.
            logger.warning("The answer to a request with a key could not be kept: %s", exc.message)


def _answered(first: KeyedRequest, fingerprint: str, answer: FirstAnswer | None) -> FirstAnswer:
    if first.fingerprint != fingerprint:
        raise ReusedKeyError(
            f"The key {first.key!r} was used at {first.at[:19]} UTC for a request with another address or "
            "body. Send a new key with each new request."
        )
    if answer is None:
        raise ConflictError(
            f"A request with the key {first.key!r} was begun at {first.at[:19]} UTC and has not been "
            "answered: it is still being worked on, or ended in the middle, by a failure or with toolhone. "
            "Look whether it took effect; if it did not, send it with a new key."
        )
    if answer.erased:
        raise ConflictError(
            f"The answer to the request with the key {first.key!r} is no longer kept: since it was begun at "
            f"{first.at[:19]} UTC somebody was erased, whom it might quote, or a backup was restored. Look "
            "whether it took effect; if it did not, send it with a new key."
        )
    return answer


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")
