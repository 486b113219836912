"""What the seed's endpoints of fine-tuning take and give: its fields, and ours beside them."""

import math
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from toolhone.models import Category, JsonObject
from toolhone.records.datasets import Manifest, Split, SplitBy
from toolhone.records.jobs import FinetuningConfig, FinetuningProvider, Job, JobStatus, Plan
from toolhone.records.snapshots import Name, NewSnapshot, Share


class SeedStatus(StrEnum):
    """The seed's words for where a job is. It has one that nothing here is: `collecting_data`."""

    PENDING = "pending"
    PREPARING_DATASET = "preparing_dataset"
    TRAINING = "training"
    VALIDATING = "validating"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


SEED_STATUS: dict[JobStatus, SeedStatus] = {
    JobStatus.AWAITING_APPROVAL: SeedStatus.PENDING,
    JobStatus.QUEUED: SeedStatus.PENDING,
    JobStatus.VALIDATING_FILES: SeedStatus.PREPARING_DATASET,
    JobStatus.RUNNING: SeedStatus.TRAINING,
    JobStatus.PAUSED: SeedStatus.TRAINING,
    JobStatus.EVALUATING: SeedStatus.VALIDATING,
    JobStatus.SUCCEEDED: SeedStatus.COMPLETED,
    JobStatus.GATE_FAILED: SeedStatus.FAILED,
    JobStatus.FAILED: SeedStatus.FAILED,
    JobStatus.CANCELLED: SeedStatus.CANCELLED,
    JobStatus.COST_STOPPED: SeedStatus.FAILED,
    JobStatus.NEEDS_ATTENTION: SeedStatus.FAILED,
}
"""What code written for the seed reads: it waits for one of three words, and a job that is over has one."""

SNAPSHOT: JsonObject = {
    "agent_id": "scanner_v2",
    "agent_name": "Scanner V2",
    "category": "core_security",
    "task_type": "code_scan",
    "input_data": {"file_path": "app.py"},
    "output_data": {"vulnerabilities": [{"line": 12, "kind": "sql_injection"}]},
    "success": True,
    "performance_score": 0.95,
    "execution_time_ms": 1250.5,
    "tokens_used": 150,
    "user_feedback": 0.9,
    "metadata": {"model": "claude-sonnet"},
}

CONFIG: JsonObject = {
    "category": "core_security",
    "provider": "local",
    "base_model": "/models/tiny-instruct",
    "n_epochs": 3,
    "batch_size": 8,
    "learning_rate": 0.0001,
    "max_training_cost_usd": 50.0,
    "model_version": "1.0.0",
    "description": "Scanner, November",
    "tags": ["security"],
}

JOB: JsonObject = {
    "job_id": "finetune_core_security_20261123_101112_a1b2c3",
    "category": "core_security",
    "status": "training",
    "state": "running",
    "created_at": "2026-11-23T10:11:12.000000+00:00",
    "started_at": "2026-11-23T10:11:13.000000+00:00",
    "completed_at": None,
    "training_samples": 240,
    "validation_samples": 30,
    "current_epoch": 1,
    "training_loss": 0.412,
    "validation_accuracy": None,
    "finetuned_model_id": None,
    "cost_usd": 0.0,
    "error_message": None,
    "provider": "local",
    "plan_id": "plan_20261123_101110_0a1b2c3d",
    "dataset_id": "core_security_20261123_101010_a1b2c3",
    "progress": 0.34,
}


class CollectedSnapshot(BaseModel):
    """What an agent did, as the seed hands it in; and our own fields beside."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [SNAPSHOT]})

    agent_id: Name
    agent_name: Name
    category: Category
    task_type: Name
    input_data: JsonObject
    output_data: JsonObject
    success: bool
    performance_score: Share
    execution_time_ms: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    tokens_used: Annotated[int, Field(ge=0)] = 0
    user_feedback: Share | None = None
    metadata: JsonObject | None = None
    session: Annotated[str, Field(max_length=200)] | None = None
    user_id: Annotated[
        Name | None, Field(description="Whose data it is. Only a keyed hash is kept, by which it is erased.")
    ] = None
    tools_offered: list[str] = []
    tools_used: list[str] = []

    def as_new(self) -> NewSnapshot:
        """The same in our terms."""
        return NewSnapshot.model_validate({**self.model_dump(), "metadata": self.metadata or {}})


class Collected(BaseModel):
    """It is kept, redacted, on the disk."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "success",
                    "message": "Performance snapshot collected",
                    "agent_name": "Scanner V2",
                    "category": "core_security",
                    "snapshot_id": "019ab1c2-7d3e-7f00-8a1b-2c3d4e5f6071",
                }
            ]
        }
    )

    status: Literal["success"] = "success"
    message: str = "Performance snapshot collected"
    agent_name: str
    category: Category
    snapshot_id: str


class SeedDatasetRequest(BaseModel):
    """What a dataset is made of. Nothing is needed: every field has its default."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "category": "core_security",
                    "min_samples": 100,
                    "max_samples": 10000,
                    "quality_threshold": 0.7,
                    "time_range_days": 30,
                }
            ]
        },
    )

    category: Annotated[
        Category | None, Field(description="May be left out; must be that of the address.")
    ] = None
    min_samples: Annotated[int, Field(ge=10)] = 100
    max_samples: Annotated[int, Field(ge=100, le=1_000_000)] = 10_000
    quality_threshold: Annotated[float, Field(ge=0, le=1)] = 0.7
    time_range_days: Annotated[int, Field(ge=1, le=365)] = 30
    split_by: SplitBy = SplitBy.GROUP
    balance: Annotated[
        bool, Field(description="Whether a task type that has far more rows gives some of them up.")
    ] = True


class SeedDataset(BaseModel):
    """A dataset that was made."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "dataset_id": "core_security_20261123_101010_a1b2c3",
                    "category": "core_security",
                    "created_at": "2026-11-23T10:10:10.000000+00:00",
                    "train_samples": 240,
                    "val_samples": 30,
                    "test_samples": 30,
                    "statistics": {"total_samples": 300, "success_rate": 1.0},
                    "content_hash": "sha256:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
                    "version": 1,
                }
            ]
        }
    )

    dataset_id: str
    category: Category
    created_at: str
    train_samples: int
    val_samples: int
    test_samples: int
    statistics: JsonObject
    content_hash: str
    version: int

    @classmethod
    def of(cls, manifest: Manifest) -> "SeedDataset":
        return cls(
            dataset_id=manifest.dataset_id,
            category=manifest.category,
            created_at=manifest.created_at,
            train_samples=manifest.counts.get(Split.TRAIN, 0),
            val_samples=manifest.counts.get(Split.VALIDATION, 0),
            test_samples=manifest.counts.get(Split.TEST, 0),
            statistics=manifest.statistics,
            content_hash=manifest.content_hash,
            version=manifest.version,
        )


class SeedJobRequest(FinetuningConfig):
    """How to fine-tune, as the seed asks for it."""

    dataset_id: Annotated[
        str | None, Field(max_length=200, description="By default the newest of the category.")
    ] = None

    def config(self) -> FinetuningConfig:
        """The same without the dataset."""
        return FinetuningConfig.model_validate(self.model_dump(exclude={"dataset_id"}))


class PlanNamed(BaseModel):
    """A plan that was made before (`POST /api/v1/plans`): its job runs it and nothing else."""

    model_config = ConfigDict(extra="forbid")

    plan_id: Annotated[str, Field(min_length=1, max_length=200)]


class SeedJob(BaseModel):
    """How a fine-tuning goes, in the seed's words."""

    model_config = ConfigDict(json_schema_extra={"examples": [JOB]})

    job_id: str
    category: Category
    status: Annotated[
        SeedStatus,
        Field(description="One of the seed's words; a job that is over is completed, failed or cancelled."),
    ]
    state: Annotated[JobStatus, Field(description="Our word, which says more.")]
    created_at: str
    started_at: str | None
    completed_at: str | None
    training_samples: int
    validation_samples: int
    current_epoch: Annotated[int, Field(description="Epochs that are done.")]
    training_loss: Annotated[float | None, Field(description="The last one; null until there is one.")]
    validation_accuracy: Annotated[
        float | None, Field(description="Mean score of the answers to held-out requests; null until then.")
    ]
    finetuned_model_id: str | None
    cost_usd: float
    error_message: str | None
    provider: FinetuningProvider
    plan_id: str
    dataset_id: str
    progress: Annotated[float, Field(ge=0, le=1, description="Of the training.")]

    @classmethod
    def of(cls, job: Job, manifest: Manifest) -> "SeedJob":
        return cls(
            job_id=job.job_id,
            category=job.category,
            status=SEED_STATUS[job.status],
            state=job.status,
            created_at=job.created_at,
            started_at=job.started_at,
            completed_at=job.finished_at,
            training_samples=manifest.counts.get(Split.TRAIN, 0),
            validation_samples=manifest.counts.get(Split.VALIDATION, 0),
            current_epoch=math.floor(job.epoch or 0),
            training_loss=job.training_loss,
            validation_accuracy=job.validation_score,
            finetuned_model_id=job.model_id,
            cost_usd=job.cost_usd,
            error_message=job.error,
            provider=job.provider,
            plan_id=job.plan_id,
            dataset_id=job.dataset_id,
            progress=job.progress,
        )


class CreatedSeedJob(SeedJob):
    """A job that was just created, and what is to be known before it runs."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **JOB,
                    "status": "pending",
                    "state": "queued",
                    "started_at": None,
                    "current_epoch": 0,
                    "training_loss": None,
                    "progress": 0.0,
                    "needs_approval": False,
                    "upper_bound_usd": 0.0,
                    "warnings": ["batch_size is not followed: the provider chooses it."],
                }
            ]
        }
    )

    needs_approval: Annotated[bool, Field(description="It costs money and waits until an admin approves it.")]
    upper_bound_usd: float
    warnings: Annotated[list[str], Field(description="What of the request cannot be followed, and the like.")]

    @classmethod
    def created(cls, job: Job, manifest: Manifest, plan: Plan) -> "CreatedSeedJob":
        return cls(
            **SeedJob.of(job, manifest).model_dump(),
            needs_approval=plan.needs_approval,
            upper_bound_usd=plan.estimate.upper_bound_usd,
            warnings=list(plan.estimate.warnings),
        )


class SeedStatistics(BaseModel):
    """Learning from work in numbers."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "total_snapshots": 300,
                    "datasets_prepared": 1,
                    "active_jobs": 1,
                    "completed_jobs": 2,
                    "failed_jobs": 0,
                    "categories_with_data": ["core_security"],
                    "total_cost_usd": 1.28,
                }
            ]
        }
    )

    total_snapshots: int
    datasets_prepared: int
    active_jobs: int
    completed_jobs: int
    failed_jobs: int
    categories_with_data: list[Category]
    total_cost_usd: float
