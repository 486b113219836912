"""The same tools in fewer tokens: lossless signatures, levels, a hard budget, and what a session costs."""

import json
import sys
import tempfile
from pathlib import Path
from typing import cast

import anyio
from mcp import Client, StdioServerParameters
from mcp.types import TextContent

from toolhone.compression.budget import within
from toolhone.compression.levels import Level
from toolhone.compression.rendering import render
from toolhone.compression.signatures import decompress
from toolhone.models import JsonObject
from toolhone.tokens import count_json, count_tokens

KILN = {
    "kiln": {"type": "string", "description": "Which kiln, by its name on the workshop's plan."},
    "cone": {"enum": ["06", "04", "6", "10"], "description": "How hot: a pyrometric cone."},
}


def tool(name: str, description: str, **parameters: object) -> dict[str, object]:
    """A tool of a pottery, in MCP's words."""
    schema = {"type": "object", "properties": {**KILN, **parameters}, "required": ["kiln"]}
    return {"name": name, "description": description, "inputSchema": schema}


TOOLS = [
    tool(
        "fire",
        "Fire a kiln. Takes eight to twelve hours, and cannot be stopped once it is hot.",
        hold={
            "type": "integer",
            "minimum": 0,
            "maximum": 120,
            "default": 15,
            "description": "Minutes at the top.",
        },
    ),
    tool(
        "schedule_firing",
        "Book a kiln for a firing. The booking is kept for a day.",
        day={"type": "string", "format": "date", "description": "When the firing begins."},
        pots={
            "type": "array",
            "minItems": 1,
            "description": "What goes in.",
            "items": {
                "type": "object",
                "properties": {
                    "owner": {"type": "string"},
                    "height": {"type": "number", "exclusiveMinimum": 0},
                },
                "required": ["owner"],
            },
        },
    ),
    tool("read_temperature", "Read how hot a kiln is now, in degrees Celsius."),
]


def on_their_own() -> None:
    """Signatures without a server: nothing is lost, and a budget is never exceeded."""
    as_json = sum(count_json(tool) for tool in TOOLS)
    for level in (Level.JSON, Level.FULL, Level.BRIEF, Level.TYPES, Level.INDEX, Level.NAMES):
        print(f"{level.value:6}{count_tokens(render(TOOLS, level).text):5} tokens")
    full = render(TOOLS, Level.FULL)
    print(f"\n{full.text}\n")
    assert decompress(full.text) == TOOLS
    assert not full.fallbacks
    assert count_tokens(full.text) < 0.7 * as_json

    relevance = [0.2, 0.9, 0.1]
    for budget in (40, 80, 120, 200):
        fitted = within(TOOLS, budget, relevance=relevance, count=count_tokens)
        assert fitted is not None and fitted.tokens <= budget
        print(f"in {budget} tokens: {', '.join(level.value for level in fitted.levels)}")


def write_registry(folder: Path) -> None:
    folder.mkdir()
    (folder / "pottery.py").write_text("def answer(**given):\n    return given\n")
    handler = {"type": "python", "function": "pottery:answer"}
    for definition in TOOLS:
        file = folder / f"{definition['name']}.json"
        file.write_text(json.dumps({**definition, "category": "general", "handler": handler}))


async def served() -> None:
    """The same over MCP: the answer keeps to its budget, and the receipt says what everything cost."""
    with tempfile.TemporaryDirectory() as data:
        write_registry(Path(data, "registry"))
        arguments = ["-m", "toolhone", "serve", "--data", data, "--registry", str(Path(data, "registry"))]
        async with Client(StdioServerParameters(command=sys.executable, args=arguments)) as client:
            await client.list_tools()
            for budget in (60, 1000):
                answer = await client.call_tool(
                    "find_tools", {"task": "book a firing", "token_budget": budget}
                )
                assert isinstance(answer.content[0], TextContent)
                text = answer.content[0].text
                assert count_tokens(text) <= budget
                print(f"\nfind_tools within {budget} tokens:\n{text}")
            statistics = await client.call_tool("get_statistics", {})
            receipt = cast("JsonObject", statistics.structured_content)["receipt"]
            print(f"\nthe receipt so far: {json.dumps(receipt)}")
            assert receipt["tokens_saved"] == receipt["tokens_of_all_schemas"] - receipt["tokens_sent"]
            # Three small tools are cheaper as they are, and the receipt says so.
            assert receipt["break_even_selections"] == 0


on_their_own()
anyio.run(served)
