"""Work on large values, done where it does not hold up the event loop."""

from collections.abc import Callable
from typing import TypeVar

import anyio.to_thread

from toolhone.json_values import is_large
from toolhone.models import Json, ToolOutput

T = TypeVar("T")


async def off_loop_if_large(work: Callable[[], T], *values: Json) -> T:
    """The result of the work, done in a worker thread if the values that it goes through are large.

    Small values stay where they are: a thread would cost more than the work.
    """
    if is_large(*values):
        return await anyio.to_thread.run_sync(work)
    return work()


def parts_of(output: ToolOutput | None) -> list[Json]:
    """All that is in an output, for `off_loop_if_large`."""
    return [] if output is None else [output.structured, *output.content]
