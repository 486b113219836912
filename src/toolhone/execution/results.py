"""Large results: kept whole under a handle, shown as a preview, read in pages.

What is kept is not redacted; it is apart from the audit, bound to the caller who got the preview, and
lives for a limited time.
"""

import json
import logging
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import replace

import anyio
import anyio.to_thread

from toolhone.execution.json_values import encoded, is_array, is_object, minified, parse_json
from toolhone.execution.pages import page_of
from toolhone.execution.presentation import is_binary, present
from toolhone.execution.preview import exceeds, shrink, size_of
from toolhone.models import Json, JsonObject, ToolCall, ToolOutput
from toolhone.stores import ResultStore, StoredResult

logger = logging.getLogger(__name__)

MAX_BYTES = 16_384
"""About 4,000 tokens."""

PREVIEW_BYTES = 2_048
"""About 500 tokens: enough to see what it is. Who needs more reads it by the handle."""

MAX_BINARY_BYTES = 1_048_576
"""Hosts show pictures as pictures, not as text, so they may be larger; in pages they would be useless."""

LIFETIME_SECONDS = 3_600.0


class ResultKeeper:
    """Makes previews, keeps the whole, and pages it."""

    def __init__(
        self,
        open_store: Callable[[], ResultStore],
        *,
        new_handle: Callable[[], str],
        max_bytes: int = MAX_BYTES,
        preview_bytes: int = PREVIEW_BYTES,
        max_binary_bytes: int = MAX_BINARY_BYTES,
        lifetime_seconds: float = LIFETIME_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Set the bounds; the store is opened when the first result is too large.

        Args:
            open_store: Opens the store; called in a worker thread, once.
            new_handle: A handle that nobody can guess.
            max_bytes: The largest result, as JSON, that is sent whole; a tool may set its own.
            preview_bytes: About the size of what is shown of a larger one.
            max_binary_bytes: The same for one picture, sound or blob, in base64.
            lifetime_seconds: How long a handle is good.
            clock: Seconds since the epoch.
        """
        self._open_store = open_store
        self._store: ResultStore | None = None
        # Stores are for one thread at a time.
        self._one_thread = anyio.CapacityLimiter(1)
        self._new_handle = new_handle
        self._max_bytes = max_bytes
        self._preview_bytes = preview_bytes
        self._max_binary_bytes = max_binary_bytes
        self._lifetime = lifetime_seconds
        self._clock = clock

    async def compact(self, call: ToolCall, output: ToolOutput) -> ToolOutput:
        """The output itself if it is small, else a preview of it with a handle."""
        most = self._max_bytes
        if call.resolved is not None and call.resolved.limits.max_result_bytes is not None:
            most = call.resolved.limits.max_result_bytes
        value, _ = present(output)
        large = {index for index, block in enumerate(output.content) if self._is_large(block)}
        if not large and not exceeds(value, most):
            return output
        handle = await self._kept(call, output, with_content=bool(large))
        if handle is None:
            notice = "This result is over the size limit and is sent whole because it could not be kept."
            return replace(output, notices=(*output.notices, notice))
        return await anyio.to_thread.run_sync(self._preview, output, handle, most, large)

    async def keep(self, call: ToolCall, output: ToolOutput) -> str | None:
        """Keep the whole output; its handle, or `None` if the store failed."""
        return await self._kept(call, output, with_content=any(map(is_binary, output.content)))

    async def read(
        self,
        handle: str,
        principal: str,
        *,
        path: str | None = None,
        offset: int = 0,
        limit: int | None = None,
    ) -> JsonObject:
        """A page of a kept result: rows of an array, characters of anything else.

        Args:
            handle: As it stood beside the preview.
            principal: Who reads.
            path: JSON Pointer to a part of the result.
            offset: The first row or character.
            limit: How many at most; a page never gets larger than a result that is sent whole.

        Raises:
            UnknownHandleError: There is no such result for this caller, or it has expired.
            InvalidRequestError: The path or the offset leads nowhere.
        """
        stored = await anyio.to_thread.run_sync(self._get, handle, principal, limiter=self._one_thread)

        def page() -> JsonObject:
            text = stored.body.decode("utf-8", "surrogatepass")
            value: Json = json.loads(text) if stored.media == "json" else text
            part = "" if path is None or (path == "/text" and stored.media == "text") else path
            return page_of(value, path=part, offset=offset, limit=limit, most=self._max_bytes)

        # A large body takes a while to read.
        return {"handle": handle, "media": stored.media, **await anyio.to_thread.run_sync(page)}

    async def prune(self) -> int:
        """Drop what has expired; returns how many."""
        return await anyio.to_thread.run_sync(lambda: self._opened().prune(), limiter=self._one_thread)

    def _is_large(self, block: JsonObject) -> bool:
        if not is_binary(block):
            return False
        payload = _payload_of(block)
        return len(payload.get("data") or payload.get("blob") or "") > self._max_binary_bytes

    async def _kept(self, call: ToolCall, output: ToolOutput, *, with_content: bool) -> str | None:
        handle = self._new_handle()
        try:
            await anyio.to_thread.run_sync(
                self._put, handle, call, output, with_content, limiter=self._one_thread
            )
        except Exception:
            # The tool has run: whatever is wrong with the store must not lose its answer as well.
            logger.exception("A result of %s could not be kept", call.tool, extra={"call_id": call.call_id})
            return None
        return handle

    def _put(self, handle: str, call: ToolCall, output: ToolOutput, with_content: bool) -> None:
        value, _ = present(output)
        parts = parsed_parts(value)
        if with_content:
            value = {"result": value if parts is None else parts, "content": list(output.content)}
        body = value if isinstance(value, str) else minified(value)
        now = self._clock()
        self._opened().put(
            StoredResult(
                handle=handle,
                principal=call.caller.principal,
                tool=call.tool,
                call_id=call.call_id,
                created_at=now,
                expires_at=now + self._lifetime,
                media="text" if isinstance(value, str) and parts is None else "json",
                body=encoded(body),
            )
        )

    def _get(self, handle: str, principal: str) -> StoredResult:
        return self._opened().get(handle, principal)

    def _opened(self) -> ResultStore:
        if self._store is None:
            store = self._open_store()
            store.prune()  # What an earlier process kept may have expired since.
            self._store = store
        return self._store

    def _preview(self, output: ToolOutput, handle: str, most: int, large: AbstractSet[int]) -> ToolOutput:
        value, _ = present(output)
        phrases: list[str] = []
        if exceeds(value, most):
            # Room for the notice, which is part of what the client gets.
            room = min(max(most - 256, most // 2), self._preview_bytes)
            prefix = "/result" if large else ""
            value, phrases = _shrunk(value, room, prefix)
        phrases.extend(
            f"{_media_of(output.content[index])} is not shown, it is at '/content/{index}'"
            for index in sorted(large)
        )
        notice = (
            f"This is a preview: {'; '.join(phrases)}. "
            f"The whole can be read for {self._lifetime / 60:.0f} min with the handle."
        )
        readable: list[JsonObject] = []
        if not output.has_structured:
            readable = value if is_array(value) else [{"type": "text", "text": value}]
        beside = [
            block
            for index, block in enumerate(output.content)
            if index not in large
            and (block.get("type") != "text" if output.has_structured else is_binary(block))
        ]
        return replace(
            output,
            content=(*readable, *beside),
            structured=value if output.has_structured else None,
            notices=(*output.notices, notice),
            handle=handle,
            whole=output,
        )


def _shrunk(value: Json, room: int, prefix: str) -> tuple[Json, list[str]]:
    parts = parsed_parts(value)
    if parts is None:
        return shrink(value, room, prefix=prefix)
    # JSON in a text stays JSON. As a string it grows by its escapes; how much is only known afterwards.
    wanted = room
    while wanted >= 64:
        shrunk, phrases = shrink(parts, wanted, prefix=prefix)
        text = shrunk if isinstance(shrunk, str) else minified(shrunk)
        size = size_of(text)
        if size <= room:
            return text, phrases
        wanted = wanted * room // size - 16
    return shrink(value, room)


def parsed_parts(value: Json) -> Json:
    """The array or object that a text is the JSON of; `None` for anything else."""
    if not isinstance(value, str) or value.lstrip()[:1] not in {"{", "["}:
        return None
    try:
        return parse_json(value)
    except ValueError:
        return None


def _payload_of(block: JsonObject) -> JsonObject:
    resource = block.get("resource")
    return resource if is_object(resource) else block


def _media_of(block: JsonObject) -> str:
    return str(_payload_of(block).get("mimeType") or block["type"])
