"""What a fine-tuning is asked for with, what it will cost, and how it goes."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from toolhone.models import Category, Json, JsonObject


class FinetuningProvider(StrEnum):
    """Who trains."""

    LOCAL = "local"
    OPENAI = "openai"
    SELECTOR = "selector"
    ANTHROPIC = "anthropic"


class FinetuningConfig(BaseModel):
    """How to fine-tune."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    category: Category
    provider: FinetuningProvider = FinetuningProvider.LOCAL
    base_model: Annotated[str, Field(max_length=1_000)] = ""
    """A name that the provider knows, or a folder; empty is the provider's default, if it has one."""
    n_epochs: Annotated[int, Field(ge=1, le=50)] = 3
    batch_size: Annotated[int, Field(ge=1, le=256)] = 32
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 1e-4
    min_training_samples: Annotated[int, Field(ge=10)] = 100
    min_validation_accuracy: Annotated[float, Field(ge=0, le=1)] = 0.85
    """What the held-out answers of the tuned model must score on average; see `scorer`."""
    max_training_cost_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 100.0
    max_training_hours: Annotated[float, Field(gt=0, le=168)] = 24
    model_version: Annotated[str, Field(max_length=64)] = "1.0.0"
    description: Annotated[str, Field(max_length=2_000)] = ""
    tags: tuple[str, ...] = ()
    scorer: str | None = None
    """How held-out answers are scored; by default what suits the rows (see `evaluation.scorers`)."""
    seed: int = 0


class JobStatus(StrEnum):
    """Where a job is. OpenAI's words, and those it has none for."""

    AWAITING_APPROVAL = "awaiting_approval"
    VALIDATING_FILES = "validating_files"
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    EVALUATING = "evaluating"
    SUCCEEDED = "succeeded"
    GATE_FAILED = "gate_failed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    COST_STOPPED = "cost_stopped"
    NEEDS_ATTENTION = "needs_attention"

    @property
    def final(self) -> bool:
        """Nothing more happens by itself."""
        return self in FINAL


FINAL = frozenset(
    {
        JobStatus.SUCCEEDED,
        JobStatus.GATE_FAILED,
        JobStatus.FAILED,
        JobStatus.CANCELLED,
        JobStatus.COST_STOPPED,
        JobStatus.NEEDS_ATTENTION,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a provider expects a training to take, before anything is sent or spent."""

    trained_tokens: int
    """Counted tokens of the training rows times epochs."""
    cost_usd: float
    upper_bound_usd: float
    """Training, validation, evaluation and hosting at most; what is reserved of the budget."""
    price_source: str
    """Which price, of what date, from where; or that the work is free here."""
    seconds: float | None = None
    """How long, if it can be said."""
    honoured: JsonObject = field(default_factory=dict[str, Json])
    """The hyperparameters that will really be used, in the provider's words."""
    warnings: tuple[str, ...] = ()
    """What cannot be honoured, what will be shut down, what is unsure."""
    steps: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An estimate bound to one dataset and one configuration. A job runs a plan and nothing else."""

    plan_id: str
    created_at: str
    expires_at: str
    dataset_id: str
    dataset_hash: str
    config: FinetuningConfig
    estimate: Estimate
    needs_approval: bool
    """It costs money."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """How a fine-tuning goes."""

    job_id: str
    """`finetune_{category}_{YYYYmmdd_HHMMSS}_{random}`."""
    plan_id: str
    category: Category
    provider: FinetuningProvider
    dataset_id: str
    config: FinetuningConfig
    status: JobStatus
    created_at: str
    updated_at: str
    started_at: str | None = None
    finished_at: str | None = None
    created_by: str = "local"
    approved_by: str | None = None
    attempt: int = 1
    """Counts retries."""
    cancel_requested: bool = False
    provider_job_id: str | None = None
    provider_status: str | None = None
    """The provider's own word for its state."""
    progress: float = 0.0
    """0 to 1, of the training."""
    epoch: float | None = None
    step: int | None = None
    steps: int | None = None
    training_loss: float | None = None
    validation_loss: float | None = None
    validation_score: float | None = None
    """Mean score of the tuned model's answers to held-out requests."""
    base_score: float | None = None
    cost_usd: float = 0.0
    """Of this attempt, so far; what earlier ones cost stays in the ledger (`JobStore.spent`)."""
    model_id: str | None = None
    artifact_hash: str | None = None
    verdict: JsonObject | None = None
    """What the gate decided and why; see `evaluation.answer_gate`."""
    error_code: str | None = None
    error: str | None = None
    """What happened and what to do next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """Something that happened to a job, oldest first by `seq`."""

    seq: int
    job_id: str
    at: str
    kind: str
    """`status`, `metrics`, `cost`, `message`."""
    message: str
    data: JsonObject = field(default_factory=dict[str, Json])


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """The row that guards a paid step: written before the provider is asked, one for each attempt."""

    job_id: str
    attempt: int
    key: str
    """Idempotency key and tag, by which the provider's job can be found again."""
    at: str
    provider_job_id: str | None = None
    """`None`: asked, but the answer was never seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """A model that a job made."""

    model_id: str
    """What the provider calls it; a local one is `{category}-{hash}`."""
    category: Category
    provider: FinetuningProvider
    base_model: str
    created_at: str
    job_id: str
    dataset_id: str
    artifact_hash: str
    """SHA-256 over the files of a local one; of the provider's description of a remote one."""
    path: str | None = None
    """The folder of a local one."""
    passed: bool
    """Its gate was passed."""
    verdict: JsonObject
    tainted: str | None = None
    """Why it should not be used any more: its dataset was revoked, say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasChange:
    """From when on an alias of a category stood for a model, and why; `None` is the base model."""

    category: Category
    alias: str
    model_id: str | None
    at: str
    by: str
    why: str
    override: bool = False
    """The model had not passed, or is tainted, and somebody wanted it all the same."""
    rolled_back: bool = False
    """It stands for what it stood for earlier; the changes in between are undone."""
