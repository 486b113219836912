"""Native mode: tools that are pinned for everyone stand in the listing as MCP tools of their own.

Hosts need a JSON schema, so there is one, but a thin one: names, plain types and what is required. All the
rest is in the description, as a signature; arguments are checked against the whole schema as always.
"""

from collections.abc import Sequence
from typing import cast

from mcp import types

from toolhone.answers import wire_form
from toolhone.compression.levels import Level
from toolhone.compression.rendering import render
from toolhone.models import Json, JsonObject, ToolDefinition


def native_listing(tools: Sequence[ToolDefinition], *, taken: frozenset[str]) -> list[types.Tool]:
    """The tools as MCP lists them, in the order given; a name that is taken is left out."""
    return [_native(tool) for tool in tools if tool.name not in taken]


def _native(tool: ToolDefinition) -> types.Tool:
    signature = _signature(tool)
    return types.Tool(
        name=tool.name,
        description=tool.description if signature is None else signature,
        input_schema=tool.input_schema if signature is None else thin(tool.input_schema),
        annotations=types.ToolAnnotations(
            read_only_hint=tool.read_only or None,
            destructive_hint=tool.annotations.destructive if tool.trusted else None,
            idempotent_hint=tool.annotations.idempotent if tool.trusted else None,
            open_world_hint=tool.annotations.open_world if tool.trusted else None,
        ),
    )


def thin(schema: JsonObject) -> JsonObject:
    """The names of the top level with their plain types, which are required, and whether there are others."""
    kept: JsonObject = {"type": "object"}
    if properties := cast("JsonObject", schema.get("properties") or {}):
        kept["properties"] = {name: _type_of(part) for name, part in properties.items()}
    if schema.get("required"):
        kept["required"] = schema["required"]
    if schema.get("additionalProperties") is False:
        kept["additionalProperties"] = False
    return kept


def _type_of(schema: Json) -> JsonObject:
    given: Json = cast("JsonObject", schema).get("type") if isinstance(schema, dict) else None
    if given is None:
        return {}
    # Some model APIs refuse arrays that do not say what is in them.
    return {"type": given, "items": {}} if "array" in given else {"type": given}


def _signature(tool: ToolDefinition) -> str | None:
    """What the thin schema does not say; `None` if only JSON can say it."""
    # The head line, which is not shown, would carry what the thin schema says.
    schema = {key: part for key, part in tool.input_schema.items() if key != "$schema"}
    if schema.get("additionalProperties") is False:
        del schema["additionalProperties"]
    rendered = render([{**wire_form(tool), "inputSchema": schema}], Level.FULL)
    if rendered.fallbacks:
        return None
    _, _, body = rendered.blocks[0].partition("\n")
    return "\n".join(part for part in (body, rendered.preamble) if part)
