"""What toolhone does for a caller: find, describe, call, read, validate, account.

Every way in (MCP, the CLI, the library) comes through here, so that each request is recorded and
counted once, in the same way.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import cast

import anyio.to_thread

from toolhone import tokens
from toolhone.answers import Finding, FoundTool, LeftOut, definition_json, fit
from toolhone.audit import AuditLog, new_event
from toolhone.exceptions import InvalidRequestError, ToolhoneError, UnknownToolError
from toolhone.execution.executor import Executor
from toolhone.execution.offloading import off_loop_if_large
from toolhone.execution.output_schemas import OutputSchemas
from toolhone.execution.results import ResultKeeper
from toolhone.identifiers import new_id
from toolhone.models import (
    Caller,
    CallResult,
    Category,
    EventKind,
    Json,
    JsonObject,
    ProgressReporter,
    ToolDefinition,
)
from toolhone.registry.catalog import Catalog
from toolhone.selection.question import Selection
from toolhone.selection.selector import Selector
from toolhone.standing import Standing
from toolhone.statistics import Receipts, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A `find_tools` answer. Token figures are o200k tokens."""

    request_id: str
    tools: tuple[FoundTool, ...]
    fits: float
    """How likely any tool serves the task, 0 to 1."""
    nothing_fits: bool
    roster: tuple[str, ...]
    """The names of further candidates."""
    left_out: tuple[LeftOut, ...]
    considered: int
    method: str
    notices: tuple[str, ...]
    text: str
    tokens_sent: int
    """Tokens of `text`."""
    tokens_of_all: int
    """Tokens of every tool's name, description and input schema as minified JSON."""
    elapsed_ms: float

    @property
    def tokens_saved(self) -> int:
        return self.tokens_of_all - self.tokens_sent

    def as_json(self) -> JsonObject:
        """The structured form of the answer."""
        structured: JsonObject = {
            "fits": round(self.fits, 3),
            "nothing_fits": self.nothing_fits,
            "tools": [tool.as_json() for tool in self.tools],
            "considered": self.considered,
            "method": self.method,
            "request_id": self.request_id,
            "elapsed_ms": round(self.elapsed_ms, 2),
            "tokens": {
                "sent": self.tokens_sent,
                "all_schemas": self.tokens_of_all,
                "saved": self.tokens_saved,
            },
        }
        if self.roster:
            structured["roster"] = list(self.roster)
        if self.left_out:
            structured["left_out"] = [tool.as_json() for tool in self.left_out]
        if self.notices:
            structured["notices"] = list(self.notices)
        return structured


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
        receipts: Receipts,
        default_budget: int | None,
        settle: Callable[[], Awaitable[Sequence[str]]],
    ) -> None:
        """Take the services.

        Args:
            default_budget: Tokens of a find_tools answer when the caller names none.
            settle: Waits a moment for servers that were never listed; what the user should know then.
        """
        self.catalog = catalog
        self.audit = audit
        self.output_schemas = output_schemas
        self._selector = selector
        self._executor = executor
        self._results = results
        self._usage = usage
        self._standing = standing
        self._receipts = receipts
        self._default_budget = default_budget
        self.settle = settle
        self._counted: tuple[ToolDefinition, ...] | None = None
        self._tokens_of_counted = 0

    async def find(
        self,
        task: str,
        *,
        caller: Caller,
        max_tools: int = 5,
        token_budget: int | None = None,
        available_tools: Collection[str] | None = None,
        category: Category | None = None,
        prefer_fast: bool = False,
        prefer_cheap: bool = False,
        pins: Sequence[str] = (),
    ) -> Found:
        """Select the tools for a task, describe them within the budget, and record the choice.

        Args:
            task: What is to be done, in words.
            caller: Who asks.
            max_tools: At most this many, pinned ones included.
            token_budget: Cap on the text; `None` means the setting.
            available_tools: Only these.
            category: Only tools of this category.
            prefer_fast: Among tools that fit alike, the faster first.
            prefer_cheap: Among tools that fit alike, those with shorter answers first.
            pins: Tools to show whatever the task is, before those that the settings pin for this client.

        Raises:
            InvalidRequestError: The task is empty or a bound is out of range.
        """
        request_id = new_id()
        notices = await self.settle()
        began = perf_counter()
        await self._usage.load()
        blocked, cautions = self._standing.blocked(), self._standing.cautions()
        pinned = dict.fromkeys([*pins, *self._standing.pins(caller.client)])
        missing = [name for name in pinned if name not in blocked and self.catalog.get(name) is None]
        selection = await self._selector.select(
            task,
            max_tools=max_tools,
            available=available_tools,
            category=category,
            prefer_fast=prefer_fast,
            prefer_cheap=prefer_cheap,
            pinned=[name for name in pinned if name not in missing and name not in blocked],
            blocked=blocked,
            unhealthy=cautions.keys(),
        )
        notices = (*notices, *(self._pin_missing(name) for name in missing), *selection.notices)
        finding = _finding(selection, notices, cautions, {n: blocked[n] for n in pinned if n in blocked})
        budget = token_budget if token_budget is not None else self._default_budget

        def describe() -> tuple[Finding, str, int, int]:
            said, text = fit(finding, budget, tokens.count_tokens)
            return said, text, tokens.count_tokens(text), self._tokens_of_all()

        if tokens.is_loaded() and self._counted is self.catalog.tools():
            said, text, sent, of_all = describe()  # less than a hop to a thread would cost
        else:  # the vocabulary is to be loaded, or a large catalog to be counted
            said, text, sent, of_all = await anyio.to_thread.run_sync(describe)
        found = Found(
            request_id=request_id,
            tools=tuple(said.tools),
            fits=said.fits,
            nothing_fits=said.nothing_fits,
            roster=tuple(said.roster),
            left_out=tuple(said.left_out),
            considered=selection.considered,
            method=selection.method,
            notices=notices,
            text=text,
            tokens_sent=sent,
            tokens_of_all=of_all,
            elapsed_ms=(perf_counter() - began) * 1000,
        )
        self._receipts.selected(caller.principal, sent=sent, of_all=of_all)
        await self.audit.record(
            new_event(
                EventKind.SELECTION,
                caller,
                request_id=request_id,
                success=bool(found.tools),
                execution_time_ms=found.elapsed_ms,
                tokens_used=sent,
                payload={
                    "task": task,
                    "max_tools": max_tools,
                    "token_budget": budget,
                    "method": selection.method,
                    "considered": selection.considered,
                    "fits": round(found.fits, 4),
                    "nothing_fits": found.nothing_fits,
                    # In the order shown, so that a tool's place is known: only shown tools can be called.
                    "selected": [[tool.definition.name, round(tool.score, 4)] for tool in selection.tools],
                    "shown": len(found.tools),
                    "pinned": [tool.definition.name for tool in found.tools if tool.pinned],
                    "explored": [tool.definition.name for tool in found.tools if tool.explored],
                    "roster": list(found.roster),
                    "left_out": [tool.as_json() for tool in found.left_out],
                    "tokens_of_all": of_all,
                },
            )
        )
        return found

    async def indexed(self) -> None:
        """Wait until meaning counts for every tool, for who would rather wait than get a first guess."""
        await self._selector.wait_indexed()

    async def refuse(self, tool: str, arguments: JsonObject, *, caller: Caller, error: ToolhoneError) -> None:
        """Record a request that was turned away before any call of it got a row of its own."""
        await self.audit.record(
            new_event(
                EventKind.REFUSAL,
                caller,
                request_id=new_id(),
                tool=tool,
                success=False,
                error_code=error.code,
                payload={"arguments": arguments, "error": {"code": error.code, "message": error.message}},
            )
        )

    async def repaired(self, tool: str, repairs: Sequence[str], *, caller: Caller) -> None:
        """Record what was repaired in a request to toolhone itself."""
        request_id = new_id()
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
        definitions: list[JsonObject] = []
        missing: list[str] = []
        for name in dict.fromkeys(names):
            tool = self.catalog.get(name)
            if tool is None:
                missing.append(self._unknown(name))
            else:
                definitions.append(definition_json(tool))
        if not definitions:
            raise UnknownToolError(" ".join(missing), data={"names": list(names)})
        await self.audit.record(
            new_event(
                EventKind.DESCRIPTION,
                caller,
                request_id=new_id(),
                success=not missing,
                payload={"names": list(names), "missing": missing},
            )
        )
        return definitions, missing

    async def call(
        self,
        calls: Json,
        *,
        caller: Caller,
        read_only: bool = False,
        report_progress: ProgressReporter | None = None,
    ) -> list[CallResult]:
        """Run a batch; one result a call, in the order asked.

        Raises:
            InvalidRequestError: What was given is not a list of calls.
        """
        if not self._all_known(calls):
            await self.settle()
        return await self._executor.run_batch(
            calls,
            caller=caller,
            read_only=read_only,
            request_id=new_id(),
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
    ) -> JsonObject:
        """A page of a stored result.

        Raises:
            UnknownHandleError: There is no such result for this caller, or it has expired.
            InvalidRequestError: The path or the offset leads nowhere.
        """
        page = await self._results.read(handle, caller.principal, path=path, offset=offset, limit=limit)
        await self.audit.record(
            new_event(
                EventKind.RESULT_READ,
                caller,
                request_id=new_id(),
                success=True,
                # Whoever reads the audit must not be able to read the result with it.
                payload={
                    "handle": f"{handle[:6]}…",
                    "path": path,
                    "offset": offset,
                    "count": page["count"],
                },
            )
        )
        return page

    async def validate_output(self, schema: str | JsonObject, output: Json) -> list[str]:
        """In what way a value does not match a schema, or the schema of that name; empty if it does.

        Raises:
            InvalidRequestError: There is no schema of this name.
        """
        problems = await off_loop_if_large(lambda: self.output_schemas.validate(schema, output), output)
        return [str(problem) for problem in problems]

    async def statistics(self) -> JsonObject:
        """Calls, savings and state, in numbers."""
        usage = await self._usage.snapshot()
        return {
            "tools": len(self.catalog.tools()),
            "calls": sum(tool.calls for tool in usage.values()),
            "failures": sum(tool.failures for tool in usage.values()),
            "selections": self._receipts.totals(),
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

    def _pin_missing(self, name: str) -> str:
        near = self.catalog.near(name, 1)
        hint = f"; {near[0]} is close" if near else ""
        return f"The pinned tool {name!r} is not there{hint}."

    def _unknown(self, name: str) -> str:
        refusal = self._standing.refusal(name)
        if refusal is not None:
            return f"{name!r} cannot be used: it is {refusal}."
        near = self.catalog.near(name)
        hint = f" Did you mean {', '.join(near)}?" if near else " Use find_tools to look for it."
        return f"There is no tool {name!r}.{hint}"

    def _tokens_of_all(self) -> int:
        """Counted once per state of the catalog: a large one takes a tenth of a second."""
        tools = self.catalog.tools()
        if self._counted is not tools:
            self._tokens_of_counted = tokens.count_tokens(tokens.tool_listing(tools))
            self._counted = tools
        return self._tokens_of_counted


def _finding(
    selection: Selection,
    notices: Sequence[str],
    cautions: Mapping[str, str],
    pinned_blocked: Mapping[str, str],
) -> Finding:
    missed = {**pinned_blocked, **{tool.name: tool.reason for tool in selection.blocked}}
    return Finding(
        tools=[
            FoundTool(
                definition=tool.definition,
                score=tool.score,
                fits=tool.fits,
                pinned=tool.pinned,
                explored=tool.explored,
                caution=cautions.get(tool.definition.name),
            )
            for tool in selection.tools
        ],
        fits=selection.fits,
        nothing_fits=selection.nothing_fits,
        roster=selection.roster,
        left_out=[LeftOut(name, reason) for name, reason in missed.items()],
        considered=selection.considered,
        notices=notices,
    )
