"""The tools an agent sees: names, descriptions and schemas, in as few tokens as they can be said."""

import re
from collections import Counter
from collections.abc import Sequence

from mcp import types

from toolhone.models import JsonObject, ToolDefinition

SERVERS_NAMED = 240
"""Characters for the servers that the description of find_tools names, largest first. The rest are a count,
so that the listing stays small however many there are and whatever they are called."""

STRING: JsonObject = {"type": "string"}
STRINGS: JsonObject = {"type": "array", "items": STRING}
BOOLEAN: JsonObject = {"type": "boolean"}
COUNT: JsonObject = {"type": "integer", "minimum": 0}
SHARE: JsonObject = {"type": "number", "minimum": 0, "maximum": 1}
ANY_OBJECT: JsonObject = {"type": "object", "additionalProperties": True}

CALLS: JsonObject = {
    "type": "object",
    "properties": {
        "calls": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "id": STRING,
                    "tool": STRING,
                    "arguments": {"type": "object"},
                    "fields": STRINGS,
                    "limit": {"type": "integer", "minimum": 1},
                    "grep": STRING,
                },
                "required": ["tool", "arguments"],
            },
        }
    },
    "required": ["calls"],
}

INPUT_SCHEMAS: dict[str, JsonObject] = {
    "find_tools": {
        "type": "object",
        "properties": {
            "task": STRING,
            "max_tools": {"type": "integer", "minimum": 1, "maximum": 50, "default": 5},
            "token_budget": {"type": "integer", "minimum": 50, "description": "small: names only"},
            "available_tools": {**STRINGS, "description": "only these names"},
            "category": STRING,
            "prefer_fast": BOOLEAN,
            "prefer_cheap": BOOLEAN,
        },
        "required": ["task"],
    },
    "describe_tools": {
        "type": "object",
        "properties": {"names": {**STRINGS, "minItems": 1}},
        "required": ["names"],
    },
    "call_read_tools": CALLS,
    "call_tools": CALLS,
    "read_result": {
        "type": "object",
        "properties": {
            "handle": STRING,
            "path": {"type": "string", "description": "/items/0 or items[*].id; raw: as text"},
            "offset": COUNT,
            "limit": {"type": "integer", "minimum": 1, "description": "rows of a list, else characters"},
            "fields": STRINGS,
            "grep": STRING,
        },
        "required": ["handle"],
    },
    "validate_output": {
        "type": "object",
        "properties": {
            "schema": {
                "type": ["string", "object"],
                "description": "JSON Schema, or the name of a tool or registered schema",
            },
            "output": {"description": "the value to check"},
        },
        "required": ["schema", "output"],
    },
    "get_statistics": {"type": "object", "properties": {}},
}

SLOT: JsonObject = {
    "type": "object",
    "properties": {
        "id": STRING,
        "tool": STRING,
        "success": BOOLEAN,
        "result": {},
        "error": {
            "type": "object",
            "properties": {"code": STRING, "message": STRING, "data": ANY_OBJECT},
            "required": ["code", "message"],
        },
        "execution_time_ms": {"type": "number", "minimum": 0},
        "tokens_used": COUNT,
        "handle": STRING,
        "notices": STRINGS,
    },
    "required": ["id", "tool", "success", "execution_time_ms", "tokens_used"],
}

RESULTS: JsonObject = {
    "type": "object",
    "properties": {"results": {"type": "array", "items": SLOT}},
    "required": ["results"],
}

OUTPUT_SCHEMAS: dict[str, JsonObject] = {
    "find_tools": {
        "type": "object",
        "properties": {
            "tools": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "name": STRING,
                        "score": SHARE,
                        "fits": SHARE,
                        "level": STRING,
                        "signature": STRING,
                        "readOnly": BOOLEAN,
                        "server": STRING,
                        "category": STRING,
                        "pinned": BOOLEAN,
                        "explored": BOOLEAN,
                        "caution": STRING,
                    },
                    "required": ["name", "score", "fits", "level", "signature", "readOnly"],
                },
            },
            "fits": SHARE,
            "nothing_fits": BOOLEAN,
            "preamble": STRING,
            "roster": STRINGS,
            "left_out": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"name": STRING, "reason": STRING},
                    "required": ["name", "reason"],
                },
            },
            "considered": COUNT,
            "method": {"enum": ["hybrid", "lexical"]},
            "notices": STRINGS,
            "request_id": STRING,
            "elapsed_ms": {"type": "number", "minimum": 0},
            "tokens": {
                "type": "object",
                "properties": {
                    "sent": COUNT,
                    "legend": COUNT,
                    "listing": COUNT,
                    "follow_ups": COUNT,
                    "all_schemas": COUNT,
                    "saved": {"type": "integer"},
                    "break_even_selections": COUNT,
                },
                "required": ["sent", "all_schemas", "saved"],
            },
        },
        "required": ["tools", "fits", "nothing_fits", "considered", "method", "tokens"],
    },
    "describe_tools": {
        "type": "object",
        "properties": {
            "tools": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"name": STRING, "signature": STRING},
                    "required": ["name", "signature"],
                },
            },
            "preamble": STRING,
            "missing": STRINGS,
            "tokens": {
                "type": "object",
                "properties": {"sent": COUNT, "legend": COUNT, "as_json": COUNT},
                "required": ["sent", "legend", "as_json"],
            },
        },
        "required": ["tools"],
    },
    "call_read_tools": RESULTS,
    "call_tools": RESULTS,
    "read_result": {
        "type": "object",
        "properties": {
            "handle": STRING,
            "media": {"enum": ["json", "text"]},
            "unit": {"enum": ["rows", "characters"]},
            "total": COUNT,
            "offset": COUNT,
            "count": COUNT,
            "next_offset": COUNT,
            "excerpt": STRING,
            "value": {},
        },
        "required": ["handle", "unit", "total", "offset", "count", "value"],
    },
    "validate_output": {
        "type": "object",
        "properties": {"valid": BOOLEAN, "errors": STRINGS},
        "required": ["valid", "errors"],
    },
    "get_statistics": ANY_OBJECT,
}

DESCRIPTIONS: dict[str, str] = {
    "describe_tools": "Full definitions of tools by name.",
    "call_read_tools": (
        "Run read-only tools; like call_tools, but anything that is not known to be read-only is refused."
    ),
    "call_tools": (
        "Run tools found by find_tools, one or many at once, in parallel. To use an earlier call's "
        'result as an argument value, write {"$from": "its id", "path": "/json/pointer"}. '
        "Each call gets its own result or error. fields, limit (rows) and grep show only a part of a result."
    ),
    "read_result": "More of a large result, by the handle that came with its preview.",
    "validate_output": "Check a value against a JSON Schema.",
    "get_statistics": "Calls, failures and tokens saved so far.",
}

READ_ONLY = frozenset(
    {
        "find_tools",
        "describe_tools",
        "call_read_tools",
        "read_result",
        "validate_output",
        "get_statistics",
    }
)


def find_description(tools: Sequence[ToolDefinition]) -> str:
    """What find_tools says of itself, made from the catalog.

    Agents do not call a search tool that says nothing, so it names the servers and what they hold.
    """
    counts = Counter(tool.server or "local" for tool in tools)
    if not counts:
        return "Find tools for a task. There are none yet: add tool files or downstream servers to toolhone."
    named: list[str] = []
    for server, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        # As it begins the tools' names; a name in another script costs a token a character.
        entry = f"{re.sub('[^a-z0-9_-]+', '_', server.lower())[:30]} ({count})"
        if sum(map(len, named)) + len(entry) > SERVERS_NAMED:
            break
        named.append(entry)
    more = len(counts) - len(named)
    rest = f" and {more} more" if more else ""
    plural = "tool" if len(tools) == 1 else "tools"
    return (
        f"Start here: {len(tools)} {plural} are behind this server, and none of them is listed. "
        "Describe your whole task; get the few that fit, with schemas, ready for call_tools. "
        f"Sources: {', '.join(sorted(named))}{rest}."
    )


def listing(tools: Sequence[ToolDefinition]) -> list[types.Tool]:
    """The tools/list answer, always in the same order."""
    descriptions = {"find_tools": find_description(tools), **DESCRIPTIONS}
    return [
        types.Tool(
            name=name,
            description=descriptions[name],
            input_schema=schema,
            output_schema=OUTPUT_SCHEMAS[name],
            annotations=types.ToolAnnotations(
                read_only_hint=name in READ_ONLY,
                destructive_hint=None if name in READ_ONLY else True,
                open_world_hint=name in {"call_read_tools", "call_tools"},
            ),
        )
        for name, schema in INPUT_SCHEMAS.items()
    ]
