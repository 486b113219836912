"""The wire of a stdio server: lines in, text out, without losing either end."""

import os
from collections.abc import Generator
from io import FileIO

import anyio
import pytest

from toolhone.server.pipes import LinesIn, TextOut


@pytest.fixture
def pipe() -> Generator[tuple[FileIO, FileIO]]:
    reading, writing = os.pipe()
    with FileIO(reading) as reader, FileIO(writing, "w") as writer:
        yield reader, writer


def nobody() -> None:
    raise AssertionError("the other end is open")


async def test_lines_arrive_whole_whatever_the_pieces(pipe: tuple[FileIO, FileIO]) -> None:
    reading, writing = pipe
    text = ["short\n", "ein längerer Satz\n", "x" * 200_000 + "\n", "\n", "the last one has no end"]

    lines: list[str] = []

    async def write() -> None:
        data = "".join(text).encode()
        for start in range(0, len(data), 7_919):
            await anyio.to_thread.run_sync(writing.write, data[start : start + 7_919])
        writing.close()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            async for line in LinesIn(reading.fileno()):
                lines.append(line)  # noqa: PERF401 - a comprehension would leave `lines` unbound for pyright

    assert lines == [*text[:-1], "the last one has no end\n"]


async def test_a_reader_that_is_slow_gets_everything(pipe: tuple[FileIO, FileIO]) -> None:
    reading, writing = pipe
    os.set_blocking(writing.fileno(), False)
    out = TextOut(writing.fileno(), nobody)
    received = bytearray()

    async def read() -> None:
        while len(received) < 1_000_000:
            await anyio.wait_readable(reading.fileno())
            received.extend(os.read(reading.fileno(), 1_000))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await out.write("y" * 1_000_000)

    assert received == b"y" * 1_000_000


async def test_who_closed_its_end_is_noticed(pipe: tuple[FileIO, FileIO]) -> None:
    reading, writing = pipe
    os.set_blocking(writing.fileno(), False)
    reading.close()
    noticed: list[bool] = []

    with pytest.raises(anyio.ClosedResourceError):
        await TextOut(writing.fileno(), lambda: noticed.append(True)).write("hello")

    assert noticed == [True]
