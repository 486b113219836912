"""The library face: register tools, select the few for a task, call functions at once, check output.

Names and fields are those of the code that gave the idea, over the same services as the server:

    manager = get_optimization_manager()
    manager.register_tool(tool_name="get_weather", tool_config={}, full_schema=schema)
    context = ToolSelectionContext(task_description="weather in Paris", max_tools=3)
    result = await manager.optimize_and_execute(context=context, available_tools=["get_weather"])

What happens here is kept in memory only: it is recorded in no audit log. A call that takes longer than
60 seconds, or than its tool's `timeout_seconds`, fails.
"""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import anyio
import anyio.to_thread

from toolhone import tokens
from toolhone.access import ToolRules
from toolhone.audit import AuditLog
from toolhone.calling import build_executor
from toolhone.exceptions import UnknownToolError
from toolhone.execution.function_calls import as_call
from toolhone.execution.limits import CallLimits
from toolhone.execution.output_schemas import OutputSchemas
from toolhone.execution.results import ResultKeeper
from toolhone.identifiers import new_id
from toolhone.models import (
    LOCAL_CALLER,
    Annotations,
    Caller,
    CallResult,
    Category,
    Json,
    JsonObject,
    Limits,
)
from toolhone.reach import Reach
from toolhone.redaction import redact
from toolhone.registry.callables import Callables
from toolhone.registry.catalog import Catalog
from toolhone.registry.functions import FunctionToolset, definition_from_schema
from toolhone.registry.python_handler import ToolFunction
from toolhone.selection.bundle import load_default
from toolhone.selection.encoder import Encoder
from toolhone.selection.selector import Selection, Selector
from toolhone.settings import Settings
from toolhone.statistics import Usage
from toolhone.storage.memory import MemoryAuditStore
from toolhone.stores import ResultStore, ToolUsage

Function = TypeVar("Function", bound=Callable[..., object])

WHOLE = 1 << 30
"""The library hands results over whole: there is no context window to protect."""


@dataclass(frozen=True, slots=True)
class ToolSelectionContext:
    """What a selection is for."""

    task_description: str
    max_tools: int = 10
    prefer_fast: bool = False
    prefer_cheap: bool = False


@dataclass(frozen=True, slots=True)
class FunctionCallResult:
    """The answer to one function call; `result` if it succeeded, else `error`."""

    tool_name: str
    success: bool
    execution_time_ms: float
    tokens_used: int
    """o200k tokens of the arguments plus of the result."""
    result: Json = None
    error: str | None = None


@functools.cache
def _encoder() -> Encoder:
    return load_default()


class OptimizationManager:
    """Tools of a Python program, and the choice among them."""

    def __init__(self) -> None:
        self._functions = FunctionToolset()
        self._catalog = Catalog([self._functions])
        self._usage = Usage(_nothing_recorded)
        self._limits = CallLimits()
        self._selections = 0
        self._saved = 0
        self._selector = Selector(load_encoder=_encoder, open_vectors=None, usage=self._usage.known)
        self._selecting = anyio.Lock()
        self._catalog.subscribe(lambda: self._selector.update(self._catalog.tools()))

    def register_tool(
        self,
        *,
        tool_name: str,
        tool_config: object = None,
        full_schema: JsonObject,
        function: ToolFunction | None = None,
    ) -> None:
        """Register a tool by its schema, and the function that runs it if there is one.

        Args:
            tool_name: 1 to 50 characters of a-z, 0-9 and _.
            tool_config: A mapping or an object with attributes. Its `description`, `category`,
                `risk_level`, `timeout_seconds` and `max_calls_per_minute` count; of the rest a warning
                is logged.
            full_schema: With `parameters` (OpenAI's word) or `inputSchema`.
            function: Sync or async; gets the arguments as keywords.

        Raises:
            InvalidRequestError: The name, the configuration or the schema cannot be used.
        """
        definition = definition_from_schema(tool_name, tool_config, full_schema)
        if function is None:
            self._functions.register_definition(definition)
        else:
            self._functions.register(
                definition.name,
                function,
                description=definition.description,
                input_schema=definition.input_schema,
                output_schema=definition.output_schema,
                annotations=definition.annotations,
                category=definition.category,
                limits=definition.limits,
                output_validation=definition.output_validation,
            )

    def tool(
        self,
        name: str | None = None,
        *,
        description: str | None = None,
        read_only: bool | None = None,
        category: Category = Category.GENERAL,
    ) -> Callable[[Function], Function]:
        """Decorator: register a function, its schema derived from type hints and docstring.

        Raises:
            InvalidRequestError: The signature cannot be turned into a schema.
        """
        return self._functions.tool(
            name,
            description=description,
            annotations=Annotations(read_only=read_only),
            category=category,
        )

    async def optimize_and_execute(
        self, *, context: ToolSelectionContext, available_tools: Sequence[str] | None = None
    ) -> JsonObject:
        """Select the tools for a task.

        Returns:
            `selected_tools` (names, best first), `schemas` (their definitions), `tokens_saved` and
            `optimization_ratio` (against sending the schema of every available tool, in o200k tokens),
            `fits` (how likely any of them serves the task, 0 to 1), `nothing_fits`, and `notices`.

        Raises:
            InvalidRequestError: The task is empty or a bound is out of range.
        """
        wanted = None if available_tools is None else set(available_tools)
        # A program's own filter may well leave nothing to choose from; an agent's would be a mistake.
        selection = None if wanted == set() else await self._select(context, available_tools)
        chosen = [scored.definition for scored in selection.tools] if selection else []
        available = [tool for tool in self._catalog.tools() if wanted is None or tool.name in wanted]

        def count() -> tuple[int, int]:
            return (
                tokens.count_tokens(tokens.tool_listing(chosen)),
                tokens.count_tokens(tokens.tool_listing(available)),
            )

        # Nothing chosen is nothing saved: the task may have needed a tool.
        sent, of_all = await anyio.to_thread.run_sync(count) if chosen else (0, 0)
        self._selections += 1
        self._saved += of_all - sent
        return {
            "selected_tools": [tool.name for tool in chosen],
            "schemas": [
                {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}
                for tool in chosen
            ],
            "tokens_saved": of_all - sent,
            "optimization_ratio": f"{(of_all - sent) / of_all:.1%}" if chosen else "0.0%",
            "fits": round(selection.fits, 3) if selection else 0.0,
            "nothing_fits": selection.nothing_fits if selection else True,
            "notices": list(selection.notices) if selection else ["No tool is available."],
        }

    async def _select(
        self, context: ToolSelectionContext, available_tools: Sequence[str] | None
    ) -> Selection:
        async with self._selecting:
            async with anyio.create_task_group() as tasks:
                await tasks.start(self._selector.run)
                await self._selector.wait_indexed()
                tasks.cancel_scope.cancel()
            return await self._selector.select(
                context.task_description,
                max_tools=context.max_tools,
                available=available_tools,
                prefer_fast=context.prefer_fast,
                prefer_cheap=context.prefer_cheap,
                exhaustive=True,  # a program that asks for so many wants so many
                unhealthy=self._usage.failing().keys(),
            )

    async def call(self, calls: Sequence[JsonObject]) -> list[FunctionCallResult]:
        """Run registered functions at once: `{"id"?, "tool", "arguments"}` each, references allowed."""
        return await _run(self._catalog, self._usage, self._limits, calls, LOCAL_CALLER)

    def get_optimization_statistics(self) -> JsonObject:
        """Selections so far, what they saved in tokens, and the number of registered tools."""
        return {
            "total_executions": self._selections,
            "total_tokens_saved": self._saved,
            "avg_tokens_saved_per_execution": self._saved / self._selections if self._selections else 0.0,
            "registered_tools": len(self._functions.tools()),
        }


@functools.cache
def get_optimization_manager() -> OptimizationManager:
    """The manager of this process; it starts empty."""
    return OptimizationManager()


class ParallelFunctionCaller:
    """Calls Python functions at once; one that fails or is missing fails alone."""

    def __init__(self) -> None:
        self._limits = CallLimits()

    async def call_functions_parallel(
        self,
        *,
        function_calls: Sequence[Mapping[str, Json]],
        available_functions: Mapping[str, ToolFunction],
        user_id: str | None = None,
    ) -> list[FunctionCallResult]:
        """Run every call and give the results in their order.

        Args:
            function_calls: Each `{"function", "arguments"}`, or `name` and `params`, or as OpenAI's API
                writes a tool call.
            available_functions: Plain or async callables by name. Plain ones run in threads.
            user_id: Who asks. At most 64 calls of one user run at once; the others wait.
        """
        if not function_calls:
            return []
        caller = Caller(principal=user_id or LOCAL_CALLER.principal)
        calls = [as_call(call) for call in function_calls]
        catalog = Catalog([Callables(available_functions)])
        return await _run(catalog, Usage(_nothing_recorded), self._limits, calls, caller)


class StructuredOutputValidator:
    """Checks values against registered JSON Schemas."""

    def __init__(self) -> None:
        self._schemas = OutputSchemas()

    def register_output_schema(self, name: str, schema: JsonObject) -> None:
        """Give a schema a name.

        Raises:
            ToolhoneError: It is not a JSON Schema.
        """
        self._schemas.register(name, schema)

    def validate_output(self, output: Json, name: str) -> tuple[bool, str | None]:
        """`(True, None)`, or `(False, what is wrong)`.

        Raises:
            InvalidRequestError: No schema has this name.
        """
        problems = self._schemas.validate(name, output)
        return (not problems, "; ".join(str(problem) for problem in problems) or None)


def _no_store() -> ResultStore:
    raise AssertionError("no result of the library is too large to be handed over")


def _no_limits(server: str) -> Limits:
    return Limits()


async def _nothing_recorded() -> Mapping[str, ToolUsage]:
    return {}


async def _run(
    catalog: Catalog, usage: Usage, limits: CallLimits, calls: Sequence[JsonObject], caller: Caller
) -> list[FunctionCallResult]:
    audit = AuditLog(MemoryAuditStore, redact=redact)
    results = ResultKeeper(
        _no_store, new_handle=new_id, count_tokens=None, max_bytes=WHOLE, max_binary_bytes=WHOLE
    )
    settings = Settings(max_calls=1024)
    reach = Reach(catalog, ToolRules({}, {}))
    executor = build_executor(settings, catalog, reach, audit, usage, results, _no_limits, limits=limits)
    refused = {index: wrong for index, call in enumerate(calls) if (wrong := _not_json(call))}
    sound = [call for index, call in enumerate(calls) if index not in refused]
    answered: list[CallResult] = []
    for start in range(0, len(sound), settings.max_calls):
        answered += await executor.run_batch(
            sound[start : start + settings.max_calls], caller=caller, request_id=new_id()
        )
    results_of_sound = iter(answered)
    return [
        _refusal(call, refused[index]) if index in refused else _result_of(next(results_of_sound), catalog)
        for index, call in enumerate(calls)
    ]


def _not_json(call: JsonObject) -> str | None:
    """Why a call cannot be checked, counted and recorded; better said before it runs than after."""
    try:
        json.dumps(call)
    except (TypeError, ValueError, RecursionError) as exc:
        return str(exc)
    return None


def _refusal(call: JsonObject, wrong: str) -> FunctionCallResult:
    name = str(call.get("tool", ""))
    return FunctionCallResult(
        tool_name=name,
        success=False,
        execution_time_ms=0.0,
        tokens_used=0,
        error=f"{name!r} was not called: its arguments are not JSON values ({wrong}).",
    )


def _result_of(result: CallResult, catalog: Catalog) -> FunctionCallResult:
    error: str | None = None
    if result.error is not None:
        error = result.error.message
        if result.error.code == UnknownToolError.code:  # Our own words speak of find_tools.
            names = ", ".join(tool.name for tool in catalog.tools()) or "none"
            error = f"There is no function {result.tool!r}. There are: {names}."
    return FunctionCallResult(
        tool_name=result.tool,
        success=result.success,
        execution_time_ms=result.execution_time_ms,
        tokens_used=result.tokens_used,
        result=result.result,
        error=error,
    )
