"""The steps of a job, in their order. Each may be run again after a crash without paying again."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import anyio
import anyio.to_thread

from toolhone.exceptions import (
    BudgetExceededError,
    ConflictError,
    NotRunningError,
    StorageError,
    ToolhoneError,
)
from toolhone.jobs.attempt import Attempt, AttemptOver, Pauses, through_a_full_disk
from toolhone.jobs.board import GOING_ON, Record, job_event
from toolhone.jobs.following import follow
from toolhone.jobs.judging import Judge, KeepModel, TestRows, artifact_of, collect, evaluate, finish
from toolhone.jobs.leftovers import stop_leftover
from toolhone.jobs.planning import (
    Clock,
    JudgingUsd,
    check_cap,
    check_dataset,
    estimated,
    now_utc,
    over_budget,
    provider_of,
    timestamp,
)
from toolhone.jobs.submitting import submit
from toolhone.models import Caller, JsonObject
from toolhone.records.datasets import Manifest
from toolhone.records.jobs import FinetuningProvider, Job, JobStatus, Plan, Submission
from toolhone.records.stores import JobStore
from toolhone.training.providers.provider import Provider, TrainingRequest

logger = logging.getLogger(__name__)

OVER: JsonObject = {"over": True}
"""What a step returns after which there is no other."""

Done = Mapping[str, JsonObject]
"""What the earlier steps returned, by their names."""

Step = Callable[[Attempt, Done], Awaitable[JsonObject]]

STEPS = ("check", "reserve", "submit", "follow", "collect", "evaluate", "finish")


class FinetuningSteps:
    """Does the steps of jobs, by the rows of the store."""

    def __init__(
        self,
        *,
        open_jobs: Callable[[], JobStore],
        providers: Mapping[FinetuningProvider, Provider],
        manifest: Callable[[str], Manifest],
        folder: Callable[[str], Path],
        test_rows: TestRows,
        judge: Judge,
        keep_model: KeepModel,
        record: Record,
        runs: Path,
        usd_per_hour: float = 0.0,
        judging_usd: JudgingUsd | None = None,
        forget: Callable[[str | None], None] = lambda dataset_id: None,
        now: Clock = now_utc,
        pauses: Pauses | None = None,
    ) -> None:
        """Take what the steps rest on. All callables that are not awaitable block, and run in worker threads.

        Args:
            manifest: The manifest of a dataset.
            folder: The folder of a dataset, its files checked.
            test_rows: The held-out rows of a dataset.
            judge: Decides by the answers of base and tuned model.
            keep_model: Keeps what is known of a model; the same one again is harmless.
            runs: Where each job has its folder.
            judging_usd: What scoring costs, as `Planner` takes it.
            forget: Deletes the copies of rows of this dataset, or of all, that are revoked.
        """
        self._open_jobs = open_jobs
        self._providers = providers
        self._manifest = manifest
        self._folder = folder
        self._test_rows = test_rows
        self._judge = judge
        self._keep_model = keep_model
        self._record = record
        self._runs = runs
        self._usd_per_hour = usd_per_hour
        self._judging_usd = judging_usd
        self._forget = forget
        self._now = now
        self.pauses = pauses or Pauses()
        self._locks: dict[str, anyio.Lock] = {}

    async def run(self, name: str, key: str, done: Mapping[str, JsonObject]) -> JsonObject:
        """Do one step of one attempt, given what the earlier ones returned.

        Args:
            key: The attempt, as `key_of` writes it.
        """
        job_id, number, _ = key.rsplit(".", 2)
        # A run that the engine lost and finds again must not work beside its successor.
        async with self._locks.setdefault(job_id, anyio.Lock()):
            try:
                attempt = await self._attempt(job_id, int(number), done)
                return await self._step(name)(attempt, done)
            except AttemptOver:
                pass
            except NotRunningError:
                raise  # we are being stopped; the next process goes on
            except Exception as exc:  # a job ends here: whatever it was, its row must say so
                await self._broken(job_id, name, exc)
            await self.forget(job_id)
            return OVER

    async def forget(self, job_id: str | None = None) -> None:
        """Delete what a job, or any, kept of rows that were revoked while it still wrote answers to them."""

        def work() -> None:
            self._forget(None if job_id is None else self._open_jobs().job(job_id).dataset_id)

        try:
            await anyio.to_thread.run_sync(work)
        except ToolhoneError as exc:
            logger.warning("%s It is tried again when a process begins to run jobs.", exc.message)

    def _step(self, name: str) -> Step:
        steps: dict[str, Step] = {
            "check": self._check,
            "reserve": self._reserve,
            "submit": self._submit,
            "follow": self._follow,
            "collect": self._collect,
            "evaluate": self._evaluate,
            "finish": self._finish,
        }
        return steps[name]

    async def _check(self, attempt: Attempt, done: Done) -> JsonObject:
        """Nothing is sent or paid for that is not what was planned."""
        job = await attempt.look()
        begun = await attempt.keep(lambda store: store.submission(job.job_id, job.attempt))
        if job.cancel_requested and begun is None:
            await attempt.end(JobStatus.CANCELLED, "Cancelled before anything was sent.", spent=0)
        if job.status is JobStatus.QUEUED or job.started_at is None:
            changes: JsonObject = {
                "status": JobStatus.VALIDATING_FILES,
                "started_at": timestamp(attempt.now()),
            }
            await attempt.change(changes, ("status", "Begun.", {"status": JobStatus.VALIDATING_FILES.value}))
        if begun is not None:
            # What was sent is taken up again whatever became of the dataset since: it may have to be stopped.
            return {"folder": await self._folder_if_there(job.dataset_id)}
        return {"folder": await self._as_planned(attempt)}

    async def _as_planned(self, attempt: Attempt) -> str:
        """The folder of the dataset, if all is as it was planned."""
        job, plan = attempt.job, attempt.plan
        manifest = await attempt.keep(lambda _store: self._manifest(job.dataset_id))
        check_dataset(job.config, manifest)
        if manifest.content_hash != plan.dataset_hash:
            raise ConflictError(
                f"The dataset {job.dataset_id!r} was changed after the plan {plan.plan_id!r}. Estimate anew."
            )
        folder = await attempt.keep(lambda _store: self._folder(job.dataset_id))
        estimate = await attempt.patiently(
            lambda: estimated(
                attempt.provider,
                job.config,
                manifest,
                folder,
                usd_per_hour=self._usd_per_hour,
                judging_usd=self._judging_usd,
            ),
            "Checking with the provider",
        )
        check_cap(estimate.upper_bound_usd, job.config)
        if estimate.upper_bound_usd > plan.estimate.upper_bound_usd:
            raise BudgetExceededError(
                f"It may cost up to ${estimate.upper_bound_usd:,.2f} by now, and the plan "
                f"{plan.plan_id!r} says ${plan.estimate.upper_bound_usd:,.2f}. Estimate anew."
            )
        return str(folder)

    async def _reserve(self, attempt: Attempt, done: Done) -> JsonObject:
        """Set aside what it may cost, before it costs."""
        job, bound = attempt.job, attempt.plan.estimate.upper_bound_usd
        if bound <= 0:
            return {}
        at = timestamp(attempt.now())
        if not await attempt.keep(lambda store: store.reserve(job.job_id, job.category, bound, at=at)):
            limit, reserved, spent = await attempt.keep(lambda store: store.budget(job.category))
            raise over_budget(job.category, bound, limit or 0.0, reserved, spent)
        return {}

    async def _submit(self, attempt: Attempt, done: Done) -> JsonObject:
        return {"provider_job_id": await submit(attempt, lambda: self._as_planned(attempt))}

    async def _follow(self, attempt: Attempt, done: Done) -> JsonObject:
        await follow(attempt, done["submit"]["provider_job_id"])
        return {}

    async def _collect(self, attempt: Attempt, done: Done) -> JsonObject:
        return await collect(attempt, done["submit"]["provider_job_id"])

    async def _evaluate(self, attempt: Attempt, done: Done) -> JsonObject:
        return await evaluate(attempt, artifact_of(done["collect"]), self._test_rows, self._judge)

    async def _finish(self, attempt: Attempt, done: Done) -> JsonObject:
        await finish(attempt, artifact_of(done["collect"]), done["evaluate"], self._keep_model)
        return OVER

    async def _attempt(self, job_id: str, number: int, done: Done) -> Attempt:
        def read() -> tuple[JobStore, Job, Plan, Manifest]:
            store = self._open_jobs()
            job = store.job(job_id)
            return store, job, store.plan(job.plan_id), self._manifest(job.dataset_id)

        store, job, plan, manifest = await through_a_full_disk(
            lambda: anyio.to_thread.run_sync(read), self.pauses
        )
        if job.status.final or job.status is JobStatus.AWAITING_APPROVAL or job.attempt != number:
            raise AttemptOver
        request = self._request(job, manifest, done["check"]["folder"] if "check" in done else None)
        await through_a_full_disk(
            lambda: anyio.to_thread.run_sync(_make_private, request.workspace), self.pauses
        )
        return Attempt(
            job,
            plan,
            manifest,
            provider_of(self._providers, job.provider),
            request,
            store=store,
            read_manifest=self._manifest,
            record=self._record,
            now=self._now,
            pauses=self.pauses,
        )

    def _request(self, job: Job, manifest: Manifest, folder: str | None = None) -> TrainingRequest:
        workspace = self._runs / job.job_id
        return TrainingRequest(
            job_id=job.job_id,
            key=f"{job.job_id}.{job.attempt}",
            category=job.category,
            config=job.config,
            manifest=manifest,
            dataset=workspace / "no-dataset-yet" if folder is None else Path(folder),
            workspace=workspace,
            usd_per_hour=self._usd_per_hour,
        )

    async def _folder_if_there(self, dataset_id: str) -> str:
        try:
            return str(await anyio.to_thread.run_sync(self._folder, dataset_id))
        except ToolhoneError as exc:
            logger.warning("%s The training goes on with what it was given.", exc.message)
            return str(self._runs / "no-dataset")

    async def stop_leftover(self, job: Job) -> str:
        """Ask the provider to stop what it may still have of a job that needs attention.

        Returns:
            What came of it, in a sentence.
        """

        def read() -> tuple[Submission | None, Manifest]:
            return self._open_jobs().submission(job.job_id, job.attempt), self._manifest(job.dataset_id)

        submission, manifest = await anyio.to_thread.run_sync(read)
        return await stop_leftover(self._providers, self._request(job, manifest), submission)

    async def give_up(self, job_id: str, message: str) -> None:
        """A job needs attention whose steps end without a word, wherever they were."""
        await self._stopped(job_id, "", ToolhoneError.code, message, unseen=True)

    async def _broken(self, job_id: str, step: str, exc: Exception) -> None:
        """The row says why the job cannot go on, and what was reserved is settled.

        After the provider was asked it needs attention, so that a retry goes on from here instead of paying
        anew; before, it has failed.
        """
        if isinstance(exc, ToolhoneError):
            code, message = exc.code, exc.message
        else:
            logger.exception("The step %r of the job %s failed", step, job_id)
            code, message = ToolhoneError.code, f"The step {step!r} failed: {type(exc).__name__}: {exc}."
        # A training that goes on unseen may still cost all that was planned.
        unseen = step in {"check", "reserve", "submit", "follow"}
        await self._stopped(job_id, step, code, message, unseen=unseen)

    async def _stopped(self, job_id: str, step: str, code: str, message: str, *, unseen: bool) -> None:
        at = timestamp(self._now())

        def write() -> Job | None:
            store = self._open_jobs()
            job = store.job(job_id)
            if job.status not in GOING_ON:
                return None
            begun = store.submission(job_id, job.attempt) is not None
            status = JobStatus.NEEDS_ATTENTION if begun or not step else JobStatus.FAILED
            spent = job.cost_usd
            if unseen and begun:
                spent = max(spent, store.plan(job.plan_id).estimate.upper_bound_usd)
            store.settle(job_id, spent, at=at)
            changes: JsonObject = {"status": status, "finished_at": at, "error_code": code, "error": message}
            event = ("status", message, {"status": status.value, "step": step})
            return store.update(job_id, changes, at=at, event=event, only_from=GOING_ON)

        job = await through_a_full_disk(lambda: anyio.to_thread.run_sync(write), self.pauses)
        if job is not None:
            audited = job_event(Caller(principal=job.created_by), "ended", job, outcome=job.status.value)
            await through_a_full_disk(lambda: self._record(audited), self.pauses)


def key_of(job: Job, run: int) -> str:
    """What the engine knows an attempt by; `run` counts the engine's own beginnings of it."""
    return f"{job.job_id}.{job.attempt}.{run}"


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise StorageError(f"{str(folder)!r} cannot be made: {exc.strerror or exc}.") from exc
