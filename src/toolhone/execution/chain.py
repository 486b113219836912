"""How a call is wrapped: links around the call that reaches the tool, composed once.

A link may look at the call, change it, refuse it, run it again or change its answer. Failures travel
as exceptions; only the end of a call (`executor.py`) turns them into results.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeAlias

from toolhone.models import ToolCall, ToolDefinition, ToolOutput

Invoke: TypeAlias = Callable[[ToolCall], Awaitable[ToolOutput]]
"""Runs a call; raises ToolhoneError if there is no answer."""

Link: TypeAlias = Callable[[ToolCall, Invoke], Awaitable[ToolOutput]]


def compose(links: Sequence[Link], innermost: Invoke) -> Invoke:
    """Wrap `innermost` in the links, the first of them outermost."""
    invoke = innermost
    for link in reversed(links):
        invoke = partial(_through, link, invoke)
    return invoke


async def _through(link: Link, invoke: Invoke, call: ToolCall) -> ToolOutput:
    return await link(call, invoke)


def definition_of(call: ToolCall) -> ToolDefinition:
    """The tool of a call that has passed authorization, which lets no unknown tool through."""
    if call.resolved is None:
        raise AssertionError(f"the call of {call.tool!r} was not authorized before it got here")
    return call.resolved
