"""What every provider of fine-tuning can do. `tests/contracts/test_provider.py` runs over all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import nlargest
from pathlib import Path
from typing import Protocol

from toolhone.models import Category, Json, JsonObject
from toolhone.records.datasets import Manifest
from toolhone.records.jobs import Estimate, FinetuningConfig, FinetuningProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider is able to do, as people and programs are told."""

    provider: FinetuningProvider
    available: bool
    """It can train here and now."""
    unavailable_why: str | None = None
    """What is missing and how to get it."""
    costs_money: bool
    honours: tuple[str, ...]
    """The fields of `FinetuningConfig` that it follows."""
    default_base_model: str | None = None
    dataset_format: str
    """The format in which a dataset is sent or exported: `openai-chat`, `bedrock`, …"""
    limits: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRequest:
    """One training, wholly described: the same request is the same work."""

    job_id: str
    key: str
    """Idempotency key, and the tag by which the work is found again."""
    category: Category
    config: FinetuningConfig
    manifest: Manifest
    dataset: Path
    """The dataset's folder: `train.jsonl`, `validation.jsonl`, `test.jsonl`."""
    workspace: Path
    """A private folder of this job, kept between restarts, for whatever the provider keeps on disk."""
    usd_per_hour: float = 0.0
    """What an hour of this machine is reckoned at, for work done here."""


class Phase(StrEnum):
    """A provider's state, in our words."""

    VALIDATING = "validating_files"
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    """A word that we do not know: it goes on, and the word is shown."""

    @property
    def over(self) -> bool:
        return self in {Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEvent:
    """Something the provider said: a message, or metrics of a step."""

    event_id: str
    """Known from then on: the same id is the same event."""
    at: str
    message: str
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    """`step`, `epoch`, `training_loss`, `validation_loss`, `token_accuracy`, … as far as known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """How the training is now."""

    phase: Phase
    raw: str
    """The provider's own word."""
    progress: float | None = None
    epoch: float | None = None
    step: int | None = None
    steps: int | None = None
    training_loss: float | None = None
    validation_loss: float | None = None
    cost_usd: float | None = None
    """So far; `None` if the provider does not say."""
    error: str | None = None
    events: tuple[ProviderEvent, ...] = ()
    """New ones since `after`, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """What a training left behind."""

    model_id: str
    sha256: str
    path: Path | None = None
    cost_usd: float = 0.0
    details: JsonObject = field(default_factory=dict[str, Json])
    """The result file's last figures, the checkpoint chosen, …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A held-out request to be answered."""

    row_id: str
    messages: tuple[JsonObject, ...]
    tools: tuple[JsonObject, ...] = ()
    max_tokens: int = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model answered, and what it took."""

    row_id: str
    message: JsonObject
    """An assistant's message: `content` and perhaps `tool_calls`."""
    latency_ms: float
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float = 0.0
    error: str | None = None
    """Set if it could not answer: counts as wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswersCost:
    """What it takes to have a model answer, before it is asked."""

    kept: Mapping[str, Answer] = field(default_factory=dict[str, Answer])
    """Answers that the workspace has, by the ids of their questions: they are not paid for again."""
    most_usd: Mapping[str, float] = field(default_factory=dict[str, float])
    """What each of the other questions costs at most, by its id; none where asking is free."""
    at_once: int = 1
    """So many may be under way, and so be charged unseen, when the asking is cut off."""

    @property
    def upper_bound_usd(self) -> float:
        return sum(self.most_usd.values())

    @property
    def under_way_usd(self) -> float:
        """What can be charged at most for questions whose answers were never seen."""
        return sum(nlargest(self.at_once, self.most_usd.values()))


class Provider(Protocol):
    """Trains models. Raises `ProviderError` for what it or its service refuses or cannot do.

    Every method may be called again after a crash with the same arguments; only `submit` and `answer` cost.
    """

    @property
    def capabilities(self) -> Capabilities: ...

    async def estimate(
        self, config: FinetuningConfig, manifest: Manifest, dataset: Path, usd_per_hour: float
    ) -> Estimate:
        """Check the configuration and the dataset by the provider's rules, and say what it will take.

        Raises:
            InvalidRequestError: Something cannot be trained so; the message says what and what to change.
            ProviderError: The provider cannot be used here.
        """
        ...

    async def submit(self, request: TrainingRequest) -> str:
        """Start the training; returns the provider's id of it."""
        ...

    async def find(self, request: TrainingRequest) -> str | None:
        """The id of a training that was started with this request's key; `None` if there surely is none.

        Raises:
            ProviderError: It cannot be said.
        """
        ...

    async def poll(self, request: TrainingRequest, provider_job_id: str, after: str | None) -> Polled:
        """How it is now, with events after the one of id `after`. Restarts work of ours that was cut off."""
        ...

    async def cancel(self, request: TrainingRequest, provider_job_id: str) -> None:
        """Stop spending; returns when the provider has taken note. Harmless if it is over."""
        ...

    async def artifact(self, request: TrainingRequest, provider_job_id: str) -> Artifact:
        """What a succeeded training left behind, with its hash."""
        ...

    async def answer(
        self, model: str, path: Path | None, questions: Sequence[Question], workspace: Path
    ) -> list[Answer]:
        """Let a model answer, greedily; in the order asked.

        Args:
            model: The id of a tuned model or the name (or folder) of a base model.
            path: The folder of a local tuned model.
            workspace: Answers given so far are kept here, so that a restart does not ask again.
        """
        ...

    async def answers_cost(self, model: str, questions: Sequence[Question], workspace: Path) -> AnswersCost:
        """What `answer` would take now. Nothing is sent, and the workspace stays as it is.

        Raises:
            ProviderError: The model cannot be asked, or its price is not known.
        """
        ...

    async def aclose(self) -> None:
        """Let go of connections and children."""
        ...
