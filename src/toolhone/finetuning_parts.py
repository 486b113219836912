"""Puts the operations of learning from work together from settings, for an app and for single commands."""

import shutil
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import anyio
import anyio.to_thread

from toolhone.assembly import erase_answers, exports, open_results, scoring_weights
from toolhone.audit import AuditLog
from toolhone.dataset_choice import DatasetChoice
from toolhone.datasets.preparation import Preparation
from toolhone.evaluation.answer_gate import judge_scores
from toolhone.evaluation.scorers import Scorers
from toolhone.events import new_event
from toolhone.exceptions import NotRunningError
from toolhone.identifiers import new_id, utc_timestamp
from toolhone.jobs.board import Board
from toolhone.jobs.comparisons import Comparisons
from toolhone.jobs.judging import Judge
from toolhone.jobs.planning import Planner
from toolhone.jobs.runner import Runner
from toolhone.jobs.steps import FinetuningSteps
from toolhone.models import Category, JsonObject, ToolDefinition
from toolhone.operations import Finetuning
from toolhone.records.datasets import Manifest, Row
from toolhone.records.jobs import FinetuningConfig, FinetuningProvider, ModelRecord
from toolhone.records.stores import DatasetStore, JobStore, ModelStore, SnapshotStore
from toolhone.redaction import redact_record
from toolhone.revoking import Revoking
from toolhone.selection.active import active_encoder
from toolhone.selection.bundle import DEFAULT_FOLDER
from toolhone.selection.lessons import read_lessons
from toolhone.settings import Settings
from toolhone.snapshots.collector import Collector
from toolhone.snapshots.erasure import Erasing
from toolhone.snapshots.retention import Retention
from toolhone.storage.datasets import SqliteDatasetStore
from toolhone.storage.jobs import SqliteJobStore
from toolhone.storage.models import SqliteModelStore
from toolhone.storage.snapshots import SqliteSnapshotStore
from toolhone.stores import ResultStore
from toolhone.tokens import count_tokens
from toolhone.training.adoption import adopt, release
from toolhone.training.answer_scoring import AnswerScoring, messages_of
from toolhone.training.comparing import ModelComparing
from toolhone.training.contestants import Contestants
from toolhone.training.copies import ESTIMATES
from toolhone.training.costs import load_prices
from toolhone.training.judge_model import JudgeModel
from toolhone.training.judging_costs import judging_usd, price_of_judge
from toolhone.training.kept_comparisons import KeptComparisons
from toolhone.training.lineage import HeldOutRows
from toolhone.training.model_registry import ModelRegistry
from toolhone.training.providers.anthropic import AnthropicProvider
from toolhone.training.providers.local import LocalProvider
from toolhone.training.providers.openai import OpenAIProvider, Profile
from toolhone.training.providers.provider import Answer, Provider
from toolhone.training.providers.selector import SelectorProvider
from toolhone.training.selector_dataset import freeze
from toolhone.work_pages import WorkPages

Tools = Callable[[], Awaitable[Sequence[ToolDefinition]]]


class Closable(Protocol):
    """A store."""

    def close(self) -> None: ...


S = TypeVar("S", bound=Closable)


class Opened(Generic[S]):
    """A store that is opened when it is first asked for, by whichever thread, and closed once."""

    def __init__(self, opening: Callable[[], S]) -> None:
        self._opening = opening
        self._store: S | None = None
        self._closed = False
        self._lock = threading.Lock()

    def __call__(self) -> S:
        with self._lock:
            if self._closed:
                raise NotRunningError("The stores of fine-tuning have been closed.")
            if self._store is None:
                self._store = self._opening()
            return self._store

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._store is not None:
                self._store.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """All that is kept of learning from work."""

    snapshots: Opened[SnapshotStore]
    datasets: Opened[DatasetStore]
    jobs: Opened[JobStore]
    models: Opened[ModelStore]
    results: Opened[ResultStore]

    def close(self) -> None:
        for store in (self.snapshots, self.datasets, self.jobs, self.models, self.results):
            store.close()


def open_stores(settings: Settings) -> Stores:
    """The stores of a data folder; none is opened yet."""
    data = settings.data
    return Stores(
        snapshots=Opened(lambda: SqliteSnapshotStore(data, durable=settings.durable)),
        datasets=Opened(lambda: SqliteDatasetStore(data)),
        jobs=Opened(lambda: SqliteJobStore(data)),
        models=Opened(lambda: SqliteModelStore(data)),
        results=Opened(lambda: open_results(settings)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuningParts:
    """The operations, and what runs beside them."""

    system: Finetuning
    pages: WorkPages
    collector: Collector
    board: Board
    steps: FinetuningSteps
    runner: Runner
    retention: Retention
    providers: Mapping[FinetuningProvider, Provider]
    stores: Stores

    async def aclose(self) -> None:
        """End what providers have running here, and close the stores."""
        for provider in self.providers.values():
            await provider.aclose()
        await anyio.to_thread.run_sync(self.stores.close)


def build_finetuning(
    settings: Settings,
    environ: Mapping[str, str],
    audit: AuditLog,
    *,
    tools: Tools | None = None,
) -> FinetuningParts:
    """Build everything, open nothing.

    Args:
        tools: The tools there are now; only the selector's training needs them.

    Raises:
        ConfigurationError: The file of prices is not valid.
    """
    stores = open_stores(settings)
    providers = providers_of(settings, environ)
    registry = ModelRegistry(stores.models, audit.record, new_event, utc_timestamp)
    preparation = Preparation(
        stores.snapshots,
        stores.datasets,
        count_tokens=count_tokens,
        now=utc_timestamp,
        record=audit.record,
    )
    revoking = Revoking(
        settings.data,
        open_jobs=stores.jobs,
        open_datasets=stores.datasets,
        preparation=preparation,
        registry=registry,
    )
    collector = Collector(
        stores.snapshots,
        redact=redact_record,
        record=audit.record,
        new_event=new_event,
        now=utc_timestamp,
        new_id=new_id,
    )
    judge = judge_of(settings, environ)
    scoring = AnswerScoring(Scorers(settings.scorers), judge)
    judging = None if judge is None else partial(judging_usd, judge)
    held_out = HeldOutRows(stores.datasets, stores.models)
    steps = FinetuningSteps(
        open_jobs=stores.jobs,
        providers=providers,
        manifest=lambda dataset_id: stores.datasets().manifest(dataset_id),
        folder=lambda dataset_id: stores.datasets().folder(dataset_id),
        test_rows=held_out,
        judge=_judging(scoring),
        keep_model=revoking.keep,
        forget=revoking.forget,
        record=audit.record,
        runs=settings.data / "runs",
        usd_per_hour=settings.usd_per_hour,
        judging_usd=judging,
    )
    runner = Runner(steps, stores.jobs, settings.data)
    board = Board(
        stores.jobs,
        record=audit.record,
        manifest=lambda dataset_id: stores.datasets().manifest(dataset_id),
        stop_leftover=steps.stop_leftover,
        wake=runner.wake,
    )
    comparing = ModelComparing(
        Contestants(registry, providers), scoring, _comparisons(settings.data), utc_timestamp
    )
    choice = DatasetChoice(
        stores.datasets,
        registry,
        None if tools is None else _freezing(settings.data, audit, stores, tools),
    )
    retention = Retention(
        stores.snapshots,
        days=settings.snapshot_days,
        record=audit.record,
        new_event=new_event,
        now=utc_timestamp,
    )
    system = Finetuning(
        retention=retention,
        snapshots=stores.snapshots,
        datasets=stores.datasets,
        collector=collector,
        preparation=preparation,
        erasing=Erasing(
            snapshots=stores.snapshots,
            results=stores.results,
            datasets=stores.datasets,
            audit=audit,
            redact=redact_record,
            revise=revoking.revise,
            taint=registry.taint,
            forgetting=exports(settings).forgetting,
            erase_answers=lambda: erase_answers(settings),
            new_event=new_event,
            now=utc_timestamp,
        ),
        planner=Planner(
            providers,
            stores.jobs,
            usd_per_hour=settings.usd_per_hour,
            check_scorer=scoring.check,
            judging_usd=judging,
            held_out=held_out,
        ),
        board=board,
        registry=registry,
        providers=providers,
        comparisons=Comparisons(
            comparing,
            open_jobs=stores.jobs,
            open_datasets=stores.datasets,
            choose=choice.for_comparison,
            forget=revoking.forget,
            kept=KeptComparisons(settings.data / "comparisons"),
            record=audit.record,
        ),
        adopt=lambda model: _adopted(settings.data, model),
        choice=choice,
    )
    return FinetuningParts(
        system=system,
        pages=WorkPages(stores.snapshots, stores.datasets),
        collector=collector,
        board=board,
        steps=steps,
        runner=runner,
        retention=retention,
        providers=providers,
        stores=stores,
    )


def providers_of(settings: Settings, environ: Mapping[str, str]) -> dict[FinetuningProvider, Provider]:
    """Who can train, as the settings say."""
    return {
        FinetuningProvider.LOCAL: LocalProvider(settings.data / ESTIMATES, environ=environ),
        FinetuningProvider.OPENAI: OpenAIProvider(
            settings.openai_url,
            environ.get(settings.openai_key),
            prices=load_prices(settings.prices),
            profile=Profile(settings.openai_profile),
            deployments=settings.openai_deployments,
        ),
        FinetuningProvider.SELECTOR: SelectorProvider(
            settings.data, scoring_weights(settings), environ=environ
        ),
        FinetuningProvider.ANTHROPIC: AnthropicProvider(),
    }


def judge_of(settings: Settings, environ: Mapping[str, str]) -> JudgeModel | None:
    """The judge model that the settings name, if they do."""
    if settings.judge_model is None:
        return None
    return JudgeModel(
        url=settings.judge_url,
        key=environ.get(settings.judge_key),
        model=settings.judge_model,
        cost_usd=price_of_judge(settings.judge_url, settings.judge_model, load_prices(settings.prices)),
    )


def _adopted(data: Path, model: ModelRecord | None) -> None:
    if model is None:
        release(data)
    else:
        adopt(data, model)


def _judging(scoring: AnswerScoring) -> Judge:
    async def judge(
        rows: Sequence[Row],
        base: Sequence[Answer],
        tuned: Sequence[Answer],
        config: FinetuningConfig,
        workspace: Path,
    ) -> JsonObject:
        answers = [messages_of(base), messages_of(tuned)]
        scored = await scoring.score(rows, answers, config.scorer, workspace=workspace)
        before, after = scored.models
        verdict = judge_scores(rows, before, after, min_score=config.min_validation_accuracy)
        judging = sum(one.cost_usd for one in scored.judged)
        return {**verdict.as_json(), "scored_so": scored.why, "cost_usd": judging}

    return judge


def _comparisons(data: Path) -> Callable[[str], Path]:
    """A folder for each comparison's answers: models that were asked once are not asked again."""

    def workspace(name: str) -> Path:
        folder = data / "comparisons" / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    return workspace


def _freezing(data: Path, audit: AuditLog, stores: Stores, tools: Tools) -> Callable[[], Awaitable[Manifest]]:
    async def freeze_use() -> Manifest:
        lessons = await read_lessons(audit.query)
        definitions = await tools()

        def work() -> Manifest:
            datasets = stores.datasets()
            active = active_encoder(data)
            workspace = datasets.workspace()
            try:
                frozen = freeze(
                    lessons,
                    definitions,
                    encoder=DEFAULT_FOLDER if active is None else active[0],
                    workspace=workspace,
                    now=utc_timestamp(),
                    version=1 + len(datasets.manifests(Category.GENERAL)),
                )
                return datasets.create(frozen.manifest, frozen.files, iter(frozen.members))
            finally:
                shutil.rmtree(workspace, ignore_errors=True)

        return await anyio.to_thread.run_sync(work)

    return freeze_use
