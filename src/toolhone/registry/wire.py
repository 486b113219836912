"""The JSON-RPC channel to a downstream server, kept from refusing what is only slightly wrong.

The SDK validates a result as a whole: one tool with a wrong schema would lose the listing, one odd
block the answer. So results of `tools/list` and `tools/call` are taken off the channel as they came,
for us to judge part by part, and the SDK's session gets a form it accepts. It still does the rest:
the handshake, stamps and headers of both protocol eras, cancellation, progress, subscriptions.

The SDK says "connection closed" with the code -32000, which is also what many servers answer with when
anything goes wrong. So errors are marked as they come in: one with that code and without a mark is the
SDK's own, and only that one means that no answer will come.
"""

from collections.abc import Mapping
from contextvars import Context, ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, cast

import anyio
import anyio.abc
from mcp import types
from mcp.shared.dispatcher import CallOptions, Dispatcher, OnNotify, OnNotifyIntercept, OnRequest
from mcp.shared.exceptions import MCPError
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.message import SessionMessage
from mcp.shared.transport_context import TransportContext

from toolhone.models import Json, JsonObject
from toolhone.registry.listing import tool_problem

if TYPE_CHECKING:
    from mcp.client._transport import ReadStream, TransportStreams

FAULT_KEY: Final = "toolhone.fault"
"""In an error's `data`: what went wrong below MCP, as `status` or `sent`."""

_ABANDONED = ("SSE stream ended", "SSE stream failed")
"""How the SDK begins the error it puts among the answers when the stream of an answer breaks off."""

_latest: ContextVar[JsonObject] = ContextVar("_latest")


def latest_result() -> JsonObject:
    """The raw result of the `tools/list` or `tools/call` that this task sent last."""
    return _latest.get()


class NoAnswerError(MCPError):
    """The answer to this request will not come; it is not the server that says so."""


class Wire(Dispatcher[TransportContext]):
    """A `JSONRPCDispatcher` that hands raw results to the task that asked for them."""

    def __init__(self, streams: "TransportStreams") -> None:
        self.closed = anyio.Event()
        """Set when the peer is gone; every request in flight has failed by then."""
        self.noise = 0
        """Messages that were not MCP (a print on stdout, say). They were skipped."""
        reading, writing = streams
        self._inner = JSONRPCDispatcher[TransportContext](
            _Marking(reading), writing, on_stream_exception=self._skip
        )

    async def send_raw_request(
        self, method: str, params: Mapping[str, Json] | None, opts: CallOptions | None = None
    ) -> JsonObject:
        try:
            result = await self._inner.send_raw_request(method, params, opts)
        except MCPError as exc:
            if isinstance(exc.data, _Answered):
                raise MCPError(exc.code, exc.message, exc.data.data) from exc
            if exc.code == types.CONNECTION_CLOSED:
                raise NoAnswerError(exc.code, exc.message, exc.data) from exc
            raise
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


@dataclass(frozen=True, slots=True)
class _Answered:
    """Stands in for an error's data to say that the server sent it."""

    data: Json


class _Marking:
    """A stream of messages in which the errors that a server answered with are marked."""

    def __init__(self, inner: "ReadStream[SessionMessage | Exception]") -> None:
        self._inner = inner

    @property
    def last_context(self) -> Context | None:
        """That of the message's sender, where the SDK's stream knows it."""
        return getattr(self._inner, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        return _marked(await self._inner.receive())

    async def aclose(self) -> None:
        await self._inner.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        return _marked(await self._inner.__anext__())

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool | None:
        return await self._inner.__aexit__(exc_type, exc_val, exc_tb)


def _marked(item: SessionMessage | Exception) -> SessionMessage | Exception:
    if isinstance(item, SessionMessage) and isinstance(item.message, types.JSONRPCError):
        error = item.message.error
        data: Json = error.data
        ours = isinstance(data, dict) and FAULT_KEY in data
        if error.code == types.CONNECTION_CLOSED and not ours and not error.message.startswith(_ABANDONED):
            error.data = _Answered(data)
    return item


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
