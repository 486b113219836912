"""What is known of one server's tools: its last listing, without those that must not be used."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import anyio

from toolhone.exceptions import ToolhoneError, UnknownToolError
from toolhone.registry.listing import Listing

Judge: TypeAlias = Callable[[str, Listing, bool], Awaitable[Mapping[str, str]]]
"""Told (server, listing, fresh): which of the tools must not be used, by their original names, and why as
in "it is …". A listing is fresh once; it is judged again when something was decided."""


class KnownTools:
    """Nobody sees a listing before it was judged."""

    def __init__(self, server: str, judge: Judge | None) -> None:
        self.listing = Listing()
        self.listed_at: str | None = None
        self._server = server
        self._judge = judge
        self._judging = anyio.Lock()
        self._read = Listing()
        """As the server listed them."""
        self._originals: frozenset[str] = frozenset()

    async def take(self, listing: Listing, listed_at: str) -> None:
        """From now on these are the tools."""
        async with self._judging:
            judged = await self._judged(listing, fresh=True)
            self._read, self.listed_at = listing, listed_at
            self._show(judged)

    async def judge_again(self) -> bool:
        """Hold back what must not be used as things are now; whether that changed anything."""
        async with self._judging:
            before = self.listing
            self._show(await self._judged(self._read, fresh=False))
            return before.denied != self.listing.denied

    def refusal(self, tool: str) -> ToolhoneError | None:
        """Why a call of the tool that its server knows under this name cannot be sent, or `None`."""
        if tool in self._originals:
            return None
        # A start of the server for this very call may have shown that its definition has changed.
        for denied in self.listing.denied:
            if denied.definition.original_name == tool:
                return denied.refusal()
        return UnknownToolError(f"Server {self._server!r} has no tool {tool!r} (any more).")

    async def _judged(self, listing: Listing, *, fresh: bool) -> Listing:
        if self._judge is None or not listing.tools:
            return listing
        return listing.without(await self._judge(self._server, listing, fresh))

    def _show(self, listing: Listing) -> None:
        self.listing = listing
        self._originals = listing.original_names
