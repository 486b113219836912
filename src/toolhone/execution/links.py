"""The links that decide about one call: may it run, are its arguments right, is its answer."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from toolhone.exceptions import (
    InvalidArgumentsError,
    InvalidOutputError,
    NotReadOnlyError,
    PermissionDeniedError,
    ToolhoneError,
    UnknownToolError,
    UnusableSchemaError,
)
from toolhone.execution.chain import Invoke, Link, definition_of
from toolhone.execution.offloading import off_loop_if_large
from toolhone.execution.plan import count_references
from toolhone.execution.preview import exceeds
from toolhone.execution.repair import repair_arguments
from toolhone.execution.validation import (
    argument_problems,
    find_problems,
    invalid_arguments,
    listed,
)
from toolhone.json_values import minified
from toolhone.models import Caller, JsonObject, OutputValidation, ToolCall, ToolDefinition, ToolOutput

Compact: TypeAlias = Callable[[ToolCall, ToolOutput], Awaitable[ToolOutput]]
Keep: TypeAlias = Callable[[ToolCall, ToolOutput], Awaitable[str | None]]
"""Stores a whole answer and returns its handle; `None` if it could not."""


_DATA_SHOWN = 2_048
"""Bytes of an error's data that stay with it when its text was too large."""


def compacting(compact: Compact) -> Link:
    """The link that turns a large answer into a preview with a handle, and so a large error."""

    async def link(call: ToolCall, invoke: Invoke) -> ToolOutput:
        try:
            output = await invoke(call)
        except ToolhoneError as error:
            shown = await compact(call, await off_loop_if_large(partial(_told, error), error.data))
            if shown.handle is None:
                raise
            raise _shortened(error, shown, shown.handle) from error
        return await compact(call, output)

    return link


def _told(error: ToolhoneError) -> ToolOutput:
    """All that an error says, as an answer."""
    text = f"{error.message}\n{minified(error.data)}" if error.data else error.message
    return ToolOutput(content=({"type": "text", "text": text},), is_error=True)


def _shortened(error: ToolhoneError, shown: ToolOutput, handle: str) -> ToolhoneError:
    """The same error with the beginning of its text; its data only if that is not what was large."""
    cuts = " ".join(shown.notices)
    message = f"{shown.text}…\n{cuts} Use read_result with the handle {handle!r}."
    data = {} if exceeds(error.data, _DATA_SHOWN) else error.data
    return type(error)(message, data={**data, "handle": handle})


Refusal: TypeAlias = Callable[[str, Caller], str | None]
"""Why the tool of this name is never called for the caller, as in "it is …"; `None` if it may be."""


def not_refused(name: str, caller: Caller) -> str | None:
    """Nothing is."""
    return None


def refuse_if(refusal: Refusal, call: ToolCall) -> None:
    """Let a call pass that is not refused.

    Raises:
        PermissionDeniedError: It is.
    """
    reason = refusal(call.tool, call.caller)
    if reason is not None:
        raise PermissionDeniedError(f"{call.tool!r} was not called: it is {reason}.", data={"reason": reason})


def authorizing(suggest: Callable[[str, Caller], Sequence[str]], *, refusal: Refusal = not_refused) -> Link:
    """The link that refuses unknown tools, and those that may change things where only reading was asked.

    Args:
        suggest: Names like the one asked for, of tools that the caller may use.
        refusal: Why the tool of this name is never called for a caller, if so.
    """

    async def link(call: ToolCall, invoke: Invoke) -> ToolOutput:
        definition = call.resolved
        refuse_if(refusal, call)
        if definition is None:
            near = list(suggest(call.tool, call.caller))
            hint = f"Did you mean {', '.join(near)}?" if near else "Use find_tools to look for one."
            raise UnknownToolError(
                f"There is no tool {call.tool!r}. {hint}", data={"near": near} if near else None
            )
        if call.read_only_asked and not definition.read_only:
            raise NotReadOnlyError(
                f"{definition.name!r} was not called: {_why_not_read_only(definition)}. Use call_tools.",
                data={"use": "call_tools"},
            )
        return await invoke(call)

    return link


def _why_not_read_only(definition: ToolDefinition) -> str:
    if not definition.trusted:
        return (
            f"the server {definition.server!r} is not marked as trusted in the configuration, "
            "so what it says about its tools is not believed"
        )
    if definition.annotations.read_only is None:
        return "it does not say that it only reads (readOnlyHint)"
    return "it says that it changes things"


def preparing(prepare: Callable[[ToolDefinition], Awaitable[None]]) -> Link:
    """The link that has running what the tool needs, before the call's time counts.

    Starting a server has a time limit of its own, and if it fails, the call was never sent.
    """

    async def link(call: ToolCall, invoke: Invoke) -> ToolOutput:
        await prepare(definition_of(call))
        return await invoke(call)

    return link


async def checking_arguments(call: ToolCall, invoke: Invoke) -> ToolOutput:
    """The link that lets only valid arguments through, repaired if that makes them so."""
    definition = definition_of(call)
    schema, asked = definition.input_schema, call.arguments
    try:
        problems = await off_loop_if_large(lambda: argument_problems(schema, asked), asked)
    except UnusableSchemaError as exc:
        # The tool can check for itself; a schema that is no use to us must not make it unusable.
        output = await invoke(call)
        return _noticed(output, f"The arguments were not checked: {exc.message}")
    if problems:
        names = {definition.name, definition.original_name, call.tool}
        repaired, done = await off_loop_if_large(lambda: repair_arguments(asked, schema, names=names), asked)
        if not done:
            raise invalid_arguments(call.tool, problems)
        # References were resolved before; one that a repair found in a string never was.
        if count_references(repaired) > count_references(asked):
            raise InvalidArgumentsError(
                f"{call.tool!r} was not called: a reference ($from) stands inside a string of JSON, where "
                "it is not followed. Write the arguments as JSON, not as a string."
            )
        call.trace.repairs.extend(done)
        call.trace.sent = repaired
        call = replace(call, arguments=repaired)
    return await invoke(call)


def checking_output(keep: Keep) -> Link:
    """The link that compares an answer with the tool's output schema, as strictly as the tool asks for.

    Args:
        keep: Where an answer goes that is refused: the tool has run, so what it said must stay readable.
    """

    async def link(call: ToolCall, invoke: Invoke) -> ToolOutput:
        definition = definition_of(call)
        output = await invoke(call)
        schema, mode = definition.output_schema, definition.output_validation
        if schema is None or mode is OutputValidation.OFF or output.is_error:
            return output
        wrong, data = await off_loop_if_large(lambda: _mismatch(schema, output), output.structured)
        if wrong is None:
            return output
        message = f"The answer of {call.tool!r} does not match its output schema: {wrong}"
        if mode is OutputValidation.WARN:
            return _noticed(output, message)
        handle = await keep(call, output)
        if handle is not None:
            message += f"\nThe tool has run; read_result shows what it said, by the handle {handle!r}."
            data["handle"] = handle
        raise InvalidOutputError(message, data=data)

    return link


def _mismatch(schema: JsonObject, output: ToolOutput) -> tuple[str | None, JsonObject]:
    if not output.has_structured:
        return "it has no structured content.", {}
    try:
        problems = find_problems(schema, output.structured)
    except UnusableSchemaError as exc:
        return exc.message, {}
    if not problems:
        return None, {}
    return "\n" + listed(problems), {"errors": [problem.as_json() for problem in problems[:5]]}


def _noticed(output: ToolOutput, notice: str) -> ToolOutput:
    return replace(output, notices=(*output.notices, notice))
