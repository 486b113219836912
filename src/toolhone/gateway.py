"""What toolhone does for a caller: find, describe, call, read, validate, account.

Every way in comes through here, so that each request is recorded and counted once, in the same way.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import cast
from weakref import WeakKeyDictionary

import anyio.to_thread

from toolhone import tokens
from toolhone.activity import acting, note
from toolhone.answers import definition_json
from toolhone.audit import AuditLog
from toolhone.events import new_event
from toolhone.exceptions import InvalidRequestError, ToolhoneError, UnknownToolError
from toolhone.execution.executor import Executor
from toolhone.execution.offloading import off_loop_if_large
from toolhone.execution.output_schemas import OutputSchemas
from toolhone.execution.results import ResultKeeper
from toolhone.finding import Finder, kept_for
from toolhone.found_text import catalog_text
from toolhone.identifiers import id_of_request
from toolhone.json_values import minified
from toolhone.models import (
    Caller,
    CallResult,
    EventKind,
    Json,
    JsonObject,
    ProgressReporter,
    ToolDefinition,
)
from toolhone.reach import Reach, Visible
from toolhone.receipts import OPERATIONS, Exchanges, Receipts
from toolhone.registry.catalog import Catalog
from toolhone.selection.selector import Selector
from toolhone.standing import Standing
from toolhone.statistics import Usage
from toolhone.stores import ToolUsage


class Gateway:
    """The operations of toolhone, over services that `app` built."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        selector: Selector,
        executor: Executor,
        results: ResultKeeper,
        output_schemas: OutputSchemas,
        audit: AuditLog,
        usage: Usage,
        standing: Standing,
        reach: Reach,
        receipts: Receipts,
        finder: Finder,
        settle: Callable[[Caller], Awaitable[Sequence[str]]],
        native_mode: bool,
        default_budget: int | None,
        margin: float,
    ) -> None:
        """Take the services.

        Args:
            native_mode: Whether the tools that are pinned for everyone are listed as tools of our own.
            default_budget: Tokens of the catalog when the caller names none.
            margin: By what share the model's tokenizer may count more than ours; budgets are kept for it.
            settle: Waits a moment for servers that were never listed; what the caller should know then.
        """
        self.catalog = catalog
        """Everything there is. What is for a caller goes by `tools`, `tool` and `near`."""
        self.audit = audit
        self.output_schemas = output_schemas
        self._selector = selector
        self._executor = executor
        self._results = results
        self._usage = usage
        self._standing = standing
        self._receipts = receipts
        self._native_mode = native_mode
        self.default_budget = default_budget
        self._margin = margin
        self._reach = reach
        self._told: WeakKeyDictionary[Visible, tuple[int, str]] = WeakKeyDictionary()
        self.find = finder.find
        self.expect_question = selector.expect_question
        self.settle = settle

    def tools(self, caller: Caller) -> tuple[ToolDefinition, ...]:
        """Every tool that the caller may use, ordered by name; the same object until the catalog changes."""
        return self._reach.tools(caller)

    def tool(self, name: str, caller: Caller) -> ToolDefinition | None:
        """The tool of exactly this name, if the caller may use it."""
        return self._reach.get(name, caller)

    def near(self, name: str, caller: Caller) -> tuple[str, ...]:
        """A few names that may have been meant, of tools that the caller may use."""
        return self._reach.near(name, caller)

    @property
    def selector_problem(self) -> str | None:
        """Why tools are chosen by words alone, if meaning failed; the choosing goes on."""
        return self._selector.problem

    @property
    def encoded(self) -> tuple[int, int]:
        """For how many tools meaning counts already, and how many there are."""
        return self._selector.encoded

    async def indexed(self) -> None:
        """Wait until meaning counts for every tool, for who would rather wait than get a first guess."""
        await self._selector.wait_indexed()

    async def refuse(self, tool: str, arguments: JsonObject, *, caller: Caller, error: ToolhoneError) -> None:
        """Record a request that was turned away before any call of it got a row of its own."""
        await self.audit.record(
            new_event(
                EventKind.REFUSAL,
                caller,
                request_id=id_of_request(),
                tool=tool,
                success=False,
                error_code=error.code,
                payload={"arguments": arguments, "error": {"code": error.code, "message": error.message}},
            )
        )

    async def repaired(self, tool: str, repairs: Sequence[str], *, caller: Caller) -> None:
        """Record what was repaired in a request to toolhone itself."""
        request_id = id_of_request()
        for repair in repairs:
            await self.audit.record(
                new_event(
                    EventKind.REPAIR, caller, request_id=request_id, tool=tool, payload={"repair": repair}
                )
            )

    async def describe(self, names: Sequence[str], *, caller: Caller) -> tuple[list[JsonObject], list[str]]:
        """Full definitions in the order asked, and a message for each name that is not there.

        Raises:
            InvalidRequestError: No names were given.
            UnknownToolError: None of the names is known.
        """
        if not names:
            raise InvalidRequestError("describe_tools needs at least one name in 'names'.")
        if any(self._reach.get(name, caller) is None for name in names):
            await self.settle(caller)
        definitions: list[JsonObject] = []
        missing: list[str] = []
        for name in dict.fromkeys(names):
            tool = self._reach.get(name, caller)
            if tool is None:
                missing.append(self._unknown(name, caller))
            else:
                definitions.append(definition_json(tool))
        if not definitions:
            raise UnknownToolError(" ".join(missing), data={"names": list(names)})
        await self.audit.record(
            new_event(
                EventKind.DESCRIPTION,
                caller,
                request_id=id_of_request(),
                success=not missing,
                payload={"names": list(names), "missing": missing},
            )
        )
        return definitions, missing

    async def catalog_text(self, budget: int, *, caller: Caller) -> str:
        """Every tool that the caller may use in at most so many tokens; the same as long as they are."""
        visible, budget = self._reach.visible(caller), kept_for(budget, self._margin)
        told = self._told.get(visible)
        if told is None or told[0] != budget:
            text = await anyio.to_thread.run_sync(catalog_text, visible.tools, budget, tokens.count_tokens)
            told = self._told[visible] = budget, text
        return told[1]

    @acting("batch")
    async def call(
        self,
        calls: Json,
        *,
        caller: Caller,
        read_only: bool = False,
        user_id: str | None = None,
        report_progress: ProgressReporter | None = None,
    ) -> list[CallResult]:
        """Run a batch; one result a call, in the order asked.

        Args:
            calls: A list of `{"id"?, "tool", "arguments"}`, or what can be read as one.
            caller: Who asks.
            read_only: Refuse every tool that is not known to be read-only.
            user_id: Whose work it is, as the caller says; for the record.
            report_progress: Receives the progress of the whole batch.

        Raises:
            InvalidRequestError: What was given is not a list of calls.
        """
        request_id = id_of_request()
        note(request_id=request_id, principal=caller.principal)
        if not self._all_known(calls):
            await self.settle(caller)
        return await self._executor.run_batch(
            calls,
            caller=caller,
            read_only=read_only,
            user_id=user_id,
            request_id=request_id,
            report_progress=report_progress,
        )

    async def read_result(
        self,
        handle: str,
        *,
        caller: Caller,
        path: str | None = None,
        offset: int = 0,
        limit: int | None = None,
        fields: Sequence[str] = (),
        grep: str | None = None,
    ) -> JsonObject:
        """A page of a stored result.

        Raises:
            UnknownHandleError: There is no such result for this caller, or it has expired.
            InvalidRequestError: The path or the offset leads nowhere.
        """
        page = await self._results.read(
            handle, caller.principal, path=path, offset=offset, limit=limit, fields=fields, grep=grep
        )
        await self.audit.record(
            new_event(
                EventKind.RESULT_READ,
                caller,
                request_id=id_of_request(),
                success=True,
                # Whoever reads the audit must not be able to read the result with it.
                payload={
                    "handle": f"{handle[:6]}…",
                    "path": path,
                    "offset": offset,
                    "count": page["count"],
                    **({"fields": list(fields)} if fields else {}),
                    **({"grep": grep} if grep is not None else {}),
                },
            )
        )
        return page

    async def shown(self, value: Json) -> str | None:
        """The text that says the same as the JSON of a value in fewer tokens, if there is one."""
        return await self._results.shown(value)

    async def validate_output(self, schema: str | JsonObject, output: Json, *, caller: Caller) -> list[str]:
        """In what way a value does not match a schema, or the schema of that name; empty if it does.

        Raises:
            InvalidRequestError: There is no schema of this name.
        """
        if isinstance(schema, str) and self._reach.get(schema, caller) is None:
            # A registered one may be of that name; a tool that the caller must not know of is none.
            schema = self.output_schemas.registered(schema)
        problems = await off_loop_if_large(lambda: self.output_schemas.validate(schema, output), output)
        return [str(problem) for problem in problems]

    def native(self, caller: Caller) -> tuple[ToolDefinition, ...]:
        """The tools that every client is shown beside ours, in a stable order, as far as it may use them."""
        return self._standing.pinned_for_everyone(caller) if self._native_mode else ()

    def listed(self, caller: Caller, listing: str) -> None:
        """Note on the caller's receipt our own tools/list, given as JSON."""
        self._receipts.listed(caller.principal, listing)

    async def exchanged(
        self, caller: Caller, tool: str, arguments: JsonObject, answer: str, structured: JsonObject
    ) -> None:
        """Note on the caller's receipt what one of our tools was asked and answered."""
        if tool not in OPERATIONS:
            return

        def counted() -> Exchanges:
            # What finds or describes has counted its own answer.
            figures: JsonObject = structured.get("tokens", {})
            return Exchanges(
                count=1,
                requests=tokens.count_json(arguments),
                answers=figures["sent"] if figures else tokens.count_tokens(answer),
                legends=figures.get("legend", 0),
                results=_tokens_of_results(structured),
            )

        if tokens.is_loaded():
            exchange = await off_loop_if_large(counted, structured)
        else:
            exchange = await anyio.to_thread.run_sync(counted)
        self._receipts.exchanged(caller.principal, tool, exchange)

    def receipts(self) -> JsonObject:
        """What toolhone put into the contexts of all callers since it started; see `receipts.py`."""
        return self._receipts.total().as_json()

    async def usage(self, caller: Caller) -> Mapping[str, ToolUsage]:
        """What the calls of each tool took that the caller may know of."""
        usage = await self._usage.snapshot()
        if not self._reach.narrows(caller):
            return usage
        names = self._reach.visible(caller).names
        return {name: tool for name, tool in usage.items() if name in names}

    async def statistics(self, *, caller: Caller) -> JsonObject:
        """Calls, receipts and state, in numbers."""
        usage = await self.usage(caller)
        return {
            "tools": len(self._reach.tools(caller)),
            "calls": sum(tool.calls for tool in usage.values()),
            "failures": sum(tool.failures for tool in usage.values()),
            "receipt": self._receipts.of(caller.principal).as_json(),
            "receipts_of_all": self._receipts.total().as_json(),
            "tokenizer": tokens.TOKENIZER,
            "most_called": {
                name: {
                    "calls": tool.calls,
                    "failures": tool.failures,
                    "mean_ms": round(tool.mean_ms, 1),
                    "mean_tokens": round(tool.mean_tokens, 1),
                }
                for name, tool in sorted(usage.items(), key=lambda item: (-item[1].calls, item[0]))[:10]
            },
        }

    def _all_known(self, calls: Json) -> bool:
        """Whether no call can be waiting for a server that was never listed."""
        return isinstance(calls, list) and all(
            isinstance(call, dict) and self.catalog.get(str(cast("JsonObject", call).get("tool"))) is not None
            for call in cast("list[Json]", calls)
        )

    def _unknown(self, name: str, caller: Caller) -> str:
        denial = self._standing.denial(name, caller)
        if denial is not None:
            return f"{name!r} cannot be used: it is {denial}."
        near = self._reach.near(name, caller)
        hint = f" Did you mean {', '.join(near)}?" if near else " Use find_tools to look for it."
        return f"There is no tool {name!r}.{hint}"


def _tokens_of_results(structured: JsonObject) -> int:
    """Of an answer and its request: what the caller wanted of the tools, and what it gave them."""
    if "results" in structured:
        return sum(slot["tokens_used"] for slot in structured["results"])
    value: Json = structured.get("value")
    return 0 if value is None else tokens.count_tokens(value if isinstance(value, str) else minified(value))
