"""Fine-tunes language models on this machine: LoRA in a child process. Imports no torch itself."""

import hashlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import anyio
from anyio import to_thread

from toolhone.exceptions import (
    InvalidRequestError,
    ProviderError,
    ProviderUnavailableError,
)
from toolhone.json_values import minified
from toolhone.models import Json, JsonObject
from toolhone.records.datasets import Manifest
from toolhone.records.jobs import Estimate, FinetuningConfig, FinetuningProvider
from toolhone.storage.workspaces import Workspaces
from toolhone.training.local.adapter import folder_hash
from toolhone.training.local.answering import read_answers
from toolhone.training.local.orders import (
    ADAPTER,
    LONGEST_ROW,
    AnsweringOrder,
    AskedQuestion,
    TrainingOrder,
)
from toolhone.training.providers.child_process import RUN, ChildRun, ChildRuns, run_folder
from toolhone.training.providers.child_reports import STATUS, read_status
from toolhone.training.providers.local_environment import child_environment
from toolhone.training.providers.local_estimates import estimated
from toolhone.training.providers.local_models import checked_base_model
from toolhone.training.providers.provider import (
    Answer,
    AnswersCost,
    Artifact,
    Capabilities,
    Phase,
    Polled,
    Question,
    TrainingRequest,
)

MODULE = "toolhone.training.local"

NEEDED = ("torch", "transformers", "peft", "trl", "datasets")

ANSWERS_AT_ONCE = 8

GRACE_SECONDS = 30.0
"""A checkpoint is saved after the step that is being done, which takes long without a GPU."""

_CLEANUP_SECONDS = 60.0


class LocalProvider:
    """Trains in a child process: `python -m toolhone.training.local`.

    Args:
        scratch: Estimates are made in this folder, and leave nothing in it.
        environ: The environment that the children get a part of: nothing that may be a secret.
        python: The interpreter that has `toolhone[train]`.
        module: What is run in its place, in tests.
        threads: Threads of a child; half of the machine's cores if not said, as others work on it, too.
        longest_row: Rows of more tokens are left out.
        answers_at_once: Held-out requests that are answered side by side.
        grace: Seconds that a child has to save its work when it is told to end.
        poll_seconds: How often a child is looked at that somebody waits for.
    """

    def __init__(
        self,
        scratch: Path,
        *,
        environ: Mapping[str, str],
        python: str = sys.executable,
        module: str = MODULE,
        threads: int | None = None,
        longest_row: int = LONGEST_ROW,
        answers_at_once: int = ANSWERS_AT_ONCE,
        grace: float = GRACE_SECONDS,
        poll_seconds: float = 0.1,
    ) -> None:
        self._scratch = Workspaces(scratch)
        self._python = python
        self._module = module
        self._threads = threads or max(1, (os.cpu_count() or 2) // 2)
        self._environ = child_environment(environ, self._threads)
        self._longest_row = longest_row
        self._answers_at_once = answers_at_once
        self._grace = grace
        self._poll_seconds = poll_seconds
        self._runs = ChildRuns()

    @property
    def capabilities(self) -> Capabilities:
        missing = self._missing()
        return Capabilities(
            provider=FinetuningProvider.LOCAL,
            available=missing is None,
            unavailable_why=missing,
            costs_money=False,
            honours=(
                "base_model",
                "n_epochs",
                "batch_size",
                "learning_rate",
                "max_training_cost_usd",
                "max_training_hours",
                "seed",
            ),
            dataset_format="openai-chat",
            limits=f"LoRA on causal language models; rows of up to {self._longest_row} tokens.",
        )

    async def estimate(
        self, config: FinetuningConfig, manifest: Manifest, dataset: Path, usd_per_hour: float
    ) -> Estimate:
        base = self._checked(config.base_model)
        order = self._order(config, manifest, dataset, base, job_id="", usd_per_hour=usd_per_hour)
        folder = await to_thread.run_sync(self._estimating)
        try:
            run = self._child(folder / "check", "check", key="check")
            found = await self._outcome(run, order.model_dump(mode="json"), refusal=InvalidRequestError)
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(self._estimated, folder)
        return estimated(found, config, usd_per_hour)

    async def submit(self, request: TrainingRequest) -> str:
        base = self._checked(request.config.base_model)
        order = self._order(
            request.config,
            request.manifest,
            request.dataset,
            base,
            job_id=request.job_id,
            usd_per_hour=request.usd_per_hour,
        )
        run = self._run(request)
        return await to_thread.run_sync(run.start, order.model_dump(mode="json"))

    async def find(self, request: TrainingRequest) -> str | None:
        run = self._run(request)
        return run.run_id if await to_thread.run_sync(run.known) else None

    async def poll(self, request: TrainingRequest, provider_job_id: str, after: str | None) -> Polled:
        return await to_thread.run_sync(self._run(request, provider_job_id).poll, after)

    async def cancel(self, request: TrainingRequest, provider_job_id: str) -> None:
        await to_thread.run_sync(self._run(request, provider_job_id).cancel)

    async def artifact(self, request: TrainingRequest, provider_job_id: str) -> Artifact:
        run = self._run(request, provider_job_id)
        result = run.result()
        adapter = run.folder / ADAPTER
        sha256 = await to_thread.run_sync(folder_hash, adapter)
        if sha256 != result["sha256"]:
            raise ProviderError(
                f"The adapter in {str(adapter)!r} is not what was trained there: its files have changed "
                "since. Retry the job to train it anew."
            )
        return Artifact(
            model_id=f"{request.category.value}-{sha256[:12]}",
            sha256=sha256,
            path=adapter,
            cost_usd=float(result["cost_usd"]),
            details=result,
        )

    async def answer(
        self, model: str, path: Path | None, questions: Sequence[Question], workspace: Path
    ) -> list[Answer]:
        if not questions:
            return []
        if path is None:
            model = self._checked(model)
        else:
            self._refuse_missing()
        order = AnsweringOrder(
            base_model="" if path is not None else model,
            adapter=path,
            questions=[
                AskedQuestion(
                    row_id=question.row_id,
                    messages=list(question.messages),
                    tools=list(question.tools),
                    max_tokens=question.max_tokens,
                )
                for question in questions
            ],
            batch_size=self._answers_at_once,
            threads=self._threads,
        )
        asked = order.model_dump(mode="json")
        # Other questions, or another model, are another piece of work.
        key = hashlib.sha256(minified(cast("Json", [model, asked])).encode()).hexdigest()
        run = self._child(workspace / f"answers-{key[:12]}", "answer", key=key)
        await to_thread.run_sync(_forget_failure, run)
        await self._outcome(run, asked, refusal=ProviderError)
        given = read_answers(run.folder)
        return [_answer(given[question.row_id]) for question in questions]

    async def answers_cost(self, model: str, questions: Sequence[Question], workspace: Path) -> AnswersCost:
        """See `Provider.answers_cost`: what answers here is not paid for."""
        return AnswersCost()

    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(self._runs.stop)
            await to_thread.run_sync(self._scratch.close)

    def _estimating(self) -> Path:
        # What estimates of processes leave that were killed goes with the next one.
        self._scratch.sweep()
        return self._scratch.make()

    def _estimated(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self._scratch.sweep()

    def _order(
        self,
        config: FinetuningConfig,
        manifest: Manifest,
        dataset: Path,
        base_model: str,
        *,
        job_id: str,
        usd_per_hour: float,
    ) -> TrainingOrder:
        return TrainingOrder(
            base_model=base_model,
            dataset=dataset.resolve(),
            dataset_id=manifest.dataset_id,
            dataset_hash=manifest.content_hash,
            category=config.category.value,
            job_id=job_id,
            n_epochs=config.n_epochs,
            batch_size=config.batch_size,
            learning_rate=config.learning_rate,
            seed=config.seed,
            longest_row=self._longest_row,
            threads=self._threads,
            usd_per_hour=usd_per_hour,
            max_cost_usd=config.max_training_cost_usd,
            max_hours=config.max_training_hours,
        )

    async def _outcome(
        self, run: ChildRun, order: JsonObject, *, refusal: type[InvalidRequestError] | type[ProviderError]
    ) -> JsonObject:
        """Wait for a child; it ends with the waiting, if that is cancelled."""
        try:
            await to_thread.run_sync(run.start, order)
            # Its files are all there is to be told by.
            while not (polled := await to_thread.run_sync(run.poll)).phase.over:  # noqa: ASYNC110
                await anyio.sleep(self._poll_seconds)
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(_CLEANUP_SECONDS):
                await to_thread.run_sync(run.stop)
        if polled.phase is Phase.SUCCEEDED:
            return run.result()
        message = polled.error or "It was ended from outside. Try again."
        # What the child refused is the request's fault; a crash is not.
        refused = polled.raw == InvalidRequestError.code
        raise refusal(message) if refused else ProviderError(message)

    def _run(self, request: TrainingRequest, provider_job_id: str | None = None) -> ChildRun:
        run = self._child(run_folder(request.workspace, request.key), "train", key=request.key)
        if provider_job_id is not None and provider_job_id != run.run_id:
            raise ProviderError(
                f"The training {provider_job_id!r} does not belong to the request {request.key!r}, "
                f"whose training is {run.run_id!r}."
            )
        return run

    def _child(self, folder: Path, task: str, *, key: str) -> ChildRun:
        return self._runs.keep(
            ChildRun(
                folder,
                [self._module, task],
                key=key,
                python=self._python,
                # Caches of the libraries stay with the run: nothing is read from or left in the user's.
                environ={**self._environ, "HF_HOME": str(folder / "cache")},
                grace=self._grace,
            )
        )

    def _checked(self, base_model: str) -> str:
        self._refuse_missing()
        return checked_base_model(base_model)

    def _refuse_missing(self) -> None:
        missing = self._missing()
        if missing is not None:
            raise ProviderUnavailableError(missing)

    def _missing(self) -> str | None:
        if self._module != MODULE or self._python != sys.executable:
            return None  # what another interpreter has is seen when it runs
        missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
        if not missing:
            return None
        return (
            f"Local training needs what is not installed: {', '.join(missing)}. Install torch for this "
            "machine, then: pip install 'toolhone[train]'."
        )


def _forget_failure(run: ChildRun) -> None:
    """Asking again after a failure tries again; the answers that were given stay."""
    if not run.known() or run.alive():
        return
    status = read_status(run.folder)
    if status is None or status.phase is not Phase.SUCCEEDED:
        (run.folder / STATUS).unlink(missing_ok=True)
        (run.folder / RUN).unlink(missing_ok=True)


def _answer(given: JsonObject) -> Answer:
    error: Json = given.get("error")
    return Answer(
        row_id=str(given["row_id"]),
        message=cast("JsonObject", given["message"]),
        latency_ms=float(given["latency_ms"]),
        prompt_tokens=int(given["prompt_tokens"]),
        completion_tokens=int(given["completion_tokens"]),
        error=None if error is None else str(error),
    )
