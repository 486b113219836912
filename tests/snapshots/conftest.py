"""A collector over a store on disk or in memory, and what it tells the audit."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from toolhone.models import AuditEvent, Caller, EventKind, Json, JsonObject
from toolhone.records.stores import SnapshotStore
from toolhone.redaction import redact_record as redact
from toolhone.snapshots.collector import Collector
from toolhone.storage.memory_snapshots import MemorySnapshotStore

NOW = "2026-03-01T12:00:00.000000+00:00"


@dataclass
class Told:
    """An audit that keeps what it is told in a list."""

    events: list[AuditEvent] = field(default_factory=list[AuditEvent])
    error: Exception | None = None

    async def record(self, event: AuditEvent) -> None:
        if self.error is not None:
            raise self.error
        self.events.append(event)

    def payloads(self) -> list[JsonObject]:
        return [event.payload for event in self.events]


def new_event(kind: EventKind, caller: Caller, **fields: Json) -> AuditEvent:
    return AuditEvent(event_id="e", timestamp=NOW, kind=kind, caller=caller, **fields)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def event_of() -> Callable[..., AuditEvent]:
    return new_event


@pytest.fixture
def now() -> Callable[[], str]:
    return lambda: NOW


@pytest.fixture
def store() -> SnapshotStore:
    return MemorySnapshotStore()


@pytest.fixture
def collector_of(told: Told) -> Callable[[SnapshotStore], Collector]:
    def make(store: SnapshotStore) -> Collector:
        numbers = count(1)
        return Collector(
            lambda: store,
            redact=redact,
            record=told.record,
            new_event=new_event,
            now=lambda: NOW,
            new_id=lambda: f"s{next(numbers):04}",
        )

    return make


@pytest.fixture
def collector(collector_of: Callable[[SnapshotStore], Collector], store: SnapshotStore) -> Collector:
    return collector_of(store)


@pytest.fixture
def handed_in() -> Callable[..., JsonObject]:
    """A snapshot as an agent hands it in."""

    def make(**changes: Json) -> JsonObject:
        return {
            "agent_id": "scanner-1",
            "agent_name": "Scanner",
            "category": "core_security",
            "task_type": "scan",
            "input_data": {"path": "app.py"},
            "output_data": {"findings": 2},
            "success": True,
            "performance_score": 0.9,
            "execution_time_ms": 120,
            **changes,
        }

    return make


@pytest.fixture
def scripts() -> Path:
    return Path(__file__).parent / "scripts"
