"""stdin and stdout as the wire, without a thread between: each hop to a thread costs part of a millisecond.

The SDK reads and writes the standard streams in worker threads, three hops a message. Over a pipe or a
socket, which is what hosts give their servers, the event loop itself can wait for the descriptor. Everything
else (a terminal, a file, Windows) is left to the SDK.
"""

import os
import stat
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import anyio

if TYPE_CHECKING:
    Text = anyio.AsyncFile[str]

CHUNK = 65_536


@asynccontextmanager
async def claimed_pipes(
    on_broken: Callable[[], None],
) -> AsyncGenerator[tuple["Text | None", "Text | None"]]:
    """The standard streams for `stdio_server`; `None` for both if one is no pipe: they stay with the SDK.

    While they are claimed, whatever else reads stdin sees its end, and whatever else is printed goes to
    stderr, so that neither can touch the protocol.
    """
    if sys.platform == "win32" or not (_is_pipe(0) and _is_pipe(1)):
        yield None, None
        return
    wire_in, wire_out = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    # Ours alone from here on: the other end is another description, with a mode of its own.
    os.set_blocking(wire_out, False)
    try:
        yield cast("Text", LinesIn(wire_in)), cast("Text", TextOut(wire_out, on_broken))
    finally:
        os.set_blocking(wire_out, True)
        os.dup2(wire_in, 0)
        os.dup2(wire_out, 1)
        os.close(wire_in)
        os.close(wire_out)


def _is_pipe(descriptor: int) -> bool:
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


class LinesIn:
    """Iterates over the lines of a descriptor, with their ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._parts: list[bytes] = []
        self._lines: list[str] = []

    def __aiter__(self) -> "LinesIn":
        return self

    async def __anext__(self) -> str:
        while not self._lines:
            await anyio.wait_readable(self._descriptor)
            try:
                chunk = os.read(self._descriptor, CHUNK)
            except BlockingIOError:  # one socket may serve for both directions, and then it does not block
                continue
            if chunk:
                self._take(chunk)
            elif self._parts:
                self._take(b"\n")  # the end of the stream ends the last line too
            else:
                raise StopAsyncIteration
        return self._lines.pop()

    def _take(self, chunk: bytes) -> None:
        *complete, rest = chunk.split(b"\n")
        if complete:
            complete[0] = b"".join((*self._parts, complete[0]))
            self._parts = []
            # Taken from the end, so that the first line comes first.
            self._lines = [f"{line.decode('utf-8', 'replace')}\n" for line in reversed(complete)]
        if rest:
            self._parts.append(rest)


class TextOut:
    """Writes text to a descriptor that does not block."""

    def __init__(self, descriptor: int, on_broken: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._on_broken = on_broken

    async def write(self, text: str) -> int:
        data = memoryview(text.encode("utf-8", "backslashreplace"))
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                await anyio.wait_writable(self._descriptor)
            except BrokenPipeError as exc:
                self._on_broken()
                raise anyio.ClosedResourceError from exc
        return len(text)

    async def flush(self) -> None:
        """Nothing is held back."""
