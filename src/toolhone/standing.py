"""Which tools may be used now, which are likely to fail, and which are always shown; each with its reason.

Of tools that a caller must not know of, nothing is said to it.
"""

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase

from toolhone.first_line import first_line
from toolhone.models import Caller, ToolDefinition
from toolhone.reach import Reach
from toolhone.registry.catalog import Catalog
from toolhone.registry.downstream import DownstreamServers

REASON = 120
"""Characters of an error that stand in a reason: an agent pays for them."""


class Standing:
    """Answers for all tools, over the catalog, the servers and what is known of the last calls."""

    def __init__(
        self,
        catalog: Catalog,
        downstream: DownstreamServers,
        reach: Reach,
        *,
        failing: Callable[[], Mapping[str, str]],
        pins: Mapping[str, Sequence[str]],
    ) -> None:
        """Take what the answers rest on.

        Args:
            failing: Tools whose last calls mostly failed, with what to say of each.
            pins: Names of tools by patterns on the names of clients; "*" is every client.
        """
        self._catalog = catalog
        self._downstream = downstream
        self._reach = reach
        self._failing = failing
        self._pins = pins

    def ranked(self) -> Sequence[ToolDefinition]:
        """All tools, by name, with those that are denied: the selector must know what it leaves out."""
        tools, denied = self._catalog.tools(), self._denied()
        if not denied:
            return tools
        return sorted([*tools, *denied.values()], key=lambda tool: tool.name)

    def known_to(self, caller: Caller) -> frozenset[str] | None:
        """The names of `ranked` that the caller may know of; `None` is all."""
        if not self._reach.narrows(caller):
            return None
        denied = self._reach.allowed([*self._denied().values()], caller)
        return self._reach.visible(caller).names.union(tool.name for tool in denied)

    def refusal(self, name: str, caller: Caller) -> str | None:
        """Why this tool is never called, or `None`. A server that is down says so itself at a call."""
        return self.denial(name, caller) or self._reach.refusal(name, caller)

    def denial(self, name: str, caller: Caller) -> str | None:
        """Why a tool that the caller may know of is used by nobody, or `None`."""
        denied = self._downstream.denied().get(name)
        if denied is None or self._catalog.get(name) is not None:
            return None
        return denied.reason if self._reach.allows(denied.definition, caller) else None

    def blocked(self) -> dict[str, str]:
        """Tools that must not be shown, with the reason why: a call made now would be refused."""
        denied = self._downstream.denied()
        reasons = {name: denied[name].reason for name in self._denied()}
        for server, (why, tools) in self._downstream.refusals().items():
            reason = f"server {server} is down: {first_line(why, most=REASON).rstrip('.')}"
            reasons |= {tool.name: reason for tool in tools if self._catalog.get(tool.name) is tool}
        return reasons

    def cautions(self) -> dict[str, str]:
        """Tools that may be called but are likely to fail, with the reason why."""
        reasons: dict[str, str] = {}
        for why, tools in self._downstream.failing().values():
            reason = f"its server failed: {first_line(why, most=REASON).rstrip('.')}"
            reasons |= {tool.name: reason for tool in tools if self._catalog.get(tool.name) is tool}
        return {**reasons, **self._failing()}

    def pins(self, client: str | None) -> tuple[str, ...]:
        """The tools that the settings pin for a client of this name; without a name, those of "*"."""
        named = (client or "").casefold()
        return tuple(
            dict.fromkeys(
                tool
                for pattern, tools in self._pins.items()
                if fnmatchcase(named, pattern.casefold())
                for tool in tools
            )
        )

    def pinned_for_everyone(self, caller: Caller) -> tuple[ToolDefinition, ...]:
        """The tools that the settings pin for "*" and that are there, in the order of the settings."""
        pinned = [self._reach.get(name, caller) for name in dict.fromkeys(self._pins.get("*", ()))]
        return tuple(tool for tool in pinned if tool is not None)

    def _denied(self) -> dict[str, ToolDefinition]:
        """Without those whose name another tool has, which is not denied."""
        return {
            name: denied.definition
            for name, denied in self._downstream.denied().items()
            if self._catalog.get(name) is None
        }
