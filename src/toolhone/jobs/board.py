"""What people and agents do with jobs: create, approve, cancel, retry, look, watch. Runs none of them."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar

import anyio
import anyio.to_thread

from toolhone.events import new_event
from toolhone.exceptions import BudgetExceededError, ConflictError
from toolhone.jobs.planning import Clock, check_dataset, now_utc, over_budget, timestamp
from toolhone.jobs.run_again import AFRESH, GOING_ON_AGAIN
from toolhone.models import AuditEvent, Caller, Category, EventKind, Json, JsonObject
from toolhone.records.course import JobCourse
from toolhone.records.datasets import Manifest
from toolhone.records.jobs import FINAL, Job, JobEvent, JobStatus, Plan
from toolhone.records.stores import JobStore

Record = Callable[[AuditEvent], Awaitable[None]]

StopLeftover = Callable[[Job], Awaitable[str]]
"""Returns what came of it, in a sentence."""

T = TypeVar("T")

GOING_ON = tuple(status for status in JobStatus if not status.final)
RETRIED = tuple(FINAL - {JobStatus.SUCCEEDED})

LOOK_SECONDS = 0.5
"""Between two looks of who watches a job that another process may run."""


class Board:
    """The jobs of a data folder, for whichever process."""

    def __init__(
        self,
        open_jobs: Callable[[], JobStore],
        *,
        record: Record,
        manifest: Callable[[str], Manifest],
        stop_leftover: StopLeftover,
        wake: Callable[[], None] = lambda: None,
        now: Clock = now_utc,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """Take what the jobs rest on.

        Args:
            open_jobs: Returns the store; called in worker threads.
            record: Writes into the audit log.
            manifest: The manifest of a dataset, by its id; blocks.
            stop_leftover: Asks the provider to stop what it may still have of a job that needs attention.
            wake: Tells the runner of this process that there may be something to run.
        """
        self._open_jobs = open_jobs
        self._record = record
        self._manifest = manifest
        self._stop_leftover = stop_leftover
        self._wake = wake
        self._now = now
        self._look_seconds = look_seconds

    async def create(self, plan_id: str, *, caller: Caller) -> Job:
        """The job of this plan: free work starts at once, other work waits to be approved.

        A plan has one job. To create it again, or twice at once, returns that one.

        Raises:
            NotFoundError: There is no such plan.
            ConflictError: It has expired, or its dataset is not what it was.
        """
        now = self._now()

        def create() -> tuple[Job, bool]:
            store = self._open_jobs()
            plan = store.plan(plan_id)
            job = _job_of(plan, caller, now)
            # A plan that has its job already is not asked whether it is still good.
            if not (found := self._existing(store, plan)):
                self._check_plan(plan, now)
                found = store.create(job)
            return found, found.job_id == job.job_id

        job, fresh = await anyio.to_thread.run_sync(create)
        if fresh:
            await self._audit(caller, "created", job, plan_id=plan_id)
            self._wake()
        return job

    async def approve(self, job_id: str, *, caller: Caller) -> Job:
        """Let a job begin that waits for it.

        Raises:
            ConflictError: It does not wait for approval, or its plan has expired.
            BudgetExceededError: The category's budget has not that much left.
        """
        now = self._now()

        def approve() -> tuple[Job, bool]:
            store = self._open_jobs()
            job = store.job(job_id)
            if job.status is not JobStatus.AWAITING_APPROVAL:
                raise ConflictError(
                    f"The job {job_id!r} does not wait for approval: it is {job.status.value}."
                )
            plan = store.plan(job.plan_id)
            self._check_plan(plan, now)
            limit, reserved, spent = store.budget(job.category)
            bound = plan.estimate.upper_bound_usd
            if limit is not None and reserved + spent + bound > limit:
                raise over_budget(job.category, bound, limit, reserved, spent)
            changed = store.update(
                job_id,
                {"status": JobStatus.QUEUED, "approved_by": caller.principal},
                at=timestamp(now),
                event=("status", f"Approved by {caller.principal}, up to ${bound:,.2f}.", {}),
                only_from=[JobStatus.AWAITING_APPROVAL],
            )
            return changed or store.job(job_id), changed is not None

        job, took_effect = await anyio.to_thread.run_sync(approve)
        if took_effect:  # of two at once, one does
            await self._audit(caller, "approved", job, approved_by=job.approved_by)
            self._wake()
        return job

    async def cancel(self, job_id: str, *, caller: Caller) -> Job:
        """Stop a job. One that has not begun is cancelled at once; else its runner stops the provider first.

        One that needs attention has no runner any more: the provider is asked here, and it ends whatever
        the provider says.

        Raises:
            NotFoundError: There is none of this id.
            ConflictError: It is over.
        """
        job = await self.job(job_id)
        if job.status is JobStatus.NEEDS_ATTENTION and (given_up := await self._abandon(job, caller)):
            return given_up
        at = timestamp(self._now())

        def cancel() -> Job:
            store = self._open_jobs()
            job = store.job(job_id)
            if job.status.final:
                raise ConflictError(f"The job {job_id!r} is over already: {job.status.value}.")
            if job.cancel_requested:
                return job
            if store.submission(job_id, job.attempt) is None:
                # A job leaves `queued` before its provider is asked, so of these nothing has begun.
                changed = store.update(
                    job_id,
                    {"status": JobStatus.CANCELLED, "cancel_requested": True, "finished_at": at},
                    at=at,
                    event=("status", f"Cancelled by {caller.principal} before it began.", {}),
                    only_from=[JobStatus.AWAITING_APPROVAL, JobStatus.QUEUED],
                )
                if changed is not None:
                    return changed
            changed = store.update(
                job_id,
                {"cancel_requested": True},
                at=at,
                event=("message", f"{caller.principal} asked to cancel it.", {}),
                only_from=GOING_ON,
            )
            return changed or store.job(job_id)

        job = await anyio.to_thread.run_sync(cancel)
        await self._audit(caller, "cancel asked for", job)
        self._wake()
        return job

    async def retry(self, job_id: str, *, caller: Caller) -> Job:
        """Run a job again that ended without success, by the same plan.

        A new attempt is to be approved anew if it costs. One that needs attention goes on where it stopped:
        a training that the provider may have is looked for and taken on, not paid again.

        Raises:
            ConflictError: It goes on, or has succeeded, or its plan has expired.
        """
        now = self._now()

        def retry() -> tuple[Job, bool]:
            store = self._open_jobs()
            job = store.job(job_id)
            if job.status not in RETRIED:
                raise ConflictError(f"The job {job_id!r} cannot be run again: it is {job.status.value}.")
            plan = store.plan(job.plan_id)
            goes_on = job.status is JobStatus.NEEDS_ATTENTION and store.submission(job_id, job.attempt)
            if goes_on:
                changes: JsonObject = {**GOING_ON_AGAIN, "status": JobStatus.QUEUED}
                said = f"Goes on, {caller.principal} said."
            else:
                self._check_plan(plan, now)
                status = JobStatus.AWAITING_APPROVAL if plan.needs_approval else JobStatus.QUEUED
                changes = {**AFRESH, "status": status, "attempt": job.attempt + 1}
                said = f"Run again by {caller.principal}: attempt {job.attempt + 1}."
            changed = store.update(
                job_id,
                changes,
                at=timestamp(now),
                event=("status", said, {"attempt": changes.get("attempt", job.attempt)}),
                only_from=[job.status],
            )
            return changed or store.job(job_id), changed is not None

        job, took_effect = await anyio.to_thread.run_sync(retry)
        if took_effect:
            await self._audit(caller, "retried", job, attempt=job.attempt)
            self._wake()
        return job

    async def job(self, job_id: str) -> Job:
        """Raises NotFoundError if there is none of this id."""
        return await self._read(lambda store: store.job(job_id))

    async def jobs(
        self,
        *,
        category: Category | None = None,
        status: Sequence[JobStatus] | None = None,
        limit: int | None = 50,
    ) -> list[Job]:
        """The newest first."""
        return await self._read(lambda store: store.jobs(category=category, status=status, limit=limit))

    def job_now(self, job_id: str) -> Job:
        """The job; blocks."""
        return self._open_jobs().job(job_id)

    def spent_now(self) -> float:
        """What all attempts of all jobs, and comparisons of models, have cost; blocks."""
        return self._open_jobs().spent()

    def jobs_now(self, *, category: Category | None = None, limit: int | None = 50) -> list[Job]:
        """The newest first; blocks."""
        return self._open_jobs().jobs(category=category, limit=limit)

    async def plan(self, plan_id: str) -> Plan:
        """Raises NotFoundError if there is none of this id."""
        return await self._read(lambda store: store.plan(plan_id))

    async def events(self, job_id: str, *, after: int = 0, limit: int | None = None) -> list[JobEvent]:
        """What happened to a job, oldest first.

        Raises:
            NotFoundError: There is none of this id.
        """

        def events(store: JobStore) -> list[JobEvent]:
            store.job(job_id)
            return store.events(job_id, after=after, limit=limit)

        return await self._read(events)

    async def course(self, job_id: str, *, said: int, points: int) -> JobCourse:
        """What was said of a job last, and the figures of the attempt that runs.

        Raises:
            NotFoundError: There is none of this id.
        """
        return await self._read(
            lambda store: store.course(job_id, attempt=store.job(job_id).attempt, said=said, points=points)
        )

    async def watch(self, job_id: str) -> AsyncIterator[Job]:
        """The job now, and again after each change, until it is over.

        Raises:
            NotFoundError: There is none of this id.
        """
        seen: Job | None = None
        while True:
            job = await self.job(job_id)
            if job != seen:
                yield job
            if job.status.final:
                return
            seen = job
            # Another process may run it, so the row is looked at; it is one look-up by a key.
            await anyio.sleep(self._look_seconds)

    async def budget(self, category: Category) -> tuple[float | None, float, float]:
        """The limit in USD (`None`: none was set), what is reserved, and what is spent."""
        return await self._read(lambda store: store.budget(category))

    async def set_budget(self, category: Category, limit_usd: float | None, *, caller: Caller) -> None:
        """Limit what all trainings of a category may cost together; `None` takes the limit away.

        Raises:
            BudgetExceededError: The limit is less than nothing.
        """
        if limit_usd is not None and not 0 <= limit_usd < float("inf"):
            raise BudgetExceededError(f"A budget of {limit_usd!r} USD is no budget; name 0 or more.")
        at = timestamp(self._now())
        await self._read(lambda store: store.set_budget(category, limit_usd, at=at))
        payload: JsonObject = {"what": "budget set", "category": category.value, "limit_usd": limit_usd}
        await self._record(new_event(EventKind.JOB, caller, success=True, payload=payload))

    async def _abandon(self, job: Job, caller: Caller) -> Job | None:
        """End a job that needs attention; `None` if somebody let it go on meanwhile."""
        message = f"Cancelled by {caller.principal}. {await self._stop_leftover(job)}"
        at = timestamp(self._now())
        changes: JsonObject = {
            "status": JobStatus.CANCELLED,
            "cancel_requested": True,
            "finished_at": at,
            "error_code": None,
            "error": message,
        }
        event = ("status", message, {"status": JobStatus.CANCELLED.value})
        changed = await self._read(
            lambda store: store.update(
                job.job_id, changes, at=at, event=event, only_from=[JobStatus.NEEDS_ATTENTION]
            )
        )
        if changed is not None:
            await self._audit(caller, "cancelled", changed, why=message)
        return changed

    def _existing(self, store: JobStore, plan: Plan) -> Job | None:
        of_category = store.jobs(category=plan.config.category, limit=None)
        return next((job for job in of_category if job.plan_id == plan.plan_id), None)

    def _check_plan(self, plan: Plan, now: datetime) -> None:
        if timestamp(now) >= plan.expires_at:
            raise ConflictError(
                f"The plan {plan.plan_id!r} expired at {plan.expires_at[:16]} UTC. Estimate anew."
            )
        manifest = self._manifest(plan.dataset_id)
        check_dataset(plan.config, manifest)
        if manifest.content_hash != plan.dataset_hash:
            raise ConflictError(
                f"The dataset {plan.dataset_id!r} is not the one that the plan {plan.plan_id!r} was made "
                "for. Estimate anew."
            )

    async def _read(self, work: Callable[[JobStore], T]) -> T:
        return await anyio.to_thread.run_sync(lambda: work(self._open_jobs()))

    async def _audit(self, caller: Caller, what: str, job: Job, **more: Json) -> None:
        await self._record(job_event(caller, what, job, **more))


def job_event(caller: Caller, what: str, job: Job, **more: Json) -> AuditEvent:
    """An audit event about a job."""
    payload: JsonObject = {
        "what": what,
        "job_id": job.job_id,
        "category": job.category.value,
        "provider": job.provider.value,
        "dataset_id": job.dataset_id,
        "status": job.status.value,
        **more,
    }
    return new_event(
        EventKind.JOB,
        caller,
        success=job.status not in FINAL - {JobStatus.SUCCEEDED, JobStatus.CANCELLED},
        error_code=job.error_code,
        payload=payload,
    )


def _job_of(plan: Plan, caller: Caller, now: datetime) -> Job:
    at = timestamp(now)
    return Job(
        # The seed's form; the end keeps two of one second apart.
        job_id=f"finetune_{plan.config.category.value}_{now:%Y%m%d_%H%M%S}_{secrets.token_hex(3)}",
        plan_id=plan.plan_id,
        category=plan.config.category,
        provider=plan.config.provider,
        dataset_id=plan.dataset_id,
        config=plan.config,
        status=JobStatus.AWAITING_APPROVAL if plan.needs_approval else JobStatus.QUEUED,
        created_at=at,
        updated_at=at,
        created_by=caller.principal,
        steps=plan.estimate.steps,
    )
