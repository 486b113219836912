"""What the parent asks of the child, as it stands in `config.json` of the run folder."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from toolhone.models import JsonObject

LORA_R = 16
LORA_ALPHA = 32
LORA_TARGETS = "all-linear"
"""Every linear layer but the head: the setting whose times and results were measured."""

LONGEST_ROW = 4_096
"""Tokens. Longer rows are left out, or the model's own limit applies, if it is smaller."""

ADAPTER = "adapter"
CHECKPOINTS = "checkpoints"
ANSWERS = "answers.jsonl"
ABOUT = "toolhone.json"
"""In the adapter's folder: what it belongs to and how it came about."""


class TrainingOrder(BaseModel):
    """One training, or the check of one."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    base_model: str
    """A folder, or a GGUF file in it; absolute."""
    dataset: Path
    dataset_id: str
    dataset_hash: str
    category: str
    job_id: str = ""
    n_epochs: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=1)]
    learning_rate: Annotated[float, Field(gt=0)]
    seed: int = 0
    lora_r: Annotated[int, Field(ge=1)] = LORA_R
    lora_alpha: Annotated[int, Field(ge=1)] = LORA_ALPHA
    longest_row: Annotated[int, Field(ge=16)] = LONGEST_ROW
    threads: Annotated[int, Field(ge=1)] = 1
    usd_per_hour: Annotated[float, Field(ge=0)] = 0.0
    max_cost_usd: Annotated[float, Field(ge=0)] = 0.0
    """Enforced if an hour costs something."""
    max_hours: Annotated[float, Field(gt=0)] = 24.0


class AskedQuestion(BaseModel):
    """A held-out request."""

    row_id: str
    messages: list[JsonObject]
    tools: list[JsonObject] = []
    max_tokens: Annotated[int, Field(ge=1)]


class AnsweringOrder(BaseModel):
    """Questions for one model."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    base_model: str = ""
    """Asked as it is, if there is no adapter."""
    adapter: Path | None = None
    """The folder of a tuned model, which names its base."""
    questions: list[AskedQuestion]
    batch_size: Annotated[int, Field(ge=1)] = 8
    threads: Annotated[int, Field(ge=1)] = 1
