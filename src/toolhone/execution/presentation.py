"""What of a tool's output stands in `result`, and what goes beside it. Pure."""

from collections.abc import Sequence

from toolhone.exceptions import ToolFailedError, ToolhoneError
from toolhone.json_values import is_object, minified, parse_json
from toolhone.models import ErrorInfo, Json, JsonObject, ToolOutput


def present(output: ToolOutput) -> tuple[Json, tuple[JsonObject, ...]]:
    """The value for `result`, and the blocks that go beside it as content.

    The value is the structured content if there is one, else the text, else (a link or an embedded
    text among the blocks) the list of blocks that a model can read.
    """
    if output.has_structured:
        return output.structured, tuple(block for block in output.content if block.get("type") != "text")
    readable = [block for block in output.content if not is_binary(block)]
    binary = tuple(block for block in output.content if is_binary(block))
    if all(block.get("type") == "text" for block in readable):
        return output.text, binary
    return readable, binary


def is_binary(block: JsonObject) -> bool:
    """Whether the block carries base64 data."""
    if block.get("type") in {"image", "audio"}:
        return True
    resource = block.get("resource")
    return is_object(resource) and "blob" in resource


def failure_message(tool: str, output: ToolOutput) -> str:
    """What an output with `is_error` says: its own text, else its structured content."""
    if output.text.strip():
        return output.text
    if output.has_structured:
        return minified(output.structured)
    return f"{tool!r} answered with an error and said nothing about it."


def error_info(error: ToolhoneError) -> ErrorInfo:
    """One of our errors as a caller gets it."""
    return ErrorInfo(code=error.code, message=error.message, data=error.data or None)


def failure_info(tool: str, output: ToolOutput) -> ErrorInfo:
    """An output with `is_error` as a caller gets it: the tool's own words, whole."""
    data: JsonObject | None = None
    if output.has_structured and output.text.strip() and not _says(output.text, output.structured):
        data = {"structured": output.structured}
    return ErrorInfo(code=ToolFailedError.code, message=failure_message(tool, output), data=data)


def _says(text: str, value: Json) -> bool:
    """Whether the text is only the JSON of the value."""
    try:
        return bool(parse_json(text) == value)
    except ValueError:
        return False


def body_text(text: str, handle: str | None, notices: Sequence[str]) -> str:
    """What a model reads of a result below its heading: the text, where the whole is, what else to know."""
    lines = [text]
    if handle is not None:
        lines.append(f"Whole: read_result handle={handle}")
    lines.extend(f"Note: {notice}" for notice in notices)
    return "\n".join(lines)
