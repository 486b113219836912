"""A body of any length, read as it arrives and never whole in memory."""

import io

import anyio.from_thread
from starlette.requests import Request

BUFFER = 65_536
"""Bytes that are read ahead."""


class Upload(io.RawIOBase):
    """The body of a request as a file for a worker thread, which waits for what the event loop receives."""

    def __init__(self, request: Request) -> None:
        self._chunks = request.stream()
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Raises ClientDisconnect if the client is gone before the end."""
        while not self._left:
            chunk = anyio.from_thread.run(self._next)
            if chunk is None:
                return 0
            self._left = chunk
        taken, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)

    async def _next(self) -> bytes | None:
        return await anext(self._chunks, None)
