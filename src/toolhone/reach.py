"""What of the catalog a caller may know: to it, every other tool is not there.

Whoever may use only some tools must not learn of the rest, so everything that names, counts or looks for
tools asks here. What is asked for by name and not allowed is refused in the same words whether it exists or
not.
"""

from collections.abc import Sequence
from typing import TypeAlias

from toolhone.access import ToolRules
from toolhone.models import Caller, ToolDefinition
from toolhone.registry.catalog import Catalog
from toolhone.roles import Role

NOT_AMONG = "not among the tools that this caller may use"

Kind: TypeAlias = tuple[Role, tuple[str, ...] | None] | None
"""Role and patterns of a caller that may use some tools only; `None` is one that may use all."""

REMEMBERED = 64
"""Kinds of callers whose tools are known without looking through all of them."""

NEAR = 50
"""Names that are like the one asked for, of which the caller may know some."""


class Visible:
    """The tools that one kind of caller may use, as the catalog is now. Equal only to itself."""

    def __init__(self, tools: tuple[ToolDefinition, ...]) -> None:
        self.tools = tools
        """Ordered by name."""
        self.names = frozenset(tool.name for tool in tools)


class Reach:
    """The catalog, as far as each caller's role and credential go."""

    def __init__(self, catalog: Catalog, rules: ToolRules) -> None:
        self._catalog = catalog
        self._rules = rules
        self._seen: dict[Kind, tuple[tuple[ToolDefinition, ...], Visible]] = {}
        """By kind of caller: a state of the catalog, and what is seen of it."""

    def narrows(self, caller: Caller) -> bool:
        """Whether there may be tools that the caller must not know of."""
        return self._rules.narrows(caller)

    def visible(self, caller: Caller) -> Visible:
        """The same object until the catalog changes, for all callers of the same role and patterns."""
        tools = self._catalog.tools()
        key = (caller.role, caller.tools) if self.narrows(caller) else None
        known = self._seen.get(key)
        if known is None or known[0] is not tools:
            shown = tools if key is None else tuple(self.allowed(tools, caller))
            if len(self._seen) >= REMEMBERED:
                self._seen.clear()
            known = self._seen[key] = tools, Visible(shown)
        return known[1]

    def tools(self, caller: Caller) -> tuple[ToolDefinition, ...]:
        """Every tool that the caller may use, ordered by name."""
        return self.visible(caller).tools

    def get(self, name: str, caller: Caller) -> ToolDefinition | None:
        """The tool of exactly this name, if the caller may use it."""
        tool = self._catalog.get(name)
        return tool if tool is not None and self._rules.allows(caller, tool) else None

    def near(self, name: str, caller: Caller, n: int = 3) -> tuple[str, ...]:
        """Up to `n` names that may have been meant, the likeliest first."""
        if not self.narrows(caller):
            return self._catalog.near(name, n)
        known = self.visible(caller).names
        return tuple(near for near in self._catalog.near(name, NEAR) if near in known)[:n]

    def allowed(self, tools: Sequence[ToolDefinition], caller: Caller) -> Sequence[ToolDefinition]:
        """Those of any tools that the caller may use."""
        if not self.narrows(caller):
            return tools
        return [tool for tool in tools if self._rules.allows(caller, tool)]

    def allows(self, tool: ToolDefinition, caller: Caller) -> bool:
        """Whether the caller may use this tool."""
        return self._rules.allows(caller, tool)

    def refusal(self, name: str, caller: Caller) -> str | None:
        """Why nothing of this name is called for the caller, or `None`; as in "it is …"."""
        if not self.narrows(caller) or self.get(name, caller) is not None:
            return None
        if self._rules.allows_name(caller, name):
            return None
        near = self.near(name, caller)
        return f"{NOT_AMONG}; close to it: {', '.join(near)}" if near else NOT_AMONG
