"""Our errors as MCP sees them: a tool's error result, or a JSON-RPC error. Nowhere else."""

from mcp import MCPError, types

from toolhone.exceptions import (
    InvalidRequestError,
    ToolhoneError,
    UnknownHandleError,
    UnknownToolError,
)
from toolhone.models import Json


def error_result(error: ToolhoneError) -> types.CallToolResult:
    """An error the agent can act on: its code first, then what happened and what to do next."""
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=f"{error.code}: {error.message}")], is_error=True
    )


def protocol_error(error: ToolhoneError, **data: Json) -> MCPError:
    """The same for requests that are not tool calls, where MCP has error codes and wants data of its own."""
    invalid = isinstance(error, InvalidRequestError | UnknownToolError | UnknownHandleError)
    code = types.INVALID_PARAMS if invalid else types.INTERNAL_ERROR
    return MCPError(code=code, message=error.message, data={"code": error.code, **error.data, **data})
