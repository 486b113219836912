"""What the first pages after a start would wait for, made ready before anybody asks for them.

Templates are compiled, what learning from work imports is imported, and the vocabulary that counts tokens is
loaded: together half a second of work that a visitor would see as a slow page.
"""

import importlib
import logging
from collections.abc import Callable, Iterator
from functools import partial

import anyio
import anyio.to_thread

from toolhone import tokens
from toolhone.server.dashboard.assets import NAMES, address
from toolhone.server.dashboard.layout import templates

logger = logging.getLogger(__name__)

FIRST = ("base.html", "macros.html", "icons.html", "logged_in.html", "overview.html")
"""Templates of what is seen first."""


class Preparation:
    """The work, done once beside what the server does; in small pieces, so that it can be cancelled."""

    def __init__(self) -> None:
        self._over = anyio.Event()

    async def run(self) -> None:
        """Do it all, in worker threads."""
        try:
            for piece in _pieces():
                await anyio.to_thread.run_sync(piece)
        except Exception:
            # The end of this job. A page that needs what is missing says so itself; tools do not need it.
            logger.exception("The pages of the dashboard could not be made ready")
        finally:
            self._over.set()

    async def is_over(self, *, within: float) -> bool:
        """Whether nothing is left to do, or will be in so many seconds."""
        with anyio.move_on_after(within):
            await self._over.wait()
        return self._over.is_set()


def _pieces() -> Iterator[Callable[[], object]]:
    # Every overview shows jobs; nobody who serves agents over stdio pays for this.
    yield partial(importlib.import_module, "toolhone.finetuning_parts")
    yield from (partial(address, name) for name in NAMES)
    environment = templates()
    names = dict.fromkeys([*FIRST, *environment.list_templates(extensions=["html"])])
    yield from (partial(environment.get_template, name) for name in names)
    yield tokens.load
