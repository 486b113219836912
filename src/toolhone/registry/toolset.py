"""The edge every source of tools implements: files, Python functions, downstream servers."""

from collections.abc import Callable, Sequence
from typing import Protocol

from toolhone.models import JsonObject, ProgressReporter, ToolDefinition, ToolOutput


class Toolset(Protocol):
    """A source of tools. `tools` never blocks; `call` runs one and raises ToolhoneError on failure.

    A tool that answers "this went wrong" gives an output with `is_error`; only what kept it from
    answering is raised.
    """

    def tools(self) -> Sequence[ToolDefinition]: ...

    async def ensure_ready(self, definition: ToolDefinition) -> None:
        """Have everything running that a call of this tool needs; does nothing where nothing is needed.

        What it takes is not charged to the call's time limit, and nothing of the call is sent by it.

        Raises:
            ServerUnavailableError: It cannot be had.
        """
        ...

    async def call(
        self,
        definition: ToolDefinition,
        arguments: JsonObject,
        *,
        report_progress: ProgressReporter | None = None,
    ) -> ToolOutput: ...

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` on the event loop whenever `tools` changed; returns how to stop that."""
        ...
