"""One live MCP session with a downstream server, from handshake to loss."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, cast

import anyio
from mcp import types
from mcp.client import ClientSession, IncomingMessage
from mcp.client.subscriptions import SubscriptionLost, listen
from mcp.shared.exceptions import MCPError
from pydantic import TypeAdapter, ValidationError

from toolhone import __version__
from toolhone.exceptions import (
    ConnectionLostError,
    LoginNeededError,
    ServerAuthenticationError,
    ServerUnavailableError,
    ToolFailedError,
    ToolhoneError,
)
from toolhone.models import Json, JsonObject, ProgressReporter, ToolOutput, canonical_json
from toolhone.registry.failures import refused_credentials
from toolhone.registry.wire import FAULT_KEY, NoAnswerError, Wire, latest_result

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

logger = logging.getLogger(__name__)

MAX_PAGES: Final = 1_000
"""A listing that goes on after this many pages is taken for one that never ends."""

_CONTENT_BLOCK: TypeAdapter[types.ContentBlock] = TypeAdapter(types.ContentBlock)
_LONGEST_PAUSE: Final = 60.0


class Connection:
    """Calls and listings over one session. Made by `connect`, and of use until it is closed or retired."""

    def __init__(self, server: str, session: ClientSession, wire: Wire) -> None:
        self._server = server
        self._session = session
        self._wire = wire
        self._in_flight = 0
        self._over = anyio.Event()
        self._changed = anyio.Event()
        self.touched = anyio.Event()
        """Set by the first call, and by the end."""
        self.retired = False
        """Takes no new calls; those in flight are waited for."""
        self.broken = False
        """Retired because it failed, not because it was no longer wanted."""

    @property
    def usable(self) -> bool:
        return not (self.retired or self._wire.closed.is_set())

    @property
    def noise(self) -> int:
        return self._wire.noise

    @property
    def protocol_version(self) -> str | None:
        return self._session.protocol_version

    @property
    def server_version(self) -> str | None:
        info = self._session.server_info
        return None if info is None else f"{info.name} {info.version}".strip()

    @property
    def is_toolhone(self) -> bool:
        """Known from the handshake on."""
        info = self._session.server_info
        return info is not None and info.name == "toolhone"

    async def negotiate(self, *, probe: bool) -> None:
        """Agree on a protocol version: the stateless era if the server knows it, else the handshake.

        Args:
            probe: Ask for the stateless era first; otherwise only the handshake is tried.
        """
        try:
            if not probe:
                await self._session.initialize()
                return
            await self._discover_or_initialize()
        except MCPError as exc:
            raise self._translate(exc, "the handshake", starting=True) from exc
        except (RuntimeError, ValidationError) as exc:
            raise ServerUnavailableError(
                f"Server {self._server!r} does not speak MCP as toolhone knows it: {exc}"
            ) from exc

    async def _discover_or_initialize(self) -> None:
        for last in (False, True):
            try:
                await self._session.discover()
                return
            except MCPError as exc:
                # An error is how older servers answer a question they do not know. A refused
                # credential or a lost connection is not an answer.
                fault = _fault(exc)
                refused = fault.keys() & {"refused", "sent"} or fault.get("status") == 403
                if refused or self._wire.closed.is_set():
                    raise
            except (RuntimeError, ValidationError):
                pass  # An answer, but not one of the stateless era.
            try:
                await self._session.initialize()
                return
            except MCPError as exc:
                # A server that was slow to answer the probe may be in the stateless era by now.
                if last or exc.code != types.UNSUPPORTED_PROTOCOL_VERSION:
                    raise

    async def list_tools(self) -> list[Json]:
        """Every page of the listing, as the server sent it.

        Raises:
            ToolhoneError: It could not be had, or has no end.
        """
        listed: list[Json] = []
        cursor: str | None = None
        seen: set[str] = set()
        for _ in range(MAX_PAGES):
            params = None if cursor is None else types.PaginatedRequestParams(cursor=cursor)
            try:
                await self._session.list_tools(params=params)
            except MCPError as exc:
                raise self._translate(exc, "tools/list", starting=True) from exc
            raw = latest_result()
            page: Json = raw.get("tools")
            if not isinstance(page, list):
                raise ToolFailedError(f"Server {self._server!r} answered tools/list without a list of tools.")
            listed.extend(cast("list[Json]", page))
            following: Json = raw.get("nextCursor")
            if not isinstance(following, str):
                return listed
            if following in seen:
                break
            seen.add(following)
            cursor = following
        raise ToolFailedError(
            f"The tool listing of server {self._server!r} has no end: "
            f"it repeats a page or has more than {MAX_PAGES}."
        )

    async def call(
        self, tool: str, arguments: JsonObject, report_progress: ProgressReporter | None
    ) -> ToolOutput:
        """Run one tool. Cancelling the caller tells the server to stop.

        Raises:
            ServerUnavailableError: The request was not sent, or was refused unread.
            ConnectionLostError: It was sent, and no answer will come.
            ToolFailedError: The answer is a protocol error, or not an answer.
        """
        self._in_flight += 1
        self.touched.set()
        try:
            try:
                await self._send_call(tool, arguments, report_progress)
            except MCPError as exc:
                if exc.code != types.HEADER_MISMATCH:
                    raise
                # Refused unread: arguments copied into headers follow a schema that has changed.
                await self.list_tools()
                await self._send_call(tool, arguments, report_progress)
        except MCPError as exc:
            raise self._translate(exc, f"tool {tool!r}", starting=False) from exc
        finally:
            self._in_flight -= 1
            self._settle()
        return read_answer(latest_result(), f"Tool {tool!r} of server {self._server!r}")

    async def _send_call(
        self, tool: str, arguments: JsonObject, report_progress: ProgressReporter | None
    ) -> None:
        async def forward(progress: float, total: float | None, message: str | None) -> None:
            if report_progress is not None:
                await report_progress(progress, total, message)

        # Not `call_tool`: it validates the output, which may cost it a listing, and we do that elsewhere.
        await self._session.send_request(
            types.CallToolRequest(params=types.CallToolRequestParams(name=tool, arguments=arguments)),
            types.CallToolResult,
            progress_callback=forward if report_progress is not None else None,
        )

    def retire(self, *, broken: bool) -> None:
        """Take no more calls, and end when those in flight have ended."""
        self.retired = True
        self.broken = self.broken or broken
        self.touched.set()
        self._settle()

    def abort(self) -> None:
        """End now; the calls in flight fail."""
        self.retire(broken=True)
        self._over.set()

    def _settle(self) -> None:
        if self.retired and self._in_flight == 0:
            self._over.set()

    async def until_over(self) -> None:
        """Wait until the peer is gone, or the connection is retired and idle."""
        async with anyio.create_task_group() as tasks:

            async def closed() -> None:
                await self._wire.closed.wait()
                self.broken = True
                self._over.set()

            tasks.start_soon(closed)
            await self._over.wait()
            tasks.cancel_scope.cancel()
        self.touched.set()

    def note_change(self) -> None:
        """The server's tools may have changed."""
        self._changed.set()

    async def next_change(self) -> None:
        """Wait for a notice of change; notices that came together count as one."""
        await self._changed.wait()
        self._changed = anyio.Event()

    async def subscribe(self) -> None:
        """Keep a subscription to changes of the tool list open, where the server offers one."""
        pause = 1.0
        # The handshake era needs none: there the notices come unasked.
        while self._session.discover_result is not None:
            try:
                async with listen(self._session, tools_list_changed=True) as subscription:
                    if subscription.honored.tools_list_changed is not True:
                        return
                    pause = 1.0
                    async for _ in subscription:
                        self.note_change()
            except SubscriptionLost:
                logger.debug("%s: the subscription to changes was lost", self._server)
            except MCPError as exc:
                logger.debug("%s: no subscription to changes: %s", self._server, exc)
                return
            await anyio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)
            self.note_change()  # one may have been missed meanwhile

    def _translate(self, exc: MCPError, what: str, *, starting: bool) -> ToolhoneError:
        who = f"Server {self._server!r}"
        fault = _fault(exc)
        refused, forbidden = fault.get("refused"), fault.get("status") == 403
        # A tool may be forbidden, and the others not.
        if refused is not None and (starting or not forbidden):
            kind = LoginNeededError if refused == LoginNeededError.code else ServerAuthenticationError
            return kind(exc.message)
        if forbidden and starting:
            return refused_credentials(self._server, 403)
        if fault.get("sent") is False:
            return ServerUnavailableError(f"{who} did not take the request: {exc.message}.")
        if isinstance(exc, NoAnswerError):
            return ConnectionLostError(
                f"The connection to server {self._server!r} was lost while {what} was under way. "
                "It may or may not have been done; the next call reconnects."
            )
        return ToolFailedError(
            f"{who} answered {what} with error {exc.code}: {exc.message}",
            data={"code": exc.code} | ({} if exc.data is None else {"data": exc.data}),
        )


def _fault(exc: MCPError) -> JsonObject:
    """What our transport says about the error, if it is from there."""
    data: Json = exc.data
    fault: Json = cast("JsonObject", data).get(FAULT_KEY) if isinstance(data, dict) else None
    return cast("JsonObject", fault) if isinstance(fault, dict) else {}


@asynccontextmanager
async def connect(server: str, streams: "TransportStreams") -> AsyncGenerator[Connection]:
    """A connection over these streams, before its handshake. No capability is declared.

    So a server may not ask for elicitation, sampling or roots; one that does all the same is refused.
    """
    wire = Wire(streams)

    async def on_message(message: IncomingMessage) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            connection.note_change()

    info = types.Implementation(name="toolhone", version=__version__)
    session = ClientSession(dispatcher=wire, message_handler=on_message, client_info=info)
    connection = Connection(server, session, wire)
    async with session:
        yield connection


def read_answer(raw: JsonObject, who: str) -> ToolOutput:
    """The result of `tools/call` as it came, with what is not quite MCP made readable.

    Raises:
        ToolFailedError: It is no answer at all.
    """
    kind: Json = raw.get("resultType", "complete")
    if kind == "input_required":
        raise ToolFailedError(
            f"{who} asks its user for input before it answers, and toolhone has nobody to ask. "
            "Call it with arguments that leave nothing to ask, or use its server directly."
        )
    if kind != "complete":
        raise ToolFailedError(f"{who} answered with a result of type {kind!r}, which toolhone cannot read.")
    has_structured = "structuredContent" in raw
    content: Json = raw.get("content", [] if has_structured else None)
    if not isinstance(content, list):
        raise ToolFailedError(f"{who} answered with something that is not an MCP result: no list 'content'.")
    blocks: list[JsonObject] = []
    notices: list[str] = []
    for index, block in enumerate(cast("list[Json]", content)):
        if not _is_plain_text(block):
            try:
                _CONTENT_BLOCK.validate_python(block, by_name=False)
            except ValidationError:
                notices.append(f"Content block {index + 1} is not valid MCP; its JSON is shown as text.")
                blocks.append({"type": "text", "text": canonical_json(block)})
                continue
        blocks.append(block)
    return ToolOutput(
        content=tuple(blocks),
        structured=raw.get("structuredContent"),
        has_structured=has_structured,
        is_error=raw.get("isError") is True,
        notices=tuple(notices),
    )


def _is_plain_text(block: Json) -> bool:
    # Nearly every block, and the one whose validation would cost most.
    if not isinstance(block, dict):
        return False
    fields = cast("JsonObject", block)
    return fields.keys() == {"type", "text"} and fields["type"] == "text" and isinstance(fields["text"], str)
