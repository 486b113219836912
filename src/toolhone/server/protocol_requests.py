"""Requests over MCP that are no tool calls: what is refused is on record, and told as JSON-RPC does."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from mcp import MCPError

from toolhone.events import new_event
from toolhone.exceptions import ToolhoneError
from toolhone.gateway import Gateway
from toolhone.identifiers import id_of_request
from toolhone.models import Caller, EventKind, JsonObject
from toolhone.server.errors import protocol_error
from toolhone.server.resources import RESULT

logger = logging.getLogger(__name__)

LONGEST = 200
"""Characters of what was asked for that are on record: it may be anything, and long."""

SHOWN_OF_HANDLE = 6


@asynccontextmanager
async def answering(gateway: Gateway, caller: Caller, method: str, **asked: str) -> AsyncGenerator[None]:
    """Answer a request within; whatever is raised there becomes its error.

    Args:
        method: As MCP calls it: `resources/read`.
        asked: What for, by the names of MCP: `uri`, or `name`.

    Raises:
        MCPError: The request is refused or failed.
    """
    try:
        try:
            yield
        except ToolhoneError as error:
            await _record(gateway, caller, method, asked, error)
            raise protocol_error(error, **asked) from error
    except MCPError:
        raise
    except ToolhoneError as error:  # the refusal could not be recorded, which is worse
        raise protocol_error(error, **asked) from error
    except Exception as error:  # a request ends here: the client gets a clean answer, we keep the trace
        logger.exception("%s failed", method)
        failure = ToolhoneError(f"{method} failed inside toolhone; its log says why.")
        raise protocol_error(failure, **asked) from error


async def _record(
    gateway: Gateway, caller: Caller, method: str, asked: dict[str, str], error: ToolhoneError
) -> None:
    payload: JsonObject = {
        "method": method,
        **{name: _told(value) for name, value in asked.items()},
        "error": {"code": error.code, "message": error.message},
    }
    if "permission" in error.data:
        payload["permission"] = error.data["permission"]
    await gateway.audit.record(
        new_event(
            EventKind.REFUSAL,
            caller,
            request_id=id_of_request(),
            success=False,
            error_code=error.code,
            payload=payload,
        )
    )


def _told(value: str) -> str:
    if value.startswith(RESULT):
        # Whoever reads the audit must not be able to read the result with it.
        value = f"{value[: len(RESULT) + SHOWN_OF_HANDLE]}…"
    return value[:LONGEST]
