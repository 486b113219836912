"""The JSON-RPC channel to a downstream server, kept from refusing what is only slightly wrong.

The SDK validates a result as a whole: one tool with a wrong schema would lose the listing, one odd
block the answer. So results of `tools/list` and `tools/call` are taken off the channel as they came,
for us to judge part by part, and the SDK's session gets a form it accepts. It still does the rest:
the handshake, stamps and headers of both protocol eras, cancellation, progress, subscriptions.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, cast

import anyio
import anyio.abc
from mcp.shared.dispatcher import CallOptions, Dispatcher, OnNotify, OnNotifyIntercept, OnRequest
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.transport_context import TransportContext

from toolhone.models import Json, JsonObject
from toolhone.registry.listing import tool_problem

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

_latest: ContextVar[JsonObject] = ContextVar("_latest")


def latest_result() -> JsonObject:
    """The raw result of the `tools/list` or `tools/call` that this task sent last."""
    return _latest.get()


class Wire(Dispatcher[TransportContext]):
    """A `JSONRPCDispatcher` that hands raw results to the task that asked for them."""

    def __init__(self, streams: "TransportStreams") -> None:
        self.closed = anyio.Event()
        """Set when the peer is gone; every request in flight has failed by then."""
        self.noise = 0
        """Messages that were not MCP (a print on stdout, say). They were skipped."""
        self._inner = JSONRPCDispatcher[TransportContext](*streams, on_stream_exception=self._skip)

    async def send_raw_request(
        self, method: str, params: Mapping[str, Json] | None, opts: CallOptions | None = None
    ) -> JsonObject:
        result = await self._inner.send_raw_request(method, params, opts)
        if method == "tools/call":
            _latest.set(result)
            return {"content": [], "resultType": "complete"}
        if method == "tools/list":
            _latest.set(result)
            return _acceptable_listing(result)
        return result

    async def notify(
        self, method: str, params: Mapping[str, Json] | None, opts: CallOptions | None = None
    ) -> None:
        await self._inner.notify(method, params, opts)

    async def run(
        self,
        on_request: OnRequest,
        on_notify: OnNotify,
        on_notify_intercept: OnNotifyIntercept | None = None,
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        try:
            await self._inner.run(on_request, on_notify, on_notify_intercept, task_status=task_status)
        finally:
            self.closed.set()

    async def _skip(self, _exc: Exception) -> None:
        self.noise += 1


def _acceptable_listing(result: JsonObject) -> JsonObject:
    # The session needs names and input schemas, to copy marked arguments into HTTP headers.
    listed: Json = result.get("tools")
    cursor: Json = result.get("nextCursor")
    return {
        "tools": [
            {"name": tool["name"], "inputSchema": {"type": "object"} | tool["inputSchema"]}
            for tool in (cast("list[Json]", listed) if isinstance(listed, list) else ())
            if tool_problem(tool) is None
        ],
        **({"nextCursor": cursor} if isinstance(cursor, str) else {}),
        "ttlMs": 0,
        "cacheScope": "private",
        "resultType": "complete",
    }
