"""Progress of blocking work as MCP notifications: the newest state, as fast as the client reads."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from toolhone.models import ProgressReporter
from toolhone.operations import Progress

PAUSE = 0.2
"""Seconds between two notifications."""


@asynccontextmanager
async def latest(report: ProgressReporter | None) -> AsyncGenerator[Progress | None]:
    """What work in any thread may call as often as it likes; only the newest state is sent on."""
    if report is None:
        yield None
        return
    state: list[tuple[str, int, int]] = []

    def note(what: str, done: int, of: int) -> None:
        state[:] = [(what, done, of)]

    async def send() -> None:
        phase, before, sent = "", 0, -1
        while True:
            await anyio.sleep(PAUSE)
            for what, done, of in state:
                if what != phase:  # each phase counts from nought, and progress must grow
                    phase, before = what, max(sent, 0)
                if before + done > sent:
                    sent = before + done
                    await report(float(sent), float(before + of), what)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        try:
            yield note
        finally:
            tasks.cancel_scope.cancel()
