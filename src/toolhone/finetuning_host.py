"""Learning from work inside of a running app: built when it is needed, with what runs beside it."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from toolhone.audit import AuditLog
from toolhone.errands import Errands
from toolhone.exceptions import ToolhoneError
from toolhone.execution.snapshotting import OFF, SnapshotWriter
from toolhone.models import LOCAL_CALLER, Caller, Category, ToolDefinition
from toolhone.records.snapshots import NewSnapshot
from toolhone.settings import Settings

if TYPE_CHECKING:
    from toolhone.finetuning_parts import FinetuningParts

logger = logging.getLogger(__name__)

JOBS_FILE = "jobs_state.db"
"""Without it there never was a fine-tuning job here."""

SNAPSHOTS_FILE = "snapshots.db"

LOOK_SECONDS = 1.0
"""Between two looks for changes of jobs."""

PATIENT_SECONDS = 5.0
"""Between two looks whether another process has created the first job."""

SETTLING_SECONDS = 60.0
"""After the start, until old snapshots are looked for: a client is waiting for other things then."""

PRUNING_SECONDS = 6 * 3_600.0
"""Between two looks for snapshots that are too old."""


class FinetuningHost:
    """What of learning from work an app has. Who does not train pays for none of it."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        audit: AuditLog,
        tools: Callable[[], Awaitable[Sequence[ToolDefinition]]],
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._audit = audit
        self._tools = tools
        self._parts: FinetuningParts | None = None
        self._building = anyio.Lock()
        self._wanted = anyio.Event()
        self.errands = Errands()
        """Preparations, estimates and comparisons that nobody waits for."""
        self.snapshots = SnapshotWriter(self._collect, mode=self._mode) if self._taken() else None
        """Makes snapshots of calls, if any category has them taken."""

    async def parts(self) -> "FinetuningParts":
        """The operations and what runs beside them, built when they are first asked for."""
        async with self._building:
            if self._parts is None:
                # A quarter of a second of imports.
                from toolhone.finetuning_parts import build_finetuning

                self._parts = await anyio.to_thread.run_sync(
                    lambda: build_finetuning(self._settings, self._environ, self._audit, tools=self._tools)
                )
                self._wanted.set()
            return self._parts

    async def run(self) -> None:
        """Run jobs and errands, take snapshots and drop old ones, until cancelled."""
        async with anyio.create_task_group() as tasks:
            await tasks.start(self.errands.run)
            tasks.start_soon(self._run_jobs)
            tasks.start_soon(self._drop_old)
            if self.snapshots is not None:
                tasks.start_soon(self.snapshots.run)

    async def job_changes(self) -> AsyncIterator[str]:
        """The ids of jobs that went on since this process first had to do with any."""
        await self._wanted.wait()
        board = (await self.parts()).board
        seen: dict[str, str] | None = None
        while True:
            try:
                now = {job.job_id: job.updated_at for job in await board.jobs(limit=50)}
            except ToolhoneError as exc:
                logger.warning("Jobs could not be looked at: %s", exc.message)
            else:
                for job_id, updated_at in now.items():
                    if seen is not None and seen.get(job_id) != updated_at:
                        yield job_id
                seen = now
            await anyio.sleep(LOOK_SECONDS)

    async def aclose(self) -> None:
        """End what runs, and close the stores."""
        if self._parts is not None:
            await self._parts.aclose()

    async def _run_jobs(self) -> None:
        """Run jobs as soon as the data folder has any, unless another process does."""
        while not (self._settings.data / JOBS_FILE).exists() and not self._wanted.is_set():
            with anyio.move_on_after(PATIENT_SECONDS):
                await self._wanted.wait()
        try:
            runner = (await self.parts()).runner
        except ToolhoneError as exc:
            # What is configured wrong for training must not keep tools from being served.
            logger.warning("Fine-tuning jobs are not run: %s", exc.message)
        else:
            await runner.run()

    async def _drop_old(self) -> None:
        await anyio.sleep(SETTLING_SECONDS)
        while True:
            if (self._settings.data / SNAPSHOTS_FILE).exists() and self._settings.snapshot_days:
                try:
                    await (await self.parts()).retention.prune(caller=LOCAL_CALLER)
                except ToolhoneError as exc:
                    logger.warning("Old snapshots could not be dropped: %s", exc.message)
            await anyio.sleep(PRUNING_SECONDS)

    def _taken(self) -> bool:
        return any(mode != OFF for mode in self._settings.snapshots.values())

    def _mode(self, category: Category) -> str:
        modes = self._settings.snapshots
        return modes.get(category.value, modes.get("*", OFF))

    async def _collect(self, snapshots: Sequence[NewSnapshot], *, caller: Caller) -> object:
        return await (await self.parts()).collector.collect(snapshots, caller=caller)
