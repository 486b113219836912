"""The library face: collect work, prepare datasets, fine-tune, watch.

Names are those of the code that gave the idea:

    system = get_finetuning_system()
    await system.collect_performance_snapshot(agent_id="scanner_v2", …)
    dataset = await system.prepare_dataset(category=AgentCategory.CORE_SECURITY)
    job = await system.create_finetuning_job(category=AgentCategory.CORE_SECURITY, config=config)
    system.get_job_status(job.job_id)

It is a thin face over `toolhone.operations`, with the same data folder as the server. A job that may run is
run by a toolhone that serves this data folder; if there is none, a process is started that works until no job
is left (`toolhone jobs work`). So it goes on when this program ends.
"""

import functools
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass

import anyio.lowlevel
import anyio.to_thread
from pydantic import ValidationError

from toolhone.assembly import audit_log
from toolhone.exceptions import InvalidRequestError
from toolhone.finetuning_parts import FinetuningParts, build_finetuning
from toolhone.jobs.worker import ensure_worker
from toolhone.models import LOCAL_CALLER, Caller, Json, JsonObject
from toolhone.models import Category as AgentCategory
from toolhone.records.datasets import DatasetRequest, Manifest, Row, Split
from toolhone.records.jobs import AliasChange, FinetuningConfig, FinetuningProvider, Job, JobStatus, Plan
from toolhone.settings import Settings, load_settings
from toolhone.training.model_comparison import ModelComparison

__all__ = [
    "AgentCategory",
    "FinetuningConfig",
    "FinetuningDataset",
    "FinetuningJob",
    "FinetuningProvider",
    "FinetuningSystem",
    "get_finetuning_system",
]

COMPLETED = "completed"
"""What a job that succeeded is called here; everywhere else it is `succeeded`."""


@dataclass(frozen=True, slots=True)
class FinetuningDataset:
    """A dataset, with its rows in memory."""

    dataset_id: str
    category: AgentCategory
    created_at: str
    train_split: list[Row]
    val_split: list[Row]
    test_split: list[Row]
    statistics: JsonObject
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class FinetuningJob:
    """How a fine-tuning goes, at the moment it was asked for."""

    job: Job
    """All that is known."""

    @property
    def job_id(self) -> str:
        return self.job.job_id

    @property
    def category(self) -> AgentCategory:
        return self.job.category

    @property
    def config(self) -> FinetuningConfig:
        return self.job.config

    @property
    def status(self) -> str:
        """`completed` if it succeeded, else the state's own name."""
        return COMPLETED if self.job.status is JobStatus.SUCCEEDED else self.job.status.value

    @property
    def current_epoch(self) -> int:
        """Epochs that are done."""
        return math.floor(self.job.epoch or 0)

    @property
    def training_loss(self) -> float:
        """The last one; not a number until there is one."""
        return math.nan if self.job.training_loss is None else self.job.training_loss

    @property
    def validation_accuracy(self) -> float:
        """Mean score of the answers to held-out requests; not a number until they were given."""
        return math.nan if self.job.validation_score is None else self.job.validation_score

    @property
    def cost_usd(self) -> float:
        return self.job.cost_usd

    @property
    def finetuned_model_id(self) -> str | None:
        return self.job.model_id

    @property
    def error_message(self) -> str | None:
        return self.job.error


class FinetuningSystem:
    """Learning from agents' work, over one data folder."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        *,
        caller: Caller = LOCAL_CALLER,
        run_jobs: bool = True,
    ) -> None:
        """Open nothing yet.

        Args:
            run_jobs: Whether a process may be started for jobs that nobody runs.
        """
        self._settings = settings
        self._environ = environ
        self._caller = caller
        self._run_jobs = run_jobs
        self._parts: tuple[object, FinetuningParts] | None = None

    async def collect_performance_snapshot(self, **fields: Json) -> str:
        """Keep what an agent did, redacted; returns the snapshot's id.

        Args:
            fields: Those of `toolhone.records.snapshots.NewSnapshot`.

        Raises:
            InvalidRequestError: A field is missing or not valid; the message names it.
        """
        (snapshot_id,) = await self._here().system.collect([fields], caller=self._caller)
        return snapshot_id

    async def prepare_dataset(
        self,
        category: AgentCategory,
        min_samples: int = 100,
        max_samples: int = 10_000,
        quality_threshold: float = 0.7,
        time_range_days: int = 30,
    ) -> FinetuningDataset:
        """Make an immutable dataset of a category's snapshots.

        Raises:
            InsufficientDataError: "Insufficient data for category: found 50, need 100".
            InvalidRequestError: A value is out of its range; the message names it.
        """
        try:
            request = DatasetRequest(
                category=category,
                min_samples=min_samples,
                max_samples=max_samples,
                quality_threshold=quality_threshold,
                time_range_days=time_range_days,
            )
        except ValidationError as exc:
            problems = "; ".join(
                f"{'.'.join(map(str, error['loc']))} is {error['input']!r}: {error['msg']}"
                for error in exc.errors()
            )
            raise InvalidRequestError(f"No dataset can be prepared so: {problems}.") from exc
        parts = self._here()
        manifest = await parts.system.prepare_dataset(request, caller=self._caller)

        def rows(split: Split) -> list[Row]:
            return list(parts.stores.datasets().rows(manifest.dataset_id, split))

        train, validation, test = [await anyio.to_thread.run_sync(rows, split) for split in Split]
        return FinetuningDataset(
            dataset_id=manifest.dataset_id,
            category=manifest.category,
            created_at=manifest.created_at,
            train_split=train,
            val_split=validation,
            test_split=test,
            statistics=manifest.statistics,
            manifest=manifest,
        )

    async def estimate_finetuning(
        self, config: FinetuningConfig, dataset: FinetuningDataset | None = None
    ) -> Plan:
        """What a training will take; nothing is spent."""
        return await self._here().system.estimate(config, dataset_id=_id_of(dataset), caller=self._caller)

    async def create_finetuning_job(
        self,
        category: AgentCategory | None = None,
        config: FinetuningConfig | None = None,
        dataset: FinetuningDataset | None = None,
        *,
        plan_id: str | None = None,
    ) -> FinetuningJob:
        """Run a plan, or make one of a configuration and run it.

        Free work starts at once. Work that costs money waits for `approve_finetuning_job`.

        Raises:
            InvalidRequestError: The configuration is for another category, or nothing can be planned.
        """
        if config is not None and category is not None and config.category is not category:
            raise InvalidRequestError(
                f"The job is for {category.value!r}, its configuration for {config.category.value!r}; "
                "name one category in both."
            )
        parts = self._here()
        job = await parts.system.create_job(
            plan_id=plan_id, config=config, dataset_id=_id_of(dataset), caller=self._caller
        )
        await self._get_going(job)
        return FinetuningJob(job)

    async def approve_finetuning_job(self, job_id: str) -> FinetuningJob:
        """Let a job begin that costs money."""
        job = await self._here().system.approve_job(job_id, caller=self._caller)
        await self._get_going(job)
        return FinetuningJob(job)

    async def cancel_finetuning_job(self, job_id: str) -> FinetuningJob:
        """Stop a job and its spending."""
        return FinetuningJob(await self._here().system.cancel_job(job_id, caller=self._caller))

    async def wait_for_job(self, job_id: str) -> FinetuningJob:
        """The job once it is over."""
        parts = self._here()
        async for job in parts.system.watch(job_id, caller=self._caller):
            if job.status.final:
                break
        return FinetuningJob(await parts.system.job(job_id, caller=self._caller))

    def get_job_status(self, job_id: str) -> FinetuningJob:
        """How a job goes. Not a coroutine: it reads one row.

        Raises:
            InvalidRequestError: There is none of this id.
        """
        return FinetuningJob(self._any().board.job_now(job_id))

    def get_category_jobs(self, category: AgentCategory) -> list[FinetuningJob]:
        """All jobs of a category, the newest first. Not a coroutine either."""
        return [FinetuningJob(job) for job in self._any().board.jobs_now(category=category, limit=None)]

    def get_system_statistics(self) -> JsonObject:
        """total_snapshots, datasets_prepared, active_jobs, completed_jobs, failed_jobs, total_cost_usd, …"""
        return self._any().system.statistics_now()

    async def compare_models(
        self,
        a: str,
        b: str,
        dataset: FinetuningDataset | str | None = None,
        *,
        max_cost_usd: float = 0.0,
    ) -> ModelComparison:
        """Let two models answer the test rows of a dataset.

        Raises:
            BudgetExceededError: The answers may cost more than `max_cost_usd`; the message says how much.
        """
        dataset_id = dataset if isinstance(dataset, str) else _id_of(dataset)
        return await self._here().system.compare(
            a, b, dataset_id=dataset_id, at_most_usd=max_cost_usd, caller=self._caller
        )

    async def set_model_alias(
        self, category: AgentCategory, alias: str, model: str, *, override: str | None = None
    ) -> AliasChange:
        """Let an alias stand for a model that passed its gate."""
        return await self._here().system.set_alias(
            category, alias, model, override=override, caller=self._caller
        )

    async def rollback_model_alias(self, category: AgentCategory, alias: str) -> AliasChange:
        """Let an alias stand again for what it stood for before."""
        return await self._here().system.rollback_alias(category, alias, caller=self._caller)

    async def aclose(self) -> None:
        """Let go of files. Jobs go on."""
        if self._parts is not None:
            await self._parts[1].aclose()
            self._parts = None

    async def _get_going(self, job: Job) -> None:
        if self._run_jobs and not job.status.final and job.status is not JobStatus.AWAITING_APPROVAL:
            await ensure_worker(self._settings.data, self._environ)

    def _here(self) -> FinetuningParts:
        """The services, for the event loop that runs; another loop gets its own."""
        loop = anyio.lowlevel.current_token()
        if self._parts is None or self._parts[0] not in {None, loop}:
            self._parts = (loop, self._build())
        else:
            self._parts = (loop, self._parts[1])
        return self._parts[1]

    def _any(self) -> FinetuningParts:
        """The services, for what needs no event loop."""
        if self._parts is None:
            self._parts = (None, self._build())
        return self._parts[1]

    def _build(self) -> FinetuningParts:
        return build_finetuning(self._settings, self._environ, audit_log(self._settings))


def _id_of(dataset: FinetuningDataset | None) -> str | None:
    return None if dataset is None else dataset.dataset_id


@functools.cache
def get_finetuning_system() -> FinetuningSystem:
    """The system of this process, over the data folder that its settings name.

    Raises:
        ConfigurationError: A setting is not valid.
    """
    return FinetuningSystem(load_settings(os.environ), os.environ)
