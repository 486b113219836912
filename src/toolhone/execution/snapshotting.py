"""Tool calls that become snapshots by themselves: taken beside the call, kept behind its back.

The link only notes what a call was and how it went. `SnapshotWriter.run` turns notes into snapshots and hands
them on, so the call waits for no disk; and whatever goes wrong here is logged and counted, never the call's
error: the audit log has the call already. Notes wait in a place of bounded size. When it is full, calls go on
without becoming snapshots, and how many did is said.
"""

import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import anyio
import anyio.lowlevel

from toolhone.exceptions import InvalidRequestError, StorageError, ToolhoneError
from toolhone.execution.chain import Invoke
from toolhone.execution.offloading import off_loop_if_large, parts_of
from toolhone.execution.presentation import error_info, failure_info, present
from toolhone.json_values import is_array, is_object, minified
from toolhone.models import LOCAL_CALLER, Caller, Category, ErrorInfo, Json, JsonObject, ToolCall, ToolOutput
from toolhone.records.snapshots import NewSnapshot

logger = logging.getLogger(__name__)

OFF = "off"
METADATA = "metadata"
"""Names, kinds and sizes of what went in and out; no values."""
REDACTED = "redacted"
"""Arguments and answers, which the collector redacts."""

_LONGEST_NAME = 200
_BATCH = 200
_MOST_WAITING = 2_000
_MOST_CHARACTERS_WAITING = 32 * 1024 * 1024
_SECONDS_TO_KEEP = 60
"""For one batch; the store gives up on a locked file before."""
_SECONDS_TO_END = 5
"""For what still waits when toolhone stops."""


class Collect(Protocol):
    """Keeps snapshots, redacted; see `snapshots.collector.Collector.collect`."""

    def __call__(self, snapshots: Sequence[NewSnapshot], *, caller: Caller) -> Awaitable[object]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Note:
    """A call that is over. Arguments and answer are texts: whoever has the values may still change them."""

    caller: Caller
    category: Category
    mode: str
    call_id: str
    tool: str
    arguments: str
    answer: str
    error: ErrorInfo | None
    execution_time_ms: float
    tokens_used: int

    @property
    def characters(self) -> int:
        return len(self.arguments) + len(self.answer)


class SnapshotWriter:
    """Makes snapshots of calls. `link` goes outermost into the chain; somebody must run `run`.

    A snapshot of a call has the client as its agent, else the principal; the tool as its task type; and as
    performance score 1.0 if the call worked and 0.0 if it failed, which is all that is known of a call:
    whether its answer was of use is not. No snapshot is made of a call of a tool that does not exist, of one
    that was cancelled, and of one whose outcome is withheld, since it could not be recorded.
    """

    def __init__(self, collect: Collect, *, mode: Callable[[Category], str]) -> None:
        """Take what it needs.

        Args:
            collect: Keeps snapshots.
            mode: `off`, `metadata` or `redacted` by the category of the tool.
        """
        self._collect = collect
        self._mode = mode
        self._waiting: deque[_Note] = deque()
        self._characters = 0
        self._came = anyio.Event()
        self._dropped_since = 0
        self.dropped = 0
        """Calls that found no room to wait."""
        self.failed = 0
        """Calls whose snapshots could not be kept."""
        self.kept = 0

    async def link(self, call: ToolCall, invoke: Invoke) -> ToolOutput:
        """The link: takes note of the call, and of nothing that `mode` says is off."""
        try:
            output = await invoke(call)
        except StorageError:
            raise
        except ToolhoneError as error:
            await self._note(call, error=error_info(error))
            raise
        failure = failure_info(call.tool, output) if output.is_error else None
        await self._note(call, error=failure, output=output)
        return output

    async def run(self) -> None:
        """Keep what was noted, until cancelled; then what still waits."""
        try:
            while True:
                await self._came.wait()
                self._came = anyio.Event()
                while self._waiting:
                    await self._keep_within(_SECONDS_TO_KEEP, self._take())
                    # Not shielded: if this is the end, the rest has its own time.
                    await anyio.lowlevel.checkpoint_if_cancelled()
        finally:
            end = anyio.current_time() + _SECONDS_TO_END
            while self._waiting:
                await self._keep_within(max(0, end - anyio.current_time()), self._take())

    async def _note(
        self, call: ToolCall, *, error: ErrorInfo | None, output: ToolOutput | None = None
    ) -> None:
        if call.resolved is None:
            return
        category = call.resolved.category
        try:
            mode = self._mode(category)
            if mode == OFF:
                return
            arguments, answer = await off_loop_if_large(
                lambda: (minified(call.arguments), _answer(output, error)), call.arguments, *parts_of(output)
            )
        except Exception:
            # The call ends here, and went well or not; that nobody can learn from it is not its failure.
            logger.warning("The call %s of %s became no snapshot", call.call_id, call.tool, exc_info=True)
            self.failed += 1
            return
        note = _Note(
            caller=call.caller,
            category=category,
            mode=mode,
            call_id=call.call_id,
            tool=call.tool,
            arguments=arguments,
            answer=answer,
            error=error,
            execution_time_ms=call.trace.execution_time_ms,
            tokens_used=call.trace.tokens_used,
        )
        self._offer(note)

    def _offer(self, note: _Note) -> None:
        room = len(self._waiting) < _MOST_WAITING
        if not room or self._characters + note.characters > _MOST_CHARACTERS_WAITING:
            self.dropped += 1
            self._dropped_since += 1
            return
        self._waiting.append(note)
        self._characters += note.characters
        self._came.set()

    def _take(self) -> list[_Note]:
        batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
        self._characters -= sum(note.characters for note in batch)
        return batch

    async def _keep_within(self, seconds: float, batch: Sequence[_Note]) -> None:
        # Shielded: what was taken from its place must not get lost when toolhone stops just now.
        before = self.kept + self.failed
        with anyio.move_on_after(seconds, shield=True):
            await self._keep(batch)
        if lost := len(batch) - (self.kept + self.failed - before):
            self.failed += lost
            logger.warning("%d call(s) became no snapshots: keeping them took too long", lost)
        if self._dropped_since:
            logger.warning(
                "%d call(s) became no snapshots: too many came at once. The audit log has them.",
                self._dropped_since,
            )
            self._dropped_since = 0

    async def _keep(self, notes: Sequence[_Note]) -> None:
        for caller, of_caller in groupby(notes, key=lambda note: note.caller):
            await self._keep_those_of(caller, list(of_caller))

    async def _keep_those_of(self, caller: Caller, notes: Sequence[_Note]) -> None:
        try:
            await self._collect([_snapshot(note) for note in notes], caller=caller)
            self.kept += len(notes)
        except InvalidRequestError as exc:
            if len(notes) > 1:
                # One of them cannot be kept, because it is too large, say.
                for note in notes:
                    await self._keep_those_of(caller, [note])
                return
            logger.warning("The call %s of %s became no snapshot: %s", notes[0].call_id, notes[0].tool, exc)
            self.failed += 1
        except Exception:
            # The end of what a call leaves behind: the next ones must not suffer.
            logger.warning("%d call(s) became no snapshots", len(notes), exc_info=True)
            self.failed += len(notes)


def _answer(output: ToolOutput | None, error: ErrorInfo | None) -> str:
    """What the caller got: for a large result its preview."""
    if error is not None:
        return minified({"error": {"code": error.code, "message": error.message}})
    assert output is not None
    return minified({"result": present(output)[0]})


def _snapshot(note: _Note) -> NewSnapshot:
    arguments, answer = json.loads(note.arguments), json.loads(note.answer)
    if note.mode != REDACTED:
        arguments = {name: _described(value) for name, value in arguments.items()}
        answer = (
            {"result": _described(answer["result"])}
            if note.error is None
            else {"error": {"code": note.error.code}}
        )
    caller = note.caller
    metadata: JsonObject = {"source": "call", "mode": note.mode, "call_id": note.call_id}
    if note.error is not None:
        metadata["error_code"] = note.error.code
    agent = (caller.client or caller.principal)[:_LONGEST_NAME]
    return NewSnapshot(
        agent_id=agent,
        agent_name=agent,
        category=note.category,
        task_type=note.tool,
        input_data={"tool": note.tool, "arguments": arguments},
        output_data=answer,
        success=note.error is None,
        performance_score=0.0 if note.error is not None else 1.0,
        execution_time_ms=note.execution_time_ms,
        tokens_used=note.tokens_used,
        session=caller.session[:_LONGEST_NAME] if caller.session else None,
        # The user of this machine is nobody in particular; who was told apart by signing in is.
        user_id=None if caller.principal == LOCAL_CALLER.principal else caller.principal[:_LONGEST_NAME],
        tools_used=(note.tool,),
        metadata=metadata,
    )


def _described(value: Json) -> JsonObject:
    """The kind of a value, and how large it is."""
    if isinstance(value, str):
        return {"type": "string", "characters": len(value)}
    if is_array(value):
        return {"type": "array", "items": len(value)}
    if is_object(value):
        return {"type": "object", "fields": len(value)}
    if value is None or isinstance(value, bool):
        return {"type": "null" if value is None else "boolean"}
    return {"type": "number"}
