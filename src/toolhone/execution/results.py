"""Large results: kept whole under a handle, shown as a preview, read in pages.

What is kept is not redacted; it is apart from the audit, bound to the caller who got the preview, and
lives for a limited time.
"""

import json
import logging
import time
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

import anyio
import anyio.to_thread

from toolhone.compression.excerpts import Excerpted, excerpt
from toolhone.execution.few_tokens import in_few_tokens, is_brief
from toolhone.execution.last_answers import HANDLE_TOKENS, LastAnswers, digest_of, unchanged_since
from toolhone.execution.pages import page_of
from toolhone.execution.presentation import is_binary, present
from toolhone.execution.preview import error_size, exceeds, shrink
from toolhone.json_values import encoded, is_array, is_object, minified, parse_json
from toolhone.models import Excerpt, Json, JsonObject, ToolCall, ToolOutput
from toolhone.stores import ResultStore, StoredResult

logger = logging.getLogger(__name__)

MAX_BYTES = 8_192
"""About 2,500 tokens of JSON, 500 to 1,500 as a table. A preview that is then read costs a request more."""

PREVIEW_BYTES = 224
"""About 60 tokens: enough to see what it is. Who needs more reads it by the handle."""

WHOLE_ERROR_BYTES = 16_384
"""So large an error is sent whole: its reader must understand it as it is."""

ERROR_BYTES = 2_048
"""What is shown of a larger one."""

RAW = "raw"
"""The path that leads to the characters of a result as they are kept."""

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
        count_tokens: Callable[[str], int] | None,
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
            count_tokens: Counts the tokens of a text; called in worker threads only. `None` leaves results as
                they are, for callers that are programs.
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
        self._count = count_tokens
        self._answers = LastAnswers(clock=clock, lifetime_seconds=lifetime_seconds)

    async def compact(self, call: ToolCall, output: ToolOutput) -> ToolOutput:
        """The output as its caller gets it: what was asked of it, or a preview if it is large; in few tokens.

        Whenever something is left out, the whole is kept and the answer has its handle.
        """
        most = self._max_bytes
        if call.resolved is not None and call.resolved.limits.max_result_bytes is not None:
            most = call.resolved.limits.max_result_bytes
        if output.is_error:
            most = max(most, WHOLE_ERROR_BYTES)
        value, _ = present(output)
        large = {index for index, block in enumerate(output.content) if self._is_large(block)}
        wanted = None
        if call.excerpt is not None and not output.is_error:
            wanted = await anyio.to_thread.run_sync(excerpted, value, call.excerpt)
        if not large and wanted is None and not exceeds(value, most):
            return await self._in_few_tokens(call, output, output)
        handle = await self._kept(call, output, with_content=bool(large))
        if handle is None:
            notice = "This result is over the size limit and is sent whole because it could not be kept."
            if wanted is not None:
                notice = "This result is sent whole because what you did not ask for could not be kept."
            return replace(output, notices=(*output.notices, notice))
        shown = output
        if large or wanted is not None or exceeds(value, most):
            shown = await anyio.to_thread.run_sync(self._preview, output, handle, most, large, wanted)
        return await self._in_few_tokens(call, output, shown)

    async def _in_few_tokens(self, call: ToolCall, whole: ToolOutput, shown: ToolOutput) -> ToolOutput:
        """With the text that a model reads: a table, or that nothing has changed since the last time."""
        value, blocks = present(shown)
        count = self._count
        if count is None or shown.is_error or is_brief(value):
            return shown
        # Without a session nobody knows who was told before.
        may_repeat = not blocks and call.caller.session is not None

        def look() -> tuple[str | None, bytes]:
            return in_few_tokens(value, count), digest_of(present(whole)[0]) if may_repeat else b""

        text, digest = await anyio.to_thread.run_sync(look)
        shown = replace(shown, shown=text)
        if not may_repeat:
            return shown
        last = self._answers.last(call, digest)
        if last is None:
            self._answers.remember(call, shown.handle)
            return shown
        ago = unchanged_since(last)
        said = text if text is not None else value if isinstance(value, str) else minified(value)
        if not await anyio.to_thread.run_sync(lambda: count(ago) + HANDLE_TOKENS < count(said)):
            return shown
        handle = last.handle or shown.handle or await self._kept(call, whole, with_content=False)
        if handle is None:
            return shown
        self._answers.keeps(call, handle)
        return replace(shown, shown=ago, handle=handle, whole=shown.whole or whole, notices=whole.notices)

    async def shown(self, value: Json) -> str | None:
        """The text that says the same in fewer tokens than the JSON of the value, if there is one."""
        if self._count is None or is_brief(value):
            return None
        return await anyio.to_thread.run_sync(in_few_tokens, value, self._count)

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
        fields: Sequence[str] = (),
        grep: str | None = None,
    ) -> JsonObject:
        """A page of a kept result: rows of an array, characters of anything else.

        Args:
            handle: As it stood beside the preview.
            principal: Who reads.
            path: JSON Pointer or plain JSONPath to a part of the result; `raw` for the characters of the
                whole as they came (a text) or as they are kept (the minified JSON of structured content).
            fields: What to keep of each row.
            grep: Only rows or lines that contain this.
            offset: The first row or character.
            limit: How many at most; a page never gets larger than a result that is sent whole.

        Raises:
            UnknownHandleError: There is no such result for this caller, or it has expired.
            InvalidRequestError: The path or the offset leads nowhere.
        """
        stored = await anyio.to_thread.run_sync(self._get, handle, principal, limiter=self._one_thread)

        def page() -> JsonObject:
            text = stored.body.decode("utf-8", "surrogatepass")
            value: Json = json.loads(text) if stored.media == "json" and path != RAW else text
            top = path is None or path == RAW or (path == "/text" and stored.media == "text")
            return page_of(
                value,
                path="" if top else path or "",
                offset=offset,
                limit=limit,
                most=self._max_bytes,
                fields=fields,
                grep=grep,
            )

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

    def _preview(
        self,
        output: ToolOutput,
        handle: str,
        most: int,
        large: AbstractSet[int],
        wanted: Excerpted | None,
    ) -> ToolOutput:
        value, _ = present(output)
        phrases: list[str] = []
        if wanted is not None:
            value = wanted.value
            phrases.append(wanted.said)
        if exceeds(value, most):
            # JSON in a text stays JSON, whose escapes count only in structured content, not for a model.
            parts = parsed_parts(value)
            told = value if parts is None else parts
            wished = ERROR_BYTES if output.is_error else self._preview_bytes + error_size(told)
            # Room for the notice, which is part of what the client gets.
            room = min(max(most - 256, most // 2), wished)
            shrunk, cuts = shrink(told, room, prefix="/result" if large else "")
            value = shrunk if parts is None else minified(shrunk)
            phrases.extend(cuts)
        phrases.extend(
            f"{_media_of(output.content[index])} is not shown, it is at '/content/{index}'"
            for index in sorted(large)
        )
        notice = f"Shown: {'; '.join(phrases)}."
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


def excerpted(value: Json, wanted: Excerpt) -> Excerpted | None:
    """What was asked of the value, if that is not all of it. JSON in a text stays JSON in a text."""
    parts = parsed_parts(value)
    part = excerpt(
        value if parts is None else parts, fields=wanted.fields, limit=wanted.limit, grep=wanted.grep
    )
    if not part.said:
        return None
    return part if parts is None else Excerpted(minified(part.value), part.said)


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
