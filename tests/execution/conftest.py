"""A workbench: the whole chain as the application composes it, over tools that a test writes itself."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import count

import pytest

from toolhone.exceptions import ExpiredHandleError, UnknownHandleError
from toolhone.execution.chain import compose
from toolhone.execution.executor import Executor
from toolhone.execution.limits import CallLimits, limiting
from toolhone.execution.links import authorizing, checking_arguments, checking_output, compacting
from toolhone.execution.metering import TokenMeter
from toolhone.execution.recording import recording
from toolhone.execution.results import ResultKeeper
from toolhone.execution.retry import retrying
from toolhone.execution.timeout import timing
from toolhone.models import (
    LOCAL_CALLER,
    Annotations,
    AuditEvent,
    Caller,
    CallResult,
    ErrorInfo,
    EventKind,
    Json,
    JsonObject,
    Limits,
    OutputValidation,
    ProgressReporter,
    ToolCall,
    ToolDefinition,
    ToolOutput,
)
from toolhone.stores import StoredResult
from toolhone.tokens import count_tokens

Handler = Callable[[JsonObject], Awaitable[Json]]
ANYTHING: JsonObject = {"type": "object"}


class DictStore:
    """A result store that remembers, and fails when told to."""

    def __init__(self) -> None:
        self.kept: dict[str, StoredResult] = {}
        self.broken = False
        self.now = 0.0

    def put(self, result: StoredResult) -> None:
        if self.broken:
            raise OSError("disk full at /home/someone")
        self.kept[result.handle] = result

    def get(self, handle: str, principal: str) -> StoredResult:
        result = self.kept.get(handle)
        if result is None or result.principal != principal:
            raise UnknownHandleError(f"There is no result {handle!r}.")
        if result.expires_at < self.now:
            raise ExpiredHandleError
        return result

    def prune(self) -> int:
        return 0

    def erase(self, principal: str) -> int:
        return 0

    def close(self) -> None:
        pass


@dataclass
class Workbench:
    """Tools, and what the chain told the outside."""

    limits: CallLimits = field(default_factory=CallLimits)
    default_seconds: float = 60.0
    max_bytes: int = 16_384
    tools: dict[str, tuple[ToolDefinition, Handler]] = field(
        default_factory=dict[str, tuple[ToolDefinition, Handler]]
    )
    events: list[AuditEvent] = field(default_factory=list[AuditEvent])
    observed: list[tuple[str, bool, float, int]] = field(default_factory=list[tuple[str, bool, float, int]])
    waits: list[float] = field(default_factory=list[float])
    store: DictStore = field(default_factory=DictStore)
    record_error: Exception | None = None
    refused: dict[str, str] = field(default_factory=dict[str, str])
    """Tools that are never called, with the reason."""

    def __post_init__(self) -> None:
        self._ids = count(1)
        self.keeper = ResultKeeper(
            lambda: self.store,
            new_handle=lambda: f"r{next(self._ids):05}-nobody-can-guess",
            count_tokens=count_tokens,
            max_bytes=self.max_bytes,
            clock=lambda: self.store.now,
        )
        record = recording(
            record=self._record,
            observe=self._observe,
            new_event=self._new_event,
            meter=TokenMeter(lambda text: len(text.split(" "))),
        )
        chain = compose(
            [
                record,
                compacting(self.keeper.compact),
                authorizing(self._suggest, refusal=lambda name, _: self.refused.get(name)),
                checking_arguments,
                retrying(
                    record=self._record, new_event=self._new_event, sleep=self._sleep, chance=lambda: 1.0
                ),
                limiting(self.limits),
                timing(default_seconds=self.default_seconds),
                checking_output(self.keeper.keep),
            ],
            self._toolset,
        )
        self.executor = Executor(
            find=lambda name, _: self.tools[name][0] if name in self.tools else None,
            chain=chain,
            record=record,
            new_call_id=lambda: f"c{next(self._ids)}",
        )

    def tool(
        self,
        name: str,
        handler: Handler,
        *,
        schema: JsonObject = ANYTHING,
        output_schema: JsonObject | None = None,
        output_validation: OutputValidation = OutputValidation.WARN,
        read_only: bool | None = None,
        idempotent: bool | None = None,
        trusted: bool = True,
        server: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Register a tool; its handler returns a ToolOutput, a text, or a value for structured content."""
        definition = ToolDefinition(
            name=name,
            description="",
            input_schema=schema,
            output_schema=output_schema,
            output_validation=output_validation,
            annotations=Annotations(read_only=read_only, idempotent=idempotent),
            trusted=trusted,
            server=server,
            original_name=name,
            limits=limits or Limits(),
        )
        self.tools[name] = (definition, handler)

    async def run(
        self,
        calls: Json,
        *,
        read_only: bool = False,
        caller: Caller = LOCAL_CALLER,
        report_progress: ProgressReporter | None = None,
    ) -> list[CallResult]:
        return await self.executor.run_batch(
            calls, caller=caller, request_id="q1", read_only=read_only, report_progress=report_progress
        )

    async def one(self, tool: str, arguments: Json = None, *, read_only: bool = False) -> CallResult:
        (result,) = await self.run([{"tool": tool, "arguments": arguments or {}}], read_only=read_only)
        return result

    async def fails(self, tool: str, arguments: Json = None, *, read_only: bool = False) -> ErrorInfo:
        """The error of a call that must fail."""
        result = await self.one(tool, arguments, read_only=read_only)
        assert result.error is not None, f"{tool} answered {result.result!r}"
        return result.error

    def of_kind(self, kind: EventKind) -> list[AuditEvent]:
        return [event for event in self.events if event.kind is kind]

    def _observe(self, tool: str, success: bool, milliseconds: float, tokens: int) -> None:
        self.observed.append((tool, success, milliseconds, tokens))

    async def _record(self, event: AuditEvent) -> None:
        if self.record_error is not None:
            raise self.record_error
        self.events.append(event)

    def _new_event(self, kind: EventKind, caller: Caller, **fields: Json) -> AuditEvent:
        return AuditEvent(event_id=f"e{next(self._ids)}", timestamp="", kind=kind, caller=caller, **fields)

    def _suggest(self, name: str, caller: Caller) -> Sequence[str]:
        return get_close_matches(name, self.tools)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def _toolset(self, call: ToolCall) -> ToolOutput:
        assert call.resolved is not None
        answer = await self.tools[call.resolved.name][1](call.arguments)
        if isinstance(answer, ToolOutput):
            return answer
        if isinstance(answer, str):
            return ToolOutput(content=({"type": "text", "text": answer},))
        return ToolOutput(structured=answer, has_structured=True)


@pytest.fixture
def bench() -> Workbench:
    return Workbench()


@pytest.fixture(scope="session")
def new_bench() -> type[Workbench]:
    return Workbench
