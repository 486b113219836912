"""Runs the steps of jobs durably on dbos: what a step returned is remembered in `jobs.db`.

No other module names dbos.

dbos lives on an event loop and threads of its own. Its loop gets a thread pool that does not outlive it, and
its database calls block; neither is for the loop that serves requests. Only the steps come back to that loop,
into a task group of ours. So when we are stopped, the steps are cancelled first: dbos records no outcome of a
cancelled step, and the next process begins that step again.

A constant executor id is safe only under the lock of the folder, which whoever opens an engine holds.

How a job ended is said by our own row, so what dbos remembers of runs that are over is of no use any more. It
is deleted when the engine closes, and, of a process that died, when the next one opens.
"""

import asyncio
import logging
import os
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import anyio
import anyio.to_thread
from anyio.from_thread import BlockingPortal, start_blocking_portal

from toolhone.exceptions import StorageError
from toolhone.models import JsonObject

if TYPE_CHECKING:
    from dbos import WorkflowHandleAsync
    from sqlalchemy import Engine as Database

logger = logging.getLogger(__name__)

STATE = "jobs.db"
APPLICATION = "toolhone"
EXECUTOR = "runner"
VERSION = "jobs-1"
"""Raised only if the order of the steps changes; jobs under way then begin at their first step again."""

_ENDED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]

_DELETED_AT_ONCE = 500

_RECORDING_SECONDS = 0.05
"""Between two looks whether dbos has recorded the end of a run that a dead process began."""

_LISTENING_SECONDS = 0.2

RunStep = Callable[[str, str, Mapping[str, JsonObject]], Awaitable[JsonObject]]
"""Does the step of this name for the job of this key, given what earlier steps returned."""


class Engine(Protocol):
    """Runs jobs, each by its key, and remembers which steps are done."""

    async def run(self, key: str) -> bool:
        """Run the steps, from where they were left, until one says that it is over.

        Returns False if that was said before this call.
        """
        ...


OpenEngine = Callable[[Path, Sequence[str], RunStep], AbstractAsyncContextManager[Engine]]


@asynccontextmanager
async def open_engine(folder: Path, steps: Sequence[str], run_step: RunStep) -> AsyncGenerator[Engine]:
    """An engine on `jobs.db` of this folder, which takes up at once what was left unfinished.

    Args:
        run_step: A step may be begun again after a crash, so it must not do twice what must happen once.

    Raises:
        StorageError: The file cannot be used.
    """
    unusable: StorageError | None = None
    async with BlockingPortal() as portal:
        engine = _DbosEngine(portal, steps, run_step)
        try:
            try:
                await anyio.to_thread.run_sync(engine.launch, folder / STATE)
            except StorageError as exc:
                unusable = exc  # raised below: the portal would wrap it in a group
            else:
                yield engine
        finally:
            # Not bounded by a deadline of ours: dbos bounds the joining of each of its threads by itself.
            with anyio.CancelScope(shield=True):
                await portal.stop(cancel_remaining=True)
                await anyio.to_thread.run_sync(engine.destroy)
    if unusable is not None:
        raise unusable


class _DbosEngine:
    """dbos, of which a process can have one at a time."""

    def __init__(self, portal: BlockingPortal, steps: Sequence[str], run_step: RunStep) -> None:
        self._portal = portal
        self._steps = steps
        self._run_step = run_step
        self._ended: dict[str, anyio.Event] = {}
        self._cleanup = ExitStack()

    async def run(self, key: str) -> bool:
        ended = self._ended.setdefault(key, anyio.Event())
        try:
            handle = await anyio.to_thread.run_sync(self._begin, key)
            if handle is None:
                return False
            await ended.wait()
            await anyio.to_thread.run_sync(self._recorded, handle)
            return True
        finally:
            self._ended.pop(key, None)

    def launch(self, path: Path) -> None:
        """Open the file and take up what was left unfinished; blocks."""
        # Its records go the way of ours instead of to a handler of its own.
        logging.getLogger("dbos").addHandler(logging.NullHandler())
        from dbos import DBOS, DBOSPortableJSONSerializer
        from sqlalchemy.exc import SQLAlchemyError

        try:
            database = self._cleanup.enter_context(_database(path))
            self._own_loop = self._cleanup.enter_context(start_blocking_portal("asyncio"))
            DBOS(
                config={
                    "name": APPLICATION,
                    "system_database_url": f"sqlite:///{path}",
                    "system_database_engine": database,
                    # The default is pickle: whoever could write the file could run code.
                    "serializer": DBOSPortableJSONSerializer(),
                    "executor_id": EXECUTOR,
                    "application_version": VERSION,
                    "log_level": "ERROR",
                    "enable_otlp": False,
                    # It looks for messages, which jobs do not send, and sleeps between two looks: stopping
                    # waits for that.
                    "notification_listener_polling_interval_sec": _LISTENING_SECONDS,
                }
            )
            self._cleanup.callback(DBOS.destroy, destroy_registry=True)

            async def job(key: str) -> None:
                await self._run_all(key)

            self._workflow = DBOS.workflow(name="job")(job)
            # On the loop that it is to use, also for what it takes up by itself.
            self._own_loop.call(DBOS.launch)
            self._own_loop.call(_forget_ended)
            self._cleanup.callback(self._forget)
        except (SQLAlchemyError, sqlite3.Error, OSError) as exc:
            raise StorageError(
                f"{str(path)!r} cannot be used: {exc}. Check that the disk has room and that this user may "
                "write there. If the file is damaged, move it away: jobs begin again without paying twice."
            ) from exc

    def destroy(self) -> None:
        """Let go of dbos, its threads and its file; blocks."""
        self._cleanup.close()

    def _begin(self, key: str) -> "WorkflowHandleAsync[None] | None":
        """The run of this key, begun or going on; `None` if it has ended."""
        from dbos import DBOS, SetWorkflowID

        async def begin() -> "WorkflowHandleAsync[None] | None":
            with SetWorkflowID(key):
                handle = await DBOS.start_workflow_async(self._workflow, key)
            return None if (await handle.get_status()).status in _ENDED else handle

        return self._own_loop.call(begin)

    def _recorded(self, handle: "WorkflowHandleAsync[None]") -> None:
        """Returns when dbos has recorded that a run ended, which it does a moment after the last step."""

        async def recorded() -> None:
            with suppress(Exception):  # a run that failed has ended, too
                await handle.get_result(polling_interval_sec=_RECORDING_SECONDS)

        self._own_loop.call(recorded)

    def _forget(self) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            self._own_loop.call(_forget_ended)
        except (SQLAlchemyError, sqlite3.Error) as exc:
            logger.warning("Ended jobs stay in %r until the engine starts again: %s", STATE, exc)

    async def _run_all(self, key: str) -> None:
        """One job, on the loop of dbos."""
        from dbos import DBOS

        done: dict[str, JsonObject] = {}
        try:
            for name in self._steps:
                done[name] = await DBOS.run_step_async({"name": name}, self._call, name, key, done)
                if done[name].get("over"):
                    break
        except Exception:  # whoever waits looks at the row; a cancelled run goes on in the next process
            self._note_end(key)
            raise
        self._note_end(key)

    async def _call(self, name: str, key: str, done: Mapping[str, JsonObject]) -> JsonObject:
        """A step, on the loop of the one who opened the engine."""
        try:
            step = self._portal.start_task_soon(self._run_step, name, key, done)
        except RuntimeError as exc:
            # The portal is closed: we are being stopped, and this run was taken up at the last moment.
            raise asyncio.CancelledError from exc
        return await asyncio.wrap_future(step)

    def _note_end(self, key: str) -> None:
        """On the loop of dbos: wake whoever waits for the end."""
        with suppress(RuntimeError):  # the portal is closed, and nobody waits any more
            self._portal.start_task_soon(self._wake, key)

    def _wake(self, key: str) -> None:
        if key in self._ended:
            self._ended[key].set()


async def _forget_ended() -> None:
    """Delete what dbos remembers of runs that are over."""
    from dbos import DBOS

    while ended := await DBOS.list_workflows_async(
        status=_ENDED, limit=_DELETED_AT_ONCE, load_input=False, load_output=False
    ):
        await DBOS.delete_workflows_async([run.workflow_id for run in ended])


@contextmanager
def _database(path: Path) -> Generator["Database"]:
    """SQLAlchemy's engine on the file, which is private and whose commits wait for the disk."""
    from sqlalchemy import create_engine, event

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    database = create_engine(f"sqlite:///{path}")

    @event.listens_for(database, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.isolation_level = "IMMEDIATE"
        for pragma in (
            "busy_timeout = 30000",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            # Deleted is overwritten.
            "secure_delete = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    try:
        yield database
    finally:
        database.dispose()
