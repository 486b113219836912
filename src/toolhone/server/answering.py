"""The form of an answer: structured content, and a text for hosts that show the model only text."""

from mcp import types

from toolhone.json_values import minified
from toolhone.models import JsonObject


def answer(structured: JsonObject, text: str | None = None) -> types.CallToolResult:
    """A tool's answer; its text is the JSON unless there is a better one."""
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text if text is not None else minified(structured))],
        structured_content=structured,
    )
