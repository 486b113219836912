"""Snapshots of made-up work, a store of them in memory, and a store of datasets on disk."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from toolhone.datasets.preparation import Preparation
from toolhone.models import AuditEvent, Category, Json
from toolhone.records.snapshots import Snapshot
from toolhone.storage.datasets import SqliteDatasetStore
from toolhone.storage.memory_snapshots import MemorySnapshotStore

START = datetime(2026, 1, 1, tzinfo=UTC)
New = Callable[..., Snapshot]


def words(number: int) -> str:
    """A text that is near to that of no other number."""
    rng = random.Random(number)
    return " ".join(f"{rng.choice('bdfgk')}{rng.randrange(100_000)}" for _ in range(12))


@pytest.fixture
def new() -> New:
    """Makes a snapshot, each later than the one before and different from it."""
    numbers = count(1)

    def make(**changes: Any) -> Snapshot:
        number = next(numbers)
        fields: dict[str, Json] = {
            "snapshot_id": f"s{number:06}",
            "recorded_at": (START + timedelta(seconds=number)).isoformat(timespec="microseconds"),
            "agent_id": "agent",
            "agent_name": "Agent",
            "category": Category.CORE_SECURITY,
            "task_type": "scan",
            "input_data": {"request": words(number)},
            "output_data": {"answer": words(number + 500_000)},
            "success": True,
            "performance_score": 0.9,
            "execution_time_ms": 10.0,
            "tokens_used": 5,
        }
        return Snapshot(**{**fields, **changes})

    return make


@dataclass
class Workplace:
    """A preparation with its stores, and what it recorded."""

    snapshots: MemorySnapshotStore
    datasets: SqliteDatasetStore
    folder: Path
    events: list[AuditEvent] = field(default_factory=list[AuditEvent])
    moments: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def preparation(self) -> Preparation:
        return Preparation(
            lambda: self.snapshots,
            lambda: self.datasets,
            count_tokens=lambda text: len(text.split()),
            now=self.now,
            record=self.record,
        )

    def now(self) -> str:
        """A second later than the last time."""
        moment = START + timedelta(days=1, seconds=next(self.moments))
        return moment.isoformat(timespec="microseconds")

    async def record(self, event: AuditEvent) -> None:
        self.events.append(event)

    @property
    def left(self) -> list[str]:
        """What lies in the folder of datasets."""
        folder = self.folder / "datasets"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    store = SqliteDatasetStore(tmp_path)
    yield Workplace(MemorySnapshotStore(), store, tmp_path)
    store.close()
