"""What a dataset is asked for with, what its rows are, and what its manifest says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from toolhone.models import Category, Json, JsonObject


class Split(StrEnum):
    """A part of a dataset."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class Purpose(StrEnum):
    """What a dataset can train."""

    AGENT = "agent"
    SELECTOR = "selector"


class SplitBy(StrEnum):
    """What decides the part that a row goes to."""

    GROUP = "group"
    """The hash of its group of near-duplicates."""
    TIME = "time"
    """Its time: the newest are the test. A group goes where its newest row goes."""


class DatasetRequest(BaseModel):
    """What to prepare a dataset from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    category: Category
    min_samples: Annotated[int, Field(ge=1)] = 100
    max_samples: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    quality_threshold: Annotated[float, Field(ge=0, le=1)] = 0.7
    time_range_days: Annotated[int, Field(ge=1, le=3_650)] = 30
    split_by: SplitBy = SplitBy.GROUP
    balance: bool = True
    """Whether a task type that has far more rows than the others gives some of them up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One example, in the messages of OpenAI's chat API.

    `messages` ends with the assistant's answer; what it was asked is all before that answer.
    """

    row_id: str
    """The snapshot it was made from."""
    group: str
    """Rows that are nearly the same share it, and so are never in two splits."""
    task_type: str
    messages: tuple[JsonObject, ...]
    """Assistant's turns that were there before the answer have a `weight` of 0: nobody is to learn them."""
    tools: tuple[JsonObject, ...] = ()
    score: float
    recorded_at: str
    execution_time_ms: float = 0.0
    tokens_used: int = 0
    task: str | None = None
    """The words in which tools were asked for, if there were any: what the selector learns from."""
    tools_used: tuple[str, ...] = ()
    tools_offered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two answers to one request: what to prefer to what. Both in the messages of OpenAI's chat API."""

    group: str
    request: tuple[JsonObject, ...]
    tools: tuple[JsonObject, ...] = ()
    preferred: tuple[JsonObject, ...]
    rejected: tuple[JsonObject, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All that is known of one dataset. Never changed, but for its revocation."""

    purpose: Purpose = Purpose.AGENT
    dataset_id: str
    """`{category}_{YYYYmmdd_HHMMSS}_{beginning of the hash}`."""
    category: Category
    version: int
    """Counts the datasets of a category."""
    created_at: str
    content_hash: str
    """Over the hashes of its files: the same rows in the same splits have the same."""
    parent: str | None = None
    """The dataset that this one takes the place of, after an erasure."""
    request: JsonObject
    counts: Mapping[str, int]
    """Rows by split, and `failures` and `pairs`."""
    files: Mapping[str, str]
    """The hash of each file."""
    dropped: Mapping[str, int]
    """How many snapshots were left out, by reason."""
    statistics: JsonObject = field(default_factory=dict[str, Json])
    """total_samples, success_rate, avg_performance_score, …, and token lengths and a score histogram."""
    revoked_at: str | None = None
    revoked_why: str | None = None
    replaced_by: str | None = None
