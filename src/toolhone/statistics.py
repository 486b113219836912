"""Figures of use: what each tool's calls took. In memory, fed from outside."""

import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import anyio

from toolhone.stores import RECENT_CALLS, RECENT_SECONDS, ToolUsage

TELLING_CALLS = 3
"""With fewer recent calls nothing is said about how a tool does."""


@dataclass(slots=True)
class _Sums:
    calls: int = 0
    failures: int = 0
    ms: float = 0.0
    tokens: float = 0.0
    recent: deque[tuple[float, bool]] = field(default_factory=lambda: deque(maxlen=RECENT_CALLS))

    def add(self, other: "_Sums") -> None:
        self.calls += other.calls
        self.failures += other.failures
        self.ms += other.ms
        self.tokens += other.tokens
        self.recent.extend(other.recent)

    def usage(self) -> ToolUsage:
        return ToolUsage(
            calls=self.calls,
            failures=self.failures,
            mean_ms=self.ms / self.calls,
            mean_tokens=self.tokens / self.calls,
            recent=tuple(self.recent),
        )


class Usage:
    """Latency, failures and tokens by tool: what the audit log knew at first, and what came since.

    Args:
        load: Reads the audit log's figures; called once, when figures are first asked for.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        load: Callable[[], Awaitable[Mapping[str, ToolUsage]]],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._load = load
        self._clock = clock
        self._loading = anyio.Lock()
        self._loaded = False
        self._sums: dict[str, _Sums] = {}
        self._since: dict[str, _Sums] = {}

    async def load(self) -> None:
        """Read what was recorded before this process, once. If it fails, the next call tries again.

        Raises:
            StorageError: The audit log cannot be read.
        """
        async with self._loading:
            if self._loaded:
                return
            # Calls are recorded before they are observed, so all observed until now are in the log.
            # One that ends while it is being read may be counted twice; one in thousands, once.
            self._since = {}
            recorded = await self._load()
            sums = {
                tool: _Sums(
                    calls=usage.calls,
                    failures=usage.failures,
                    ms=usage.mean_ms * usage.calls,
                    tokens=usage.mean_tokens * usage.calls,
                    recent=deque(usage.recent, maxlen=RECENT_CALLS),
                )
                for tool, usage in recorded.items()
            }
            for tool, since in self._since.items():
                sums.setdefault(tool, _Sums()).add(since)
            self._sums = sums
            self._loaded = True

    def observe(self, tool: str, success: bool, execution_time_ms: float, tokens_used: int) -> None:
        """Count a call that has ended and was recorded."""
        seen = _Sums(calls=1, failures=0 if success else 1, ms=execution_time_ms, tokens=tokens_used)
        seen.recent.append((self._clock(), success))
        self._sums.setdefault(tool, _Sums()).add(seen)
        if not self._loaded:
            self._since.setdefault(tool, _Sums()).add(seen)

    def of(self, tool: str) -> ToolUsage | None:
        """What is known now about one tool; never waits."""
        sums = self._sums.get(tool)
        return None if sums is None else sums.usage()

    def known(self) -> Mapping[str, ToolUsage]:
        """What is known now about all tools; never waits."""
        return {tool: sums.usage() for tool, sums in tuple(self._sums.items())}

    def failing(self) -> Mapping[str, str]:
        """Tools whose last calls mostly failed, each with what to say of it; never waits.

        Whose fault it was does not matter here: the next call would probably end like them.
        """
        since = self._clock() - RECENT_SECONDS
        found: dict[str, str] = {}
        for tool, sums in tuple(self._sums.items()):
            recent = [worked for ended, worked in tuple(sums.recent) if ended >= since]
            failed = recent.count(False)
            if len(recent) >= TELLING_CALLS and 2 * failed > len(recent):
                found[tool] = f"{failed} of its last {len(recent)} calls failed"
        return found

    async def snapshot(self) -> Mapping[str, ToolUsage]:
        """All tools that were ever called.

        Raises:
            StorageError: The audit log cannot be read.
        """
        await self.load()
        return self.known()
