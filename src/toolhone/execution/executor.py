"""Runs a batch of calls: everything at once that waits for nothing, results in the order asked."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import anyio
import anyio.lowlevel

from toolhone.exceptions import InvalidRequestError, ReferenceFailedError, ToolhoneError
from toolhone.execution.chain import Invoke, Link
from toolhone.execution.envelope import Envelope, read_calls
from toolhone.execution.offloading import off_loop_if_large, parts_of
from toolhone.execution.plan import fill_slots, make_plan, resolve
from toolhone.execution.presentation import error_info, failure_info, present
from toolhone.execution.progress import BatchProgress
from toolhone.execution.tracing import traced
from toolhone.models import (
    Caller,
    CallResult,
    CallTrace,
    ErrorInfo,
    Json,
    JsonObject,
    ProgressReporter,
    ToolCall,
    ToolDefinition,
    ToolOutput,
)

logger = logging.getLogger(__name__)

MAX_CALLS = 64


@dataclass(slots=True, kw_only=True)
class _Slot:
    """One call of a running batch."""

    envelope: Envelope
    name: str
    done: anyio.Event = field(default_factory=anyio.Event)
    output: ToolOutput | None = None
    result: CallResult | None = None


class Executor:
    """The entrance for calls: reads them, plans them, sends each through the chain."""

    def __init__(
        self,
        *,
        find: Callable[[str, Caller], ToolDefinition | None],
        chain: Invoke,
        record: Link,
        new_call_id: Callable[[], str],
        max_calls: int = MAX_CALLS,
    ) -> None:
        """Take the parts.

        Args:
            find: The tool of this name, if there is one and the caller may use it.
            chain: What a call goes through: all links, and the tools at the end of them.
            record: The outermost link of the chain. A call that fails before it can enter the chain, for
                want of an answer that it refers to, say, goes through this one alone.
            new_call_id: An id that no other call has.
            max_calls: The most calls in one batch.
        """
        self._find = find
        self._chain = chain
        self._record = record
        self._new_call_id = new_call_id
        self._max_calls = max_calls

    async def run_batch(
        self,
        calls: Json,
        *,
        caller: Caller,
        request_id: str,
        read_only: bool = False,
        user_id: str | None = None,
        report_progress: ProgressReporter | None = None,
    ) -> list[CallResult]:
        """Run every call; one result each, in the order asked, whatever happens to the others.

        Args:
            calls: A list of `{"id"?, "tool", "arguments"}`, or what `envelope.py` can read as one.
            caller: Who asks.
            request_id: Joins the calls in the audit.
            read_only: Refuse every tool that is not known to be read-only.
            user_id: Whose work it is, as the caller says.
            report_progress: Receives the progress of the whole batch.

        Raises:
            InvalidRequestError: There is no list of calls, or none in it, or too many.
        """

        def input_schema(tool: str) -> JsonObject | None:
            definition = self._find(tool, caller)
            return definition.input_schema if definition else None

        envelopes = read_calls(calls, input_schema)
        if not envelopes:
            raise InvalidRequestError("'calls' is empty: there is nothing to call.")
        if len(envelopes) > self._max_calls:
            raise InvalidRequestError(
                f"{len(envelopes)} calls are too many for one batch: at most {self._max_calls}. Split it."
            )
        names = fill_slots([envelope.slot for envelope in envelopes])
        plan = make_plan(names, [envelope.arguments for envelope in envelopes])
        slots = [_Slot(envelope=envelope, name=name) for envelope, name in zip(envelopes, names, strict=True)]
        progress = BatchProgress(report_progress, len(slots)) if report_progress else None

        async def arguments_of(index: int) -> JsonObject:
            """With the answers that they refer to; raises what keeps the call from running."""
            if error := slots[index].envelope.error or plan.problems.get(index):
                raise error
            answers = {slots[need].name: _answer(slots[need]) for need in sorted(plan.needs[index])}
            given = slots[index].envelope.arguments
            return await off_loop_if_large(
                lambda: resolve(given, answers.__getitem__),
                given,
                *(part for answer in answers.values() for part in parts_of(answer.whole or answer)),
            )

        async def run(index: int) -> None:
            slot = slots[index]
            for need in plan.needs[index]:
                if index not in plan.problems:
                    await slots[need].done.wait()
            call = self._new_call(slot, caller, request_id, read_only, user_id, progress)
            slot.result = await traced(call, lambda: self._run(call, slot, lambda: arguments_of(index)))
            slot.done.set()
            if progress:
                await progress.finished(slot.name)

        if len(slots) == 1:
            await run(0)  # most batches: a task of its own would only take time
            await anyio.lowlevel.checkpoint_if_cancelled()
        else:
            async with anyio.create_task_group() as tasks:
                for index in range(len(slots)):
                    tasks.start_soon(run, index)
        return [slot.result for slot in slots if slot.result is not None]

    def _new_call(
        self,
        slot: _Slot,
        caller: Caller,
        request_id: str,
        read_only: bool,
        user_id: str | None,
        progress: BatchProgress | None,
    ) -> ToolCall:
        envelope = slot.envelope
        return ToolCall(
            call_id=self._new_call_id(),
            request_id=request_id,
            slot=slot.name,
            tool=envelope.tool,
            arguments=envelope.arguments,
            asked=envelope.given if envelope.error else envelope.arguments,
            caller=caller,
            user_id=user_id,
            resolved=self._find(envelope.tool, caller),
            excerpt=envelope.excerpt,
            read_only_asked=read_only,
            report_progress=progress.of_call(slot.name) if progress else None,
            trace=CallTrace(repairs=list(envelope.repairs)),
        )

    async def _run(
        self, call: ToolCall, slot: _Slot, arguments_of: Callable[[], Awaitable[JsonObject]]
    ) -> CallResult:
        try:
            try:
                call = replace(call, arguments=await arguments_of())
            except ToolhoneError as error:
                slot.output = await self._record(call, _failing(error))
            else:
                slot.output = await self._chain(call)
        except ToolhoneError as error:
            return _failed(call, error)
        except Exception:
            # A call ends here: what is wrong with it is its own result, and must not stop its siblings.
            # The text of a foreign error may hold anything, so it goes to the log only.
            logger.exception("The call of %s failed", call.tool, extra={"call_id": call.call_id})
            return _failed(
                call,
                ToolhoneError(
                    f"Something went wrong inside toolhone while {call.tool!r} was called. "
                    f"Its log says what, under the call's id {call.call_id!r}.",
                    data={"call_id": call.call_id},
                ),
            )
        return _answered(call, slot.output)


def _failing(error: ToolhoneError) -> Invoke:
    async def invoke(call: ToolCall) -> ToolOutput:
        raise error

    return invoke


def _answer(slot: _Slot) -> ToolOutput:
    """The answer of a call that others refer to.

    Raises:
        ReferenceFailedError: It has none.
    """
    if slot.output is not None and not slot.output.is_error:
        return slot.output
    code = slot.result.error.code if slot.result and slot.result.error else "no_answer"
    raise ReferenceFailedError(
        f"Not called: it refers to the call {slot.name!r}, which failed ({code}).",
        data={"id": slot.name, "code": code},
    )


def _failed(call: ToolCall, error: ToolhoneError) -> CallResult:
    info = error_info(error)
    return CallResult(
        slot=call.slot,
        tool=call.tool,
        success=False,
        execution_time_ms=call.trace.execution_time_ms,
        tokens_used=call.trace.tokens_used,
        error=info,
        handle=error.data.get("handle"),
        notices=tuple(call.trace.repairs),
    )


def _answered(call: ToolCall, output: ToolOutput) -> CallResult:
    value, blocks = present(output)
    error: ErrorInfo | None = failure_info(call.tool, output) if output.is_error else None
    return CallResult(
        slot=call.slot,
        tool=call.tool,
        success=error is None,
        execution_time_ms=call.trace.execution_time_ms,
        tokens_used=call.trace.tokens_used,
        result=value if error is None else None,
        error=error,
        handle=output.handle,
        notices=(*call.trace.repairs, *output.notices),
        content=blocks,
        shown=output.shown,
    )
