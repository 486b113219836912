"""Counting tokens without holding up the event loop."""

from collections.abc import Callable

import anyio.to_thread

_LONGEST_INLINE = 20_000
"""Characters. A worker thread costs 0.1 ms, counting this many about 1 ms."""


class TokenMeter:
    """Counts with a tokenizer that may take a second to load when it is first used."""

    def __init__(self, count_tokens: Callable[[str], int]) -> None:
        self._count = count_tokens
        self._loaded = False

    async def measure(self, *texts: str) -> int:
        """Tokens of the texts, each counted for itself."""
        if self._loaded and sum(len(text) for text in texts) <= _LONGEST_INLINE:
            return self._sum(texts)
        counted = await anyio.to_thread.run_sync(self._sum, texts)
        self._loaded = True
        return counted

    def _sum(self, texts: tuple[str, ...]) -> int:
        return sum(self._count(text) for text in texts)
