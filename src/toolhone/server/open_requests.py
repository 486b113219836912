"""Requests that stay open: ended soon after the credential that opened them."""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from types import TracebackType

import anyio

from toolhone.exceptions import RateLimitedError, ToolhoneError

logger = logging.getLogger(__name__)

LOOK_AGAIN = 1.0
"""Seconds between two looks at the credentials of what is open."""


MOST_OPEN = 512
"""Of one credential at once: each holds a connection and a task."""


class OpenRequests:
    """Streams of events live for hours: a credential that was good at their start may be revoked since."""

    def __init__(self) -> None:
        self._open: dict[anyio.CancelScope, Callable[[], Awaitable[bool]]] = {}
        self._of: Counter[str] = Counter()
        """How many are open, by principal."""

    def check(self, principal: str) -> None:
        """Make sure that this principal may open one more.

        Raises:
            RateLimitedError: It has as many as it may.
        """
        if self._of[principal] >= MOST_OPEN:
            raise RateLimitedError(
                f"This credential has {MOST_OPEN} requests open. End some, or use another credential.",
                data={"retry_after": 1},
            )

    def opened(self, principal: str, still: Callable[[], Awaitable[bool]]) -> "_Opened":
        """The time of one request; cancelled when its credential is good no more."""
        return _Opened(self._open, self._of, principal, still)

    async def watch(self) -> None:
        """Look at what is open again and again, until cancelled."""
        while True:
            await anyio.sleep(LOOK_AGAIN)
            try:
                for scope, still in list(self._open.items()):
                    if not await still():
                        scope.cancel()
            except ToolhoneError as exc:
                # New requests are refused for the same reason; what is open is looked at again.
                logger.warning("The credentials of open requests could not be checked: %s", exc.message)


class _Opened:
    """A class of its own, because a generator would take twice as long, and every request has one."""

    __slots__ = ("_of", "_open", "_principal", "_scope", "_still")

    def __init__(
        self,
        open_: dict[anyio.CancelScope, Callable[[], Awaitable[bool]]],
        of: Counter[str],
        principal: str,
        still: Callable[[], Awaitable[bool]],
    ) -> None:
        self._open = open_
        self._of = of
        self._principal = principal
        self._still = still
        self._scope = anyio.CancelScope()

    def __enter__(self) -> anyio.CancelScope:
        scope = self._scope.__enter__()
        self._open[scope] = self._still
        self._of[self._principal] += 1
        return scope

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace_back: TracebackType | None,
    ) -> bool | None:
        del self._open[self._scope]
        self._of[self._principal] -= 1
        if not self._of[self._principal]:
            del self._of[self._principal]
        return self._scope.__exit__(kind, error, trace_back)
