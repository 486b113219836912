"""One piece of an agent's work, as it is handed in and as it is kept."""

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from toolhone.models import Category, Json, JsonObject

Name = Annotated[str, Field(min_length=1, max_length=200)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class NewSnapshot(BaseModel):
    """What an agent did, in its own words; nothing of it is redacted yet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agent_id: Name
    agent_name: Name
    category: Category
    task_type: Name
    input_data: Json
    """An object; a chat if it has `messages`, in the form of OpenAI's API, and perhaps `tools`."""
    output_data: Json
    """What the agent answered; a chat turn if it has `messages`, or `content` and `tool_calls`."""
    success: bool
    performance_score: Share
    """How well it was done: 0 to 1."""
    execution_time_ms: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    tokens_used: Annotated[int, Field(ge=0)] = 0
    user_feedback: Share | None = None
    session: Annotated[str, Field(max_length=200)] | None = None
    user_id: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Whose data it is. Only a keyed hash is kept, by which it can be erased."""
    tools_offered: tuple[str, ...] = ()
    tools_used: tuple[str, ...] = ()
    metadata: JsonObject = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What is kept of it: redacted, and bound to no person by name."""

    snapshot_id: str
    recorded_at: str
    """UTC, ISO 8601 with microseconds and `+00:00`."""
    agent_id: str
    agent_name: str
    category: Category
    task_type: str
    input_data: Json
    output_data: Json
    success: bool
    performance_score: float
    execution_time_ms: float
    tokens_used: int = 0
    user_feedback: float | None = None
    session: str | None = None
    subject: str | None = None
    """Keyed hash of the user's id; the same user has the same in this data folder, and nowhere else."""
    tools_offered: tuple[str, ...] = ()
    tools_used: tuple[str, ...] = ()
    metadata: JsonObject = field(default_factory=dict[str, Json])


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotQuery:
    """Which snapshots; every field that is not `None` must match. Times are ISO 8601 UTC."""

    category: Category | None = None
    agent_id: str | None = None
    subject: str | None = None
    task_type: str | None = None
    success: bool | None = None
    since: str | None = None
    until: str | None = None
    limit: int | None = None
    newest_first: bool = False
    after: tuple[str, str] | None = None
    """Only what comes after this one in the order asked for: when it was recorded, and its id. If it is gone,
    what was recorded at that very moment is there again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryCount:
    """How much there is of one category."""

    category: Category
    snapshots: int
    successes: int
    oldest: str
    newest: str
    mean_score: float
