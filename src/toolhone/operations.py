"""What toolhone does for learning from work: collect, prepare, plan, train, compare, use, erase.

Every way in comes through here, so that each request is permitted and recorded once, in the same way.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import anyio
import anyio.to_thread

from toolhone.access import require
from toolhone.dataset_choice import DatasetChoice
from toolhone.datasets.checks import Problem
from toolhone.datasets.preparation import Preparation, Progress
from toolhone.exceptions import InvalidRequestError
from toolhone.jobs.board import Board
from toolhone.jobs.comparisons import Comparisons
from toolhone.jobs.planning import Planner
from toolhone.models import Caller, Category, JsonObject
from toolhone.records.course import JobCourse
from toolhone.records.datasets import DatasetRequest, Manifest
from toolhone.records.jobs import (
    AliasChange,
    FinetuningConfig,
    FinetuningProvider,
    Job,
    JobEvent,
    JobStatus,
    ModelRecord,
    Plan,
)
from toolhone.records.snapshots import CategoryCount, NewSnapshot, Snapshot, SnapshotQuery
from toolhone.records.stores import DatasetStore, SnapshotStore
from toolhone.roles import Permission
from toolhone.snapshots.collector import Collector, new_snapshot
from toolhone.snapshots.erasure import Erasing, Erasure
from toolhone.snapshots.retention import Retention
from toolhone.training.model_comparison import ModelComparison
from toolhone.training.model_registry import ModelRegistry
from toolhone.training.providers.provider import Capabilities, Provider
from toolhone.training.selector_alias import SelectorAlias, is_selector
from toolhone.work_answers import statistics_json


class Finetuning:
    """The operations of learning from work, over services that `finetuning_parts` built."""

    def __init__(
        self,
        *,
        snapshots: Callable[[], SnapshotStore],
        datasets: Callable[[], DatasetStore],
        collector: Collector,
        preparation: Preparation,
        erasing: Erasing,
        retention: Retention,
        planner: Planner,
        board: Board,
        registry: ModelRegistry,
        providers: Mapping[FinetuningProvider, Provider],
        comparisons: Comparisons,
        adopt: Callable[[ModelRecord | None], None],
        choice: DatasetChoice,
    ) -> None:
        """Take the services.

        Args:
            snapshots: The store, opened when it is first used; likewise the others.
            adopt: Lets the data folder use an encoder that was trained here; `None` is the one from before.
            choice: Which dataset is meant where none is named.
        """
        self._snapshots = snapshots
        self._datasets = datasets
        self._collector = collector
        self._preparation = preparation
        self._erasing = erasing
        self._retention = retention
        self._planner = planner
        self._board = board
        self._registry = registry
        self._providers = providers
        self._comparisons = comparisons
        self._selector = SelectorAlias(registry, adopt)
        self._choice = choice

    # Snapshots

    async def collect(self, snapshots: Sequence[NewSnapshot | JsonObject], *, caller: Caller) -> list[str]:
        """Keep what agents did, redacted; returns the ids. It is kept when this returns.

        Raises:
            InvalidRequestError: One of them is not valid. None is kept then.
        """
        require(caller, Permission.COLLECT)
        checked = [one if isinstance(one, NewSnapshot) else new_snapshot(one) for one in snapshots]
        return await self._collector.collect(checked, caller=caller)

    async def snapshots(self, query: SnapshotQuery, *, caller: Caller) -> list[Snapshot]:
        """The matching snapshots, as they are kept."""
        require(caller, Permission.READ_WORK)
        return await anyio.to_thread.run_sync(lambda: list(self._snapshots().select(query)))

    async def counts(self, *, caller: Caller) -> list[CategoryCount]:
        """How many snapshots there are of each category."""
        require(caller, Permission.MONITOR)
        return await anyio.to_thread.run_sync(lambda: self._snapshots().counts())

    async def erase(
        self, *, agent_id: str | None = None, user_id: str | None = None, caller: Caller
    ) -> Erasure:
        """Erase what is kept of an agent or of a user, from snapshots to datasets; models are marked.

        Raises:
            InvalidRequestError: Neither or both were named.
        """
        require(caller, Permission.ERASE)
        if (agent_id is None) == (user_id is None):
            raise InvalidRequestError("Name either an agent or a user to erase.")
        erased = await self._erasing.erase(agent_id=agent_id, user_id=user_id, caller=caller)
        if erased.models:  # aliases have moved away from them
            await self._selector.follow()
        return erased

    async def prune(self, *, caller: Caller) -> dict[Category, int]:
        """Delete the snapshots that are older than the settings allow; returns how many of each category."""
        require(caller, Permission.ERASE)
        return await self._retention.prune(caller=caller)

    # Datasets

    async def prepare_dataset(
        self, request: DatasetRequest, *, caller: Caller, progress: Progress | None = None
    ) -> Manifest:
        """Make an immutable dataset of a category's snapshots.

        Raises:
            InsufficientDataError: There are too few that are fit.
        """
        require(caller, Permission.PREPARE)
        manifest = await self._preparation.prepare(request, caller=caller, progress=progress)
        # What was erased while other datasets were made is taken out of them at the next occasion.
        await self._erasing.clean_datasets(caller=caller)
        return manifest

    async def datasets(self, category: Category | None = None, *, caller: Caller) -> list[Manifest]:
        """The newest first, revoked ones too."""
        require(caller, Permission.MONITOR)
        return await anyio.to_thread.run_sync(lambda: self._datasets().manifests(category))

    async def dataset(self, dataset_id: str, *, caller: Caller) -> Manifest:
        """Raises NotFoundError if there is none of this id."""
        require(caller, Permission.MONITOR)
        return await anyio.to_thread.run_sync(lambda: self._datasets().manifest(dataset_id))

    async def dataset_card(self, dataset_id: str, *, caller: Caller) -> str:
        """Its text for people. Raises InvalidRequestError if there is none of this id, or it is revoked."""
        require(caller, Permission.MONITOR)
        folder = await anyio.to_thread.run_sync(lambda: self._datasets().folder(dataset_id))
        return await anyio.Path(folder / "README.md").read_text(encoding="utf-8")

    async def export_dataset(
        self, dataset_id: str, format_name: str, destination: Path, *, caller: Caller
    ) -> list[Path]:
        """Write a dataset in a provider's form, after checking it by the provider's rules."""
        require(caller, Permission.PREPARE)
        return await self._preparation.export(dataset_id, format_name, destination)

    async def check_dataset(self, dataset_id: str, format_name: str, *, caller: Caller) -> list[Problem]:
        """What a provider that takes this format would refuse of a dataset, or warn of."""
        require(caller, Permission.MONITOR)
        return await self._preparation.check(dataset_id, format_name)

    # Jobs

    def capabilities(self, *, caller: Caller) -> list[Capabilities]:
        """What each provider is able to do here."""
        require(caller, Permission.MONITOR)
        return [provider.capabilities for provider in self._providers.values()]

    async def estimate(
        self, config: FinetuningConfig, *, dataset_id: str | None = None, caller: Caller
    ) -> Plan:
        """A plan: what a training will take, bound to a dataset. Nothing is sent or spent.

        Args:
            dataset_id: By default the category's newest; for the selector the recorded use until now.

        Raises:
            InvalidRequestError: It cannot be trained so; the message says what to change.
            ProviderError: The provider cannot be used here.
        """
        require(caller, Permission.TRAIN)
        manifest = await self._choice.for_training(config, dataset_id)
        folder = await anyio.to_thread.run_sync(lambda: self._datasets().folder(manifest.dataset_id))
        return await self._planner.estimate(config, manifest, folder)

    async def create_job(
        self,
        *,
        plan_id: str | None = None,
        config: FinetuningConfig | None = None,
        dataset_id: str | None = None,
        caller: Caller,
    ) -> Job:
        """Create the job of a plan; with a configuration the plan is made first.

        Free work starts at once, work that costs money waits until it is approved. A plan has one job:
        to create it again returns that one.

        Raises:
            InvalidRequestError: There is no such plan, it has expired, or its dataset is not what it was.
        """
        require(caller, Permission.TRAIN)
        if (plan_id is None) == (config is None):
            raise InvalidRequestError("Give either the id of a plan or a configuration to make one from.")
        if plan_id is None:
            assert config is not None
            plan_id = (await self.estimate(config, dataset_id=dataset_id, caller=caller)).plan_id
        elif dataset_id is not None:
            raise InvalidRequestError("A plan has its dataset already; leave dataset_id out.")
        return await self._board.create(plan_id, caller=caller)

    async def plan(self, plan_id: str, *, caller: Caller) -> Plan:
        """Raises NotFoundError if there is none of this id."""
        require(caller, Permission.MONITOR)
        return await self._board.plan(plan_id)

    async def approve_job(self, job_id: str, *, caller: Caller) -> Job:
        """Let a job begin that costs money."""
        require(caller, Permission.APPROVE)
        return await self._board.approve(job_id, caller=caller)

    async def cancel_job(self, job_id: str, *, caller: Caller) -> Job:
        """Stop a job and its spending."""
        require(caller, Permission.TRAIN)
        return await self._board.cancel(job_id, caller=caller)

    async def retry_job(self, job_id: str, *, caller: Caller) -> Job:
        """Run a job again that did not succeed."""
        require(caller, Permission.TRAIN)
        return await self._board.retry(job_id, caller=caller)

    async def job(self, job_id: str, *, caller: Caller) -> Job:
        """Raises NotFoundError if there is none of this id."""
        require(caller, Permission.MONITOR)
        return await self._board.job(job_id)

    async def jobs(
        self,
        *,
        category: Category | None = None,
        status: Sequence[JobStatus] | None = None,
        limit: int | None = 50,
        caller: Caller,
    ) -> list[Job]:
        """The newest first."""
        require(caller, Permission.MONITOR)
        return await self._board.jobs(category=category, status=status, limit=limit)

    async def events(
        self, job_id: str, *, after: int = 0, limit: int | None = None, caller: Caller
    ) -> list[JobEvent]:
        """What happened to a job, oldest first."""
        require(caller, Permission.MONITOR)
        return await self._board.events(job_id, after=after, limit=limit)

    async def course(self, job_id: str, *, said: int, points: int, caller: Caller) -> JobCourse:
        """What was said of a job last, and figures of the attempt that runs; see `JobStore.course`."""
        require(caller, Permission.MONITOR)
        return await self._board.course(job_id, said=said, points=points)

    def watch(self, job_id: str, *, caller: Caller) -> AsyncIterator[Job]:
        """The job now, and again after each change, until it is over."""
        require(caller, Permission.MONITOR)
        return self._board.watch(job_id)

    async def budget(self, category: Category, *, caller: Caller) -> tuple[float | None, float, float]:
        """The limit in USD, what is reserved, and what is spent."""
        require(caller, Permission.MONITOR)
        return await self._board.budget(category)

    async def set_budget(self, category: Category, limit_usd: float | None, *, caller: Caller) -> None:
        """Limit what all trainings of a category may cost; `None` takes the limit away."""
        require(caller, Permission.APPROVE)
        await self._board.set_budget(category, limit_usd, caller=caller)

    # Models

    async def models(self, category: Category | None = None, *, caller: Caller) -> list[ModelRecord]:
        """The newest first."""
        require(caller, Permission.MONITOR)
        return await self._registry.models(category)

    async def model(self, model_id: str, *, caller: Caller) -> ModelRecord:
        """Raises NotFoundError if there is none of this id."""
        require(caller, Permission.MONITOR)
        return await self._registry.model(model_id)

    async def compare(
        self,
        a: str,
        b: str,
        *,
        dataset_id: str | None = None,
        category: Category | None = None,
        scorer: str | None = None,
        at_most_usd: float | None = None,
        caller: Caller,
        progress: Progress | None = None,
    ) -> ModelComparison:
        """Let two models answer the test rows of a dataset; either may be a base model.

        Args:
            dataset_id: By default the one that `a` or `b` was judged by, else the category's newest.
            at_most_usd: What the caller agrees to pay; the budget of the category holds in any case.

        Raises:
            InvalidRequestError: It cannot be told by which rows to compare, or the models answer nothing.
            PermissionDeniedError: It costs money, and the caller may not let such work begin.
            BudgetExceededError: It may cost more than was agreed to, or than is left of the budget.
        """
        require(caller, Permission.PREPARE)
        return await self._comparisons.compare(
            a, b, scorer, dataset_id, category, at_most_usd=at_most_usd, caller=caller, report=progress
        )

    async def comparisons(self, *, caller: Caller) -> list[ModelComparison]:
        """Those that are kept, the newest first."""
        require(caller, Permission.MONITOR)
        return await self._comparisons.all()

    async def comparison(self, comparison_id: str, *, caller: Caller) -> ModelComparison:
        """What came of one, with rows of its dataset. Raises NotFoundError if none of this id is kept."""
        require(caller, Permission.READ_WORK)
        return await self._comparisons.find(comparison_id)

    async def comparison_usd(
        self,
        a: str,
        b: str,
        *,
        dataset_id: str | None = None,
        category: Category | None = None,
        scorer: str | None = None,
        caller: Caller,
    ) -> float:
        """What `compare` would cost at most now. Nothing is asked or paid for."""
        require(caller, Permission.PREPARE)
        return await self._comparisons.most_usd(a, b, scorer, dataset_id=dataset_id, category=category)

    async def set_alias(
        self, category: Category, alias: str, model_id: str, *, override: str | None = None, caller: Caller
    ) -> AliasChange:
        """Let an alias stand for a model that passed its gate.

        Args:
            override: Why a model is to be used that did not pass; recorded.
        """
        require(caller, Permission.PROMOTE)
        if is_selector(category, alias):
            await self._selector.check(model_id)
        change = await self._registry.set_alias(category, alias, model_id, override=override, caller=caller)
        if is_selector(category, alias):
            await self._selector.use(change, caller)
        return change

    async def rollback_alias(self, category: Category, alias: str, *, caller: Caller) -> AliasChange:
        """Let an alias stand again for what it stood for before."""
        require(caller, Permission.PROMOTE)
        change = await self._registry.rollback_alias(category, alias, caller=caller)
        if is_selector(category, alias):
            await self._selector.use(change, caller)
        return change

    async def aliases(self, category: Category | None = None, *, caller: Caller) -> list[AliasChange]:
        """What each alias stands for now."""
        require(caller, Permission.MONITOR)
        return await self._registry.aliases(category)

    async def alias_history(self, category: Category, alias: str, *, caller: Caller) -> list[AliasChange]:
        """What an alias has stood for, one after the other, the newest first."""
        require(caller, Permission.MONITOR)
        return await self._registry.history(category, alias)

    async def statistics(self, *, caller: Caller) -> JsonObject:
        """How much was collected, prepared and trained, and what it cost."""
        require(caller, Permission.MONITOR)
        return await anyio.to_thread.run_sync(self.statistics_now)

    def statistics_now(self) -> JsonObject:
        """The same, blocking."""
        return statistics_json(
            self._snapshots().counts(),
            self._board.jobs_now(limit=None),
            datasets=len(self._datasets().manifests()),
            spent_usd=self._board.spent_now(),
        )
