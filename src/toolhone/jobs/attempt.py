"""One attempt at one job, as the steps see it: its row, its provider, and how it ends."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn, TypeVar

import anyio
import anyio.to_thread

from toolhone.exceptions import (
    DamagedStorageError,
    NewerStorageError,
    ProviderUnavailableError,
    StorageError,
    ToolhoneError,
)
from toolhone.jobs.board import GOING_ON, Record, job_event
from toolhone.jobs.planning import Clock, revocation, timestamp
from toolhone.models import Caller, JsonObject
from toolhone.records.datasets import Manifest
from toolhone.records.jobs import Job, JobStatus, Plan
from toolhone.records.stores import JobStore
from toolhone.training.providers.provider import Provider, TrainingRequest

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """How long is waited for what, in seconds."""

    look: float = 1.0
    """Between two looks at the row for a request to cancel."""
    dataset: float = 15.0
    """Between two looks at the dataset of a training, which may be revoked meanwhile."""
    poll_here: float = 1.0
    """Between two polls of work on this machine."""
    poll_first: float = 5.0
    """Between two polls of a service, in the first minutes; later `poll_later`."""
    poll_later: float = 30.0
    first_minutes: float = 120.0
    backoff: float = 2.0
    """After the first failure of a provider or the disk; doubled each time, up to `backoff_most`."""
    backoff_most: float = 60.0
    arriving: float = 10.0
    """What a request that was under way when a process died may take to show at the provider."""


class AttemptOver(Exception):
    """The attempt has ended and its row says how; no later step has anything to do."""


class Attempt:
    """One attempt at a job."""

    def __init__(
        self,
        job: Job,
        plan: Plan,
        manifest: Manifest,
        provider: Provider,
        request: TrainingRequest,
        *,
        store: JobStore,
        read_manifest: Callable[[str], Manifest],
        record: Record,
        now: Clock,
        pauses: Pauses,
    ) -> None:
        """Take what the steps work with; `FinetuningSteps` puts it together for each step.

        Args:
            manifest: Of the dataset, as it was when the step began.
            read_manifest: The manifest of a dataset as it is; blocks.
        """
        self.job = job
        self.plan = plan
        self.manifest = manifest
        self.provider = provider
        self.request = request
        self.pauses = pauses
        self._store = store
        self._read_manifest = read_manifest
        self._record = record
        self._now = now

    @property
    def number(self) -> int:
        return self.job.attempt

    def now(self) -> datetime:
        return self._now()

    async def keep(self, work: Callable[[JobStore], T]) -> T:
        """Use the store; a disk that is full or away is waited for, since nothing could be noted anyway."""
        return await through_a_full_disk(
            lambda: anyio.to_thread.run_sync(lambda: work(self._store)), self.pauses
        )

    async def look(self) -> Job:
        """The row as it is now.

        Raises:
            AttemptOver: It has ended, or another attempt has begun.
        """
        job = await self.keep(lambda store: store.job(self.job.job_id))
        if job.attempt != self.number or job.status.final:
            raise AttemptOver
        self.job = job
        return job

    async def revocation(self) -> str | None:
        """Why the dataset must not be used any more, as of now; `None` while it may be."""
        self.manifest = await self.keep(lambda _store: self._read_manifest(self.job.dataset_id))
        return revocation(self.manifest)

    async def change(
        self, changes: Mapping[str, object], event: tuple[str, str, JsonObject] | None = None
    ) -> Job:
        """Change the row and note an event.

        Raises:
            AttemptOver: The row has ended meanwhile.
        """
        at = timestamp(self._now())
        changed = await self.keep(
            lambda store: store.update(self.job.job_id, changes, at=at, event=event, only_from=GOING_ON)
        )
        if changed is None:
            raise AttemptOver
        self.job = changed
        return changed

    async def note(self, message: str, **data: object) -> None:
        """Note an event, nothing else."""
        await self.change({}, ("message", message, dict(data)))

    async def end(
        self,
        status: JobStatus,
        message: str,
        *,
        code: str | None = None,
        spent: float | None = None,
        changes: Mapping[str, object] | None = None,
    ) -> NoReturn:
        """End the attempt: settle its budget, record it, and only then let the row say so.

        In this order a crash in between repeats what is harmless to repeat, and loses nothing.

        Args:
            message: What happened and, unless it is a success, what to do next.
            spent: What it cost; by default what the row says it cost so far.

        Raises:
            AttemptOver: Always.
        """
        at = timestamp(self._now())
        job = self.job
        cost = job.cost_usd if spent is None else spent
        await self.keep(lambda store: store.settle(job.job_id, cost, at=at))
        well = status is JobStatus.SUCCEEDED
        final: dict[str, object] = {
            **(changes or {}),
            "status": status,
            "finished_at": at,
            "cost_usd": cost,
            "error_code": code,
            "error": None if well else message,
        }
        event = job_event(
            Caller(principal=job.created_by), "ended", job, outcome=status.value, cost_usd=cost, why=message
        )
        await through_a_full_disk(lambda: self._record(event), self.pauses)
        await self.change(final, ("status", message, {"status": status.value, "cost_usd": cost}))
        raise AttemptOver

    async def fail(self, error: ToolhoneError, status: JobStatus = JobStatus.FAILED) -> NoReturn:
        """End the attempt by an error.

        Raises:
            AttemptOver: Always.
        """
        await self.end(status, error.message, code=error.code)

    async def patiently(self, work: Callable[[], Awaitable[T]], what: str) -> T:
        """Ask the provider, again and again while it cannot be reached, until the job's hours are over.

        Raises:
            AttemptOver: Its time is over.
            ProviderError: Whatever the provider says that is not about being reached.
        """
        pause = self.pauses.backoff
        told = False
        while True:
            try:
                return await work()
            except ProviderUnavailableError as exc:
                if self.overdue():
                    message = f"{exc.message} It was tried until max_training_hours were over."
                    await self.end(JobStatus.NEEDS_ATTENTION, message, code=exc.code)
                if not told:
                    await self.note(f"{what} does not work now: {exc.message} It is tried again.")
                    told = True
            await anyio.sleep(pause)
            pause = min(self.pauses.backoff_most, pause * 2)

    async def rest(self, seconds: float) -> bool:
        """Wait, but not longer than until somebody wants the job cancelled; whether somebody does.

        Raises:
            AttemptOver: The row has ended.
        """
        deadline = anyio.current_time() + seconds
        while True:
            if (await self.look()).cancel_requested:
                return True
            left = deadline - anyio.current_time()
            if left <= 0:
                return False
            await anyio.sleep(min(left, self.pauses.look))

    async def unless_cancelled(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """Do something that takes long; `None` if somebody wanted the job cancelled meanwhile."""
        done: list[T] = []
        failed: list[Exception] = []
        async with anyio.create_task_group() as tasks:

            async def first(one: Callable[[], Awaitable[None]]) -> None:
                try:
                    await one()
                except Exception as exc:  # raised below as itself; the task group would wrap it
                    failed.append(exc)
                tasks.cancel_scope.cancel()

            async def working() -> None:
                done.append(await work())

            async def watching() -> None:
                while not await self.rest(self.pauses.look):
                    pass

            tasks.start_soon(first, working)
            tasks.start_soon(first, watching)
        if failed:
            raise failed[0]
        return done[0] if done else None

    def overdue(self) -> bool:
        """Whether the job's hours are over."""
        if self.job.started_at is None:
            return False
        took = self._now() - datetime.fromisoformat(self.job.started_at)
        return took.total_seconds() > self.job.config.max_training_hours * 3600

    def workspace(self, name: str) -> Path:
        """A folder of this attempt, made now."""
        folder = self.request.workspace / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder


async def through_a_full_disk(work: Callable[[], Awaitable[T]], pauses: Pauses) -> T:
    """Do what writes to the disk, again until it works. A damaged file is not waited for."""
    pause = pauses.backoff
    while True:
        try:
            return await work()
        except (DamagedStorageError, NewerStorageError):
            raise
        except StorageError as exc:
            logger.warning("%s The job waits for it.", exc.message)
        await anyio.sleep(pause)
        pause = min(pauses.backoff_most, pause * 2)
