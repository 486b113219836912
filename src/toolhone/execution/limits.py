"""How many calls run at once and how many in a minute: per tool, per server and per caller.

A call first passes the rates, then queues for a place with its tool, its server and its caller, always in
that order, so that two calls can never wait for each other, and nobody holds a server's place while it
waits for its own tool.
"""

import math
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from toolhone.exceptions import RateLimitedError
from toolhone.execution.chain import Invoke, Link, definition_of
from toolhone.models import Limits, ToolCall, ToolOutput

_WINDOW_SECONDS = 60.0
_WINDOWS_KEPT = 1024

SERVER_DEFAULT = Limits(max_concurrency=16)
CALLER_DEFAULT = Limits(max_concurrency=64)


def _no_limits(server: str) -> Limits:
    return Limits()


@dataclass(slots=True)
class _Places:
    """A limiter that lives as long as somebody uses it, so that their number is bounded by the calls."""

    limiter: anyio.CapacityLimiter
    users: int = 0


@dataclass(slots=True)
class _Window:
    """Times of the calls of the last minute."""

    times: deque[float] = field(default_factory=deque[float])

    def forget(self, now: float) -> None:
        while self.times and self.times[0] <= now - _WINDOW_SECONDS:
            self.times.popleft()


class CallLimits:
    """The limits of everybody, and who uses how much of them now."""

    def __init__(
        self,
        *,
        server_limits: Callable[[str], Limits] = _no_limits,
        server_default: Limits = SERVER_DEFAULT,
        caller_default: Limits = CALLER_DEFAULT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Set the limits.

        Args:
            server_limits: What the configuration says for a server; its `None`s mean `server_default`.
            server_default: For servers that set nothing.
            caller_default: For each caller.
            clock: Seconds; tests turn it by hand.
        """
        self._server_limits = server_limits
        self._server_default = server_default
        self._caller_default = caller_default
        self._clock = clock
        self._places: dict[tuple[str, str], _Places] = {}
        self._windows: dict[tuple[str, str], _Window] = {}

    @asynccontextmanager
    async def place(self, call: ToolCall) -> AsyncGenerator[None, None]:
        """Wait for a place for the call, and hold it.

        Raises:
            RateLimitedError: There were too many calls in the last minute.
        """
        bounds = self._bounds(call)
        self._count(call, bounds)
        # Not the task: one task may hold places for two calls, one made by the other.
        borrower = object()
        held: list[tuple[tuple[str, str], _Places]] = []
        try:
            for key, limits in bounds.items():
                if limits.max_concurrency is not None:
                    held.append((key, await self._one_place(key, limits.max_concurrency, borrower)))
            yield
        finally:
            for key, places in reversed(held):
                places.limiter.release_on_behalf_of(borrower)
                self._leave(key, places)

    def _bounds(self, call: ToolCall) -> dict[tuple[str, str], Limits]:
        definition = definition_of(call)
        bounds = {("tool", definition.name): definition.limits}
        if definition.server is not None:
            own, default = self._server_limits(definition.server), self._server_default
            bounds["server", definition.server] = Limits(
                max_concurrency=own.max_concurrency or default.max_concurrency,
                max_calls_per_minute=own.max_calls_per_minute or default.max_calls_per_minute,
            )
        bounds["caller", call.caller.principal] = self._caller_default
        return bounds

    def _count(self, call: ToolCall, bounds: dict[tuple[str, str], Limits]) -> None:
        now = self._clock()
        counted: list[_Window] = []
        for (kind, name), limits in bounds.items():
            most = limits.max_calls_per_minute
            if most is None:
                continue
            window = self._window((kind, name), now)
            if len(window.times) >= most:
                wait = math.ceil(window.times[len(window.times) - most] + _WINDOW_SECONDS - now)
                raise RateLimitedError(
                    f"{call.tool!r} was not called: {kind} {name!r} is limited to {most} calls a minute. "
                    f"Try again in {wait} s.",
                    data={"retry_after_seconds": wait, "limit": most, "of": kind},
                )
            counted.append(window)
        # Only now, when all have room: a call that is refused does not use up anybody's rate.
        for window in counted:
            window.times.append(now)

    def _window(self, key: tuple[str, str], now: float) -> _Window:
        window = self._windows.get(key)
        if window is None:
            if len(self._windows) >= _WINDOWS_KEPT:
                for other in self._windows.values():
                    other.forget(now)
                self._windows = {kept: other for kept, other in self._windows.items() if other.times}
            window = self._windows[key] = _Window()
        window.forget(now)
        return window

    async def _one_place(self, key: tuple[str, str], most: int, borrower: object) -> _Places:
        """Wait for a place and take it."""
        places = self._places.get(key)
        if places is None:
            places = self._places[key] = _Places(anyio.CapacityLimiter(most))
        elif places.limiter.total_tokens != most:
            places.limiter.total_tokens = most  # The configuration was changed while calls run.
        places.users += 1
        try:
            try:
                # Waiting for a place that is free would be a turn of the event loop.
                places.limiter.acquire_on_behalf_of_nowait(borrower)
            except anyio.WouldBlock:
                await places.limiter.acquire_on_behalf_of(borrower)
        except BaseException:
            self._leave(key, places)
            raise
        return places

    def _leave(self, key: tuple[str, str], places: _Places) -> None:
        places.users -= 1
        if places.users == 0:
            del self._places[key]


def limiting(limits: CallLimits) -> Link:
    """The link that holds a call back until there is a place for it."""

    async def link(call: ToolCall, invoke: Invoke) -> ToolOutput:
        async with limits.place(call):
            return await invoke(call)

    return link
