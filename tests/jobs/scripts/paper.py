"""A provider on paper, jobs over real stores, and a process that runs them and can be killed at any point.

The provider's state is a folder of files, so it outlives the process as a service would. Every request for a
training that costs is one line of `submits`. As a script it is a server of processes: for each line on stdin
(JSON: `folder`, and `kill` as the point to die at) it forks a child that runs the jobs of that folder until
none is left, and answers with the child's exit status. Forking saves each child the imports.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import anyio

from toolhone.exceptions import ProviderUnavailableError, ToolhoneError
from toolhone.jobs.attempt import Pauses
from toolhone.jobs.board import Board
from toolhone.jobs.engine import Engine, RunStep, open_engine
from toolhone.jobs.planning import Planner
from toolhone.jobs.runner import Runner
from toolhone.jobs.steps import FinetuningSteps
from toolhone.models import AuditEvent, Caller, Category, JsonObject
from toolhone.records.datasets import Manifest, Row
from toolhone.records.jobs import Estimate, FinetuningConfig, FinetuningProvider, ModelRecord
from toolhone.storage.jobs import SqliteJobStore
from toolhone.storage.models import SqliteModelStore
from toolhone.training.lineage import HeldOut
from toolhone.training.providers.provider import (
    Answer,
    AnswersCost,
    Artifact,
    Capabilities,
    Phase,
    Polled,
    Provider,
    ProviderEvent,
    Question,
    TrainingRequest,
)

CALLER = Caller(principal="tester")
AT = "2026-11-23T10:11:12.000000+00:00"
QUICK = Pauses(
    look=0.01,
    dataset=0.01,
    poll_here=0.01,
    poll_first=0.01,
    poll_later=0.01,
    backoff=0.01,
    backoff_most=0.02,
    arriving=0.01,
)


def die_at(point: str) -> None:
    """Die as by kill -9, if this is the point that was named."""
    if os.environ.get("DIE_AT") == point:
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Script:
    """How the trainings of a provider go."""

    polls: tuple[Polled, ...] = (
        Polled(phase=Phase.QUEUED, raw="queued"),
        Polled(
            phase=Phase.RUNNING,
            raw="running",
            progress=0.5,
            training_loss=0.5,
            cost_usd=1.0,
            events=(
                ProviderEvent(
                    event_id="e1", at=AT, message="step 1", metrics={"step": 1, "training_loss": 0.9}
                ),
                ProviderEvent(
                    event_id="e2", at=AT, message="step 2", metrics={"step": 2, "training_loss": 0.5}
                ),
            ),
        ),
        Polled(phase=Phase.SUCCEEDED, raw="succeeded", progress=1.0, training_loss=0.1, cost_usd=2.0),
    )
    submit_errors: list[ToolhoneError] = field(default_factory=list[ToolhoneError])
    """Raised in turn, before anything is started."""
    lost_answers: int = 0
    """So often a training is started and the answer does not come."""
    find_errors: list[ToolhoneError] = field(default_factory=list[ToolhoneError])
    poll_errors: list[ToolhoneError] = field(default_factory=list[ToolhoneError])
    answer_errors: list[ToolhoneError] = field(default_factory=list[ToolhoneError])
    upper_bound: float = 5.0
    hold: str | None = None
    """The method in which it waits until `release` is set."""


class PaperProvider:
    """A service of fine-tuning in a folder."""

    def __init__(self, folder: Path, script: Script | None = None, *, costs_money: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.script = script or Script()
        self.costs_money = costs_money
        self._reached: dict[str, anyio.Event] = {}
        self.release = anyio.Event()

    @property
    def submits(self) -> int:
        """How many trainings were started, and so paid."""
        path = self.folder / "submits"
        return len(path.read_text().splitlines()) if path.exists() else 0

    @property
    def cancelled(self) -> bool:
        return (self.folder / "cancelled").exists()

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            provider=FinetuningProvider.OPENAI,
            available=True,
            costs_money=self.costs_money,
            honours=("n_epochs",),
            default_base_model="base",
            dataset_format="openai-chat",
        )

    async def estimate(
        self, config: FinetuningConfig, manifest: Manifest, dataset: Path, usd_per_hour: float
    ) -> Estimate:
        await self._reach("estimate")
        bound = self.script.upper_bound
        return Estimate(trained_tokens=1000, cost_usd=bound / 2, upper_bound_usd=bound, price_source="a test")

    async def submit(self, request: TrainingRequest) -> str:
        await self._reach("submit")
        if self.script.submit_errors:
            raise self.script.submit_errors.pop(0)
        with (self.folder / "submits").open("a") as file:
            file.write(request.key + "\n")
        die_at("submitted, not recorded")
        if self.script.lost_answers:
            self.script.lost_answers -= 1
            raise ProviderUnavailableError("The connection was lost.")
        return f"ft-{request.key}"

    async def find(self, request: TrainingRequest) -> str | None:
        if self.script.find_errors:
            raise self.script.find_errors.pop(0)
        path = self.folder / "submits"
        known = path.read_text().splitlines() if path.exists() else []
        return f"ft-{request.key}" if request.key in known else None

    async def poll(self, request: TrainingRequest, provider_job_id: str, after: str | None) -> Polled:
        await self._reach("poll")
        if self.script.poll_errors:
            raise self.script.poll_errors.pop(0)
        if self.cancelled:
            return Polled(phase=Phase.CANCELLED, raw="cancelled", cost_usd=1.5)
        count = self.folder / "polls"
        number = int(count.read_text()) if count.exists() else 0
        die_at(f"poll {number}")
        count.write_text(str(number + 1))
        polled = self.script.polls[min(number, len(self.script.polls) - 1)]
        events = tuple(event for past in self.script.polls[: number + 1] for event in past.events)
        for position, event in enumerate(events):
            if event.event_id == after:
                events = events[position + 1 :]
        return replace(polled, events=events)

    async def cancel(self, request: TrainingRequest, provider_job_id: str) -> None:
        (self.folder / "cancelled").touch()
        die_at("cancelled, not recorded")

    async def artifact(self, request: TrainingRequest, provider_job_id: str) -> Artifact:
        await self._reach("artifact")
        return Artifact(model_id="tuned", sha256="sha256:" + "1" * 64, cost_usd=2.0)

    async def answer(
        self, model: str, path: Path | None, questions: Sequence[Question], workspace: Path
    ) -> list[Answer]:
        await self._reach("answer")
        if self.script.answer_errors:
            raise self.script.answer_errors.pop(0)
        return [
            Answer(
                row_id=question.row_id,
                message={"role": "assistant", "content": model},
                latency_ms=1,
                prompt_tokens=1,
                completion_tokens=1,
                cost_usd=0.01,
            )
            for question in questions
        ]

    async def answers_cost(self, model: str, questions: Sequence[Question], workspace: Path) -> AnswersCost:
        return AnswersCost(most_usd={question.row_id: 0.01 for question in questions})

    async def aclose(self) -> None: ...

    def reached(self, method: str) -> anyio.Event:
        """Set when this method was called."""
        return self._reached.setdefault(method, anyio.Event())

    async def _reach(self, method: str) -> None:
        self.reached(method).set()
        if self.script.hold == method:
            await self.release.wait()


ROW = Row(
    row_id="r1",
    group="g1",
    task_type="scan",
    messages=({"role": "user", "content": "scan"}, {"role": "assistant", "content": "tuned"}),
    score=1.0,
    recorded_at=AT,
)


def manifest_of(dataset_id: str, **changes: object) -> Manifest:
    manifest = Manifest(
        dataset_id=dataset_id,
        category=Category.CORE_SECURITY,
        version=1,
        created_at=AT,
        content_hash="sha256:" + "0" * 64,
        request={},
        counts={"train": 200, "validation": 20, "test": 20},
        files={},
        dropped={},
    )
    return replace(manifest, **changes)  # pyright: ignore[reportArgumentType]


async def judge(
    rows: Sequence[Row],
    base: Sequence[Answer],
    tuned: Sequence[Answer],
    config: FinetuningConfig,
    workspace: Path,
) -> JsonObject:
    """Passes a model that answers "tuned"."""
    right = [answer.message["content"] == "tuned" for answer in tuned]
    return {
        "decision": "passed" if all(right) else "failed",
        "why": "As it answered.",
        "tuned_score": {"mean": 1.0, "low": 0.9, "high": 1.0},
        "base_score": 0.0,
    }


class PlainEngine:
    """Runs the steps without remembering them for another process."""

    def __init__(self, steps: Sequence[str], run_step: RunStep, ended: set[str]) -> None:
        self._steps = steps
        self._run_step = run_step
        self._ended = ended

    async def run(self, key: str) -> bool:
        if key in self._ended:
            return False
        done: dict[str, JsonObject] = {}
        for name in self._steps:
            # As it is read back by the durable one.
            done[name] = json.loads(json.dumps(await self._run_step(name, key, done)))
            if done[name].get("over"):
                break
        self._ended.add(key)
        return True


class Shop:
    """Everything of jobs over the real stores of one folder.

    Without `durable` the steps run on a plain engine, which starts and stops in no time.
    """

    def __init__(
        self, folder: Path, script: Script | None = None, *, costs_money: bool = True, durable: bool = False
    ) -> None:
        self.folder = folder
        self.provider = PaperProvider(folder / "service", script, costs_money=costs_money)
        self.store = SqliteJobStore(folder)
        self.models = SqliteModelStore(folder)
        self.audited: list[AuditEvent] = []
        self.forgotten: list[str | None] = []
        self.manifest = manifest_of("core_security_20261123_101112_00000000")
        self.now = datetime.now(UTC)
        providers: Mapping[FinetuningProvider, Provider] = {FinetuningProvider.OPENAI: self.provider}
        self.planner = Planner(providers, lambda: self.store, now=self.clock)
        self.steps = FinetuningSteps(
            open_jobs=lambda: self.store,
            providers=providers,
            manifest=lambda _id: self.manifest,
            folder=lambda _id: folder,
            test_rows=lambda _id, _base: HeldOut(rows=[ROW]),
            judge=judge,
            keep_model=self.keep,
            record=self.record,
            runs=folder / "runs",
            forget=self.forgotten.append,
            now=self.clock,
            pauses=QUICK,
        )
        ended: set[str] = set()

        @asynccontextmanager
        async def open_plainly(_: Path, steps: Sequence[str], run_step: RunStep) -> AsyncGenerator[Engine]:
            yield PlainEngine(steps, run_step, ended)

        self.runner = Runner(
            self.steps,
            lambda: self.store,
            folder,
            engine=open_engine if durable else open_plainly,
            look_seconds=0.02,
            idle_seconds=0.0,
        )
        self.board = Board(
            lambda: self.store,
            record=self.record,
            manifest=lambda _id: self.manifest,
            stop_leftover=self.steps.stop_leftover,
            wake=self.runner.wake,
            now=self.clock,
            look_seconds=0.01,
        )

    def clock(self) -> datetime:
        return self.now

    def keep(self, model: ModelRecord) -> None:
        self.models.add(model)

    async def record(self, event: AuditEvent) -> None:
        self.audited.append(event)

    def config(self, **changes: object) -> FinetuningConfig:
        values = {"category": Category.CORE_SECURITY, "provider": FinetuningProvider.OPENAI, **changes}
        return FinetuningConfig.model_validate(values)

    async def approved(self, **changes: object) -> str:
        """The id of a job that is ready to run."""
        plan = await self.planner.estimate(self.config(**changes), self.manifest, self.folder)
        job = await self.board.create(plan.plan_id, caller=CALLER)
        if plan.needs_approval:
            await self.board.approve(job.job_id, caller=CALLER)
        return job.job_id

    def close(self) -> None:
        self.store.close()
        self.models.close()


async def run_until_idle(folder: Path) -> None:
    shop = Shop(folder, durable=True)
    inner = shop.steps.run

    async def run(name: str, key: str, done: Mapping[str, JsonObject]) -> JsonObject:
        die_at(f"before {name}")
        returned = await inner(name, key, done)
        die_at(f"after {name}")
        return returned

    shop.steps.run = run
    with anyio.fail_after(60):
        await shop.runner.run(until_idle=True)
    shop.close()


def main() -> None:
    import dbos
    import sqlalchemy
    import sqlite_utils

    assert dbos and sqlalchemy and sqlite_utils  # imported before the first fork
    children: dict[int, str] = {}
    for line in sys.stdin:
        order: JsonObject = json.loads(line)
        if order:
            child = os.fork()
            if child == 0:
                os.environ["DIE_AT"] = order.get("kill") or ""
                try:
                    asyncio.run(run_until_idle(Path(order["folder"])))
                except BaseException as exc:
                    print(repr(exc), file=sys.stderr, flush=True)
                    os._exit(1)
                os._exit(0)
            children[child] = order["folder"]
            print(json.dumps({"pid": child}), flush=True)
            continue
        while children:  # an empty order: wait for all
            child, status = os.wait()
            print(json.dumps({"folder": children.pop(child), "status": status}), flush=True)
        print(json.dumps({}), flush=True)


if __name__ == "__main__":
    main()
