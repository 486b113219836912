"""Plain Python callables, under whatever names a program has for them, as a toolset."""

from collections.abc import Callable, Mapping, Sequence

from toolhone.exceptions import ToolFailedError
from toolhone.models import JsonObject, ProgressReporter, ToolDefinition, ToolOutput
from toolhone.registry.python_handler import FunctionCaller, ToolFunction


class Callables:
    """Callables by name. The names may be any, and nothing is known of the arguments."""

    def __init__(self, functions: Mapping[str, ToolFunction]) -> None:
        self._functions = functions
        # The schemas allow everything. That there is one for the output keeps what a function returns.
        self._definitions = [
            ToolDefinition(
                name=name,
                original_name=name,
                description="",
                input_schema={"type": "object"},
                output_schema={},
            )
            for name in functions
        ]

    def tools(self) -> Sequence[ToolDefinition]:
        return self._definitions

    async def ensure_ready(self, definition: ToolDefinition) -> None:
        """Nothing has to be started for a callable."""

    async def call(
        self,
        definition: ToolDefinition,
        arguments: JsonObject,
        *,
        report_progress: ProgressReporter | None = None,
    ) -> ToolOutput:
        """Run the callable with the arguments as keywords.

        Raises:
            ToolFailedError: It cannot be called, failed, or returned what has no JSON form.
            InvalidArgumentsError: It does not take these arguments.
        """
        function = self._functions[definition.name]
        try:
            caller = FunctionCaller(function)
        except (TypeError, ValueError) as exc:  # Not a function, or one in C that hides its parameters.
            raise ToolFailedError(f"{definition.name!r} cannot be called: {exc}.") from exc
        return await caller.call(definition, arguments, report_progress)

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        return _nothing_to_stop


def _nothing_to_stop() -> None:
    """These functions never change, so listeners are never called."""
