"""The process of a data folder that runs its jobs: whoever holds the lock, for as long as there are any."""

import logging
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import anyio
import anyio.abc
import anyio.to_thread

from toolhone.exceptions import StorageError
from toolhone.jobs.engine import Engine, OpenEngine, open_engine
from toolhone.jobs.lock import JobsLock
from toolhone.jobs.steps import STEPS, FinetuningSteps, key_of
from toolhone.records.jobs import FinetuningProvider, Job, JobStatus
from toolhone.records.stores import JobStore

logger = logging.getLogger(__name__)

RUNNABLE = tuple(
    status for status in JobStatus if not status.final and status is not JobStatus.AWAITING_APPROVAL
)

HERE = frozenset({FinetuningProvider.LOCAL, FinetuningProvider.SELECTOR})
"""Providers that train on this machine: two trainings at once would both be slower than in turn."""

AT_ONCE_ELSEWHERE = 8

LOOK_SECONDS = 1.0
"""Between two looks for jobs that another process created."""

IDLE_SECONDS = 10.0
"""How long the engine stays when no job is left: stopping and starting it again takes a second each."""

LOST_MOST = 3
"""So often an attempt is begun anew that ended without saying how."""

LOST = (
    f"The job was begun {LOST_MOST} times and its steps ended without a word; the log of the process "
    "that ran it may say why. Run it again with: toolhone jobs retry"
)


class Runner:
    """Runs the jobs of a data folder, if no other process does."""

    def __init__(
        self,
        steps: FinetuningSteps,
        open_jobs: Callable[[], JobStore],
        folder: Path,
        *,
        engine: OpenEngine = open_engine,
        look_seconds: float = LOOK_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        """Take what is run.

        Args:
            open_jobs: The store of jobs; called in worker threads.
            folder: The data folder.
            engine: Opens what remembers the steps.
        """
        self._open_engine = engine
        self._steps = steps
        self._open_jobs = open_jobs
        self._folder = folder
        self._look_seconds = look_seconds
        self._idle_seconds = idle_seconds
        self._lock = JobsLock(folder)
        self._woken = anyio.Event()
        self._active: dict[str, FinetuningProvider] = {}
        self.working = False
        """Whether it is this process that runs the jobs now."""

    def wake(self) -> None:
        """There may be something to run. Only for the event loop that runs this."""
        self._woken.set()

    def taken(self) -> bool:
        """Whether a process, this one too, runs the jobs of the folder now; blocks."""
        return self._lock.taken()

    async def run(self, *, until_idle: bool = False) -> None:
        """Run jobs as they come, until cancelled.

        Costs next to nothing while there are none: no file is made, and the engine is not imported.

        Args:
            until_idle: Return when no job is left that can run, whoever runs it.
        """
        while True:
            try:
                found = await self._runnable()
                if found and await anyio.to_thread.run_sync(self._lock.acquire):
                    try:
                        await self._work(idle_seconds=0 if until_idle else self._idle_seconds)
                    finally:
                        self._lock.release()
                elif until_idle and not found:
                    return
            except StorageError as exc:
                logger.warning("Jobs are not run now: %s", exc.message)
            await self._wait()

    async def _work(self, *, idle_seconds: float) -> None:
        """Run what is there and what comes, until there was nothing for a while."""
        self.working = True
        try:
            await self._steps.forget()  # of attempts that were cut off
            async with (
                self._open_engine(self._folder, STEPS, self._steps.run) as engine,
                anyio.create_task_group() as tasks,
            ):
                idle_since = anyio.current_time()
                while True:
                    await self._start(engine, tasks)
                    now = anyio.current_time()
                    if self._active:
                        idle_since = now
                    elif now - idle_since >= idle_seconds:
                        return
                    await self._wait()
        finally:
            self.working = False
            self._active.clear()

    async def _start(self, engine: Engine, tasks: anyio.abc.TaskGroup) -> None:
        """Start the oldest jobs for which there is a place."""
        try:
            runnable = await self._runnable()
        except StorageError as exc:
            logger.warning("New jobs are not seen now: %s", exc.message)
            return
        for job in reversed(runnable):
            if job.job_id not in self._active and self._has_place(job.provider):
                self._active[job.job_id] = job.provider
                tasks.start_soon(self._drive, engine, job)

    def _has_place(self, provider: FinetuningProvider) -> bool:
        here = sum(one in HERE for one in self._active.values())
        return here == 0 if provider in HERE else len(self._active) - here < AT_ONCE_ELSEWHERE

    async def _drive(self, engine: Engine, job: Job) -> None:
        """Run one attempt until its row says how it ended."""
        lost = 0
        try:
            for run in count(1):
                began_here = await engine.run(key_of(job, run))
                now = await anyio.to_thread.run_sync(lambda: self._open_jobs().job(job.job_id))
                if now.status not in RUNNABLE or now.attempt != job.attempt:
                    return
                lost += began_here
                if lost >= LOST_MOST:
                    await self._steps.give_up(job.job_id, LOST)
                    return
        except Exception:  # one job's trouble with the engine must not end the others
            logger.exception("The job %s could not be run now; it is tried again", job.job_id)
            await anyio.sleep(self._look_seconds)
        finally:
            self._active.pop(job.job_id, None)
            self._woken.set()

    async def _runnable(self) -> Sequence[Job]:
        """The newest first."""
        return await anyio.to_thread.run_sync(lambda: self._open_jobs().jobs(status=RUNNABLE, limit=None))

    async def _wait(self) -> None:
        with anyio.move_on_after(self._look_seconds):
            await self._woken.wait()
        self._woken = anyio.Event()
