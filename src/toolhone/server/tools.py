"""What each MCP tool of toolhone does with its arguments."""

import difflib
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, cast

import anyio.to_thread
from mcp import types

from toolhone import tokens
from toolhone.answers import result_body, result_json, results_text
from toolhone.compression.rendering import Rendered
from toolhone.exceptions import InvalidArgumentsError
from toolhone.execution.offloading import off_loop_if_large
from toolhone.execution.repair import repair_arguments
from toolhone.execution.validation import check_arguments
from toolhone.found_text import described
from toolhone.gateway import Gateway
from toolhone.json_values import minified
from toolhone.models import Caller, CallResult, Category, Json, JsonObject, ProgressReporter
from toolhone.server.answering import answer
from toolhone.server.definitions import INPUT_SCHEMAS
from toolhone.server.finetuning_definitions import INPUT_SCHEMAS as FINETUNING_SCHEMAS

Tool: TypeAlias = Callable[
    [Gateway, JsonObject, Caller, ProgressReporter | None], Awaitable[types.CallToolResult]
]

ALL_SCHEMAS = INPUT_SCHEMAS | FINETUNING_SCHEMAS


async def understood(gateway: Gateway, name: str, arguments: JsonObject, caller: Caller) -> JsonObject:
    """Our own tools get the same repair and validation as everybody else's.

    Raises:
        InvalidArgumentsError: They do not match, also after repair.
    """
    schema = ALL_SCHEMAS[name]

    def checked() -> tuple[JsonObject, Sequence[str]]:
        repaired, repairs = repair_arguments(arguments, schema)
        check_arguments(name, repaired, schema)
        _refuse_misspelled(name, repaired, schema)
        return repaired, repairs

    repaired, repairs = await off_loop_if_large(checked, arguments)
    await gateway.repaired(name, repairs, caller=caller)
    return repaired


def _refuse_misspelled(name: str, arguments: JsonObject, schema: JsonObject) -> None:
    """What is nearly the name of a parameter was meant for it; anything else does no harm.

    Raises:
        InvalidArgumentsError: One is.
    """
    known: JsonObject = schema["properties"]
    for given in sorted(arguments.keys() - known.keys()):
        near = difflib.get_close_matches(given, known.keys() - arguments.keys(), n=1)
        if near:
            raise InvalidArgumentsError(f"{name} has no parameter {given!r}; did you mean {near[0]!r}?")


async def find_tools(
    gateway: Gateway, arguments: JsonObject, caller: Caller, report: ProgressReporter | None
) -> types.CallToolResult:
    given = await understood(gateway, "find_tools", arguments, caller)
    category = category_named(given.get("category"))
    found = await gateway.find(
        given["task"],
        caller=caller,
        max_tools=given.get("max_tools", 5),
        token_budget=given.get("token_budget"),
        available_tools=given.get("available_tools"),
        category=category,
        prefer_fast=given.get("prefer_fast", False),
        prefer_cheap=given.get("prefer_cheap", False),
    )
    return answer(found.as_json(), found.text)


def category_named(name: str | None) -> Category | None:
    """The category of this name.

    Raises:
        InvalidArgumentsError: There is none.
    """
    try:
        return Category(name) if name else None
    except ValueError as exc:
        known = ", ".join(category.value for category in Category)
        raise InvalidArgumentsError(f"There is no category {name!r}; there are: {known}.") from exc


async def describe_tools(
    gateway: Gateway, arguments: JsonObject, caller: Caller, report: ProgressReporter | None
) -> types.CallToolResult:
    given = await understood(gateway, "describe_tools", arguments, caller)
    definitions, missing = await gateway.describe(given["names"], caller=caller)

    structured, text = await described_answer(definitions, missing)
    return answer(structured, text)


async def described_answer(
    definitions: Sequence[JsonObject], missing: Sequence[str]
) -> tuple[JsonObject, str]:
    """Definitions as signatures: the structured form of the answer, and the text that an agent reads."""

    def tell() -> tuple[Rendered, str, JsonObject]:
        rendered, text = described(definitions)
        text = "\n".join([text, *missing])
        legend, as_json = tokens.count_tokens(rendered.preamble), sum(map(tokens.count_json, definitions))
        return rendered, text, {"sent": tokens.count_tokens(text), "legend": legend, "as_json": as_json}

    rendered, text, figures = await anyio.to_thread.run_sync(tell)
    structured: JsonObject = {
        "tools": [
            {"name": told["name"], "signature": block}
            for told, block in zip(definitions, rendered.blocks, strict=True)
        ],
        "tokens": figures,
    }
    if rendered.preamble:
        structured["preamble"] = rendered.preamble
    if missing:
        structured["missing"] = list(missing)
    return structured, text


async def call_read_tools(
    gateway: Gateway, arguments: JsonObject, caller: Caller, report: ProgressReporter | None
) -> types.CallToolResult:
    return batch(await gateway.call(_calls(arguments), caller=caller, read_only=True, report_progress=report))


async def call_tools(
    gateway: Gateway, arguments: JsonObject, caller: Caller, report: ProgressReporter | None
) -> types.CallToolResult:
    return batch(await gateway.call(_calls(arguments), caller=caller, report_progress=report))


async def call_native(
    name: str, gateway: Gateway, arguments: JsonObject, caller: Caller, report: ProgressReporter | None
) -> types.CallToolResult:
    """One call of a tool that is listed as one of ours: its answer stands alone, not in a batch."""
    (result,) = await gateway.call(
        [{"tool": name, "arguments": arguments}], caller=caller, report_progress=report
    )
    blocks: list[Json] = [{"type": "text", "text": result_body(result)}, *result.content]
    value: Json = result.result
    structured = cast("JsonObject", value) if result.success and isinstance(value, dict) else None
    return types.CallToolResult.model_validate(
        {"content": blocks, "structuredContent": structured, "isError": not result.success}
    )


def _calls(arguments: JsonObject) -> Json:
    """What the executor takes as the batch: `calls`, or one call that was written without it.

    Raises:
        InvalidArgumentsError: There is nothing that could be a call.
    """
    if "calls" in arguments:
        return arguments["calls"]
    if {"tool", "tool_name", "name"} & arguments.keys():
        return [arguments]
    raise InvalidArgumentsError(
        f"'calls' is missing; got {sorted(arguments)}. "
        'Write {"calls": [{"tool": NAME, "arguments": {…}}]}.'
    )


def batch(results: list[CallResult]) -> types.CallToolResult:
    """A batch is an error to the host only if nothing in it worked; each slot says its own."""
    structured: JsonObject = {"results": [result_json(result) for result in results]}
    blocks: list[Json] = [{"type": "text", "text": results_text(results)}]
    for result in results:
        if result.content:
            blocks.append({"type": "text", "text": f"[{result.slot}] {result.tool}, other content:"})
            blocks.extend(result.content)
    return types.CallToolResult.model_validate(
        {
            "content": blocks,
            "structuredContent": structured,
            "isError": not any(result.success for result in results),
        }
    )


async def read_result(
    gateway: Gateway, arguments: JsonObject, caller: Caller, report: ProgressReporter | None
) -> types.CallToolResult:
    given = await understood(gateway, "read_result", arguments, caller)
    page = await gateway.read_result(
        given["handle"],
        caller=caller,
        path=given.get("path"),
        offset=given.get("offset", 0),
        limit=given.get("limit"),
        fields=given.get("fields", ()),
        grep=given.get("grep"),
    )
    value = page["value"]
    shown = await gateway.shown(value) if page["unit"] == "rows" else None
    end = page["offset"] + page["count"]
    more = f"; next offset {page['next_offset']}" if "next_offset" in page else ""
    part = f"; {page['excerpt']}" if "excerpt" in page else ""
    head = f"{page['unit']} {page['offset']} to {end} of {page['total']}{more}{part}"
    return answer(page, f"{head}\n{shown or (value if isinstance(value, str) else minified(value))}")


async def validate_output(
    gateway: Gateway, arguments: JsonObject, caller: Caller, report: ProgressReporter | None
) -> types.CallToolResult:
    given = await understood(gateway, "validate_output", arguments, caller)
    errors = await gateway.validate_output(given["schema"], given["output"], caller=caller)
    return answer({"valid": not errors, "errors": errors})


async def get_statistics(
    gateway: Gateway, arguments: JsonObject, caller: Caller, report: ProgressReporter | None
) -> types.CallToolResult:
    await understood(gateway, "get_statistics", arguments, caller)
    return answer(await gateway.statistics(caller=caller))


TOOLS: dict[str, Tool] = {
    "find_tools": find_tools,
    "describe_tools": describe_tools,
    "call_read_tools": call_read_tools,
    "call_tools": call_tools,
    "read_result": read_result,
    "validate_output": validate_output,
    "get_statistics": get_statistics,
}
