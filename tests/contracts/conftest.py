"""Every contract test runs over the stores on disk and in memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from toolhone.records.access import TokenStore
from toolhone.records.approvals import ApprovalStore
from toolhone.records.stores import DatasetStore, JobStore, ModelStore, SnapshotStore
from toolhone.storage.approvals import SqliteApprovalStore
from toolhone.storage.audit import SqliteAuditStore
from toolhone.storage.catalogs import SqliteCatalogStore
from toolhone.storage.datasets import SqliteDatasetStore
from toolhone.storage.jobs import SqliteJobStore
from toolhone.storage.learning import SqliteLearningStore
from toolhone.storage.memory import (
    MemoryAuditStore,
    MemoryCatalogStore,
    MemoryLearningStore,
    MemoryResultStore,
    MemoryVectorStore,
)
from toolhone.storage.memory_models import MemoryModelStore
from toolhone.storage.memory_snapshots import MemorySnapshotStore
from toolhone.storage.memory_tokens import MemoryTokenStore
from toolhone.storage.models import SqliteModelStore
from toolhone.storage.results import SqliteResultStore
from toolhone.storage.snapshots import SqliteSnapshotStore
from toolhone.storage.tokens import SqliteTokenStore
from toolhone.storage.vectors import SqliteVectorStore
from toolhone.stores import AuditStore, CatalogStore, LearningStore, ResultStore, VectorStore

MAX_BYTES = 1000


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["sqlite", "memory"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def audit_store(kind: str, tmp_path: Path) -> Iterator[AuditStore]:
    store: AuditStore = SqliteAuditStore(tmp_path) if kind == "sqlite" else MemoryAuditStore()
    yield store
    store.close()


@pytest.fixture
def catalog_store(kind: str, tmp_path: Path) -> Iterator[CatalogStore]:
    store: CatalogStore = SqliteCatalogStore(tmp_path) if kind == "sqlite" else MemoryCatalogStore()
    yield store
    store.close()


@pytest.fixture
def vector_store(kind: str, tmp_path: Path) -> Iterator[VectorStore]:
    store: VectorStore = SqliteVectorStore(tmp_path) if kind == "sqlite" else MemoryVectorStore()
    yield store
    store.close()


@pytest.fixture
def result_store(kind: str, tmp_path: Path, clock: Clock) -> Iterator[ResultStore]:
    store: ResultStore = (
        SqliteResultStore(tmp_path, max_bytes=MAX_BYTES, clock=clock)
        if kind == "sqlite"
        else MemoryResultStore(max_bytes=MAX_BYTES, clock=clock)
    )
    yield store
    store.close()


@pytest.fixture
def learning_store(kind: str, tmp_path: Path) -> Iterator[LearningStore]:
    store: LearningStore = SqliteLearningStore(tmp_path) if kind == "sqlite" else MemoryLearningStore()
    yield store
    store.close()


@pytest.fixture
def model_store(kind: str, tmp_path: Path) -> Iterator[ModelStore]:
    store: ModelStore = SqliteModelStore(tmp_path) if kind == "sqlite" else MemoryModelStore()
    yield store
    store.close()


@pytest.fixture
def snapshot_store(kind: str, tmp_path: Path) -> Iterator[SnapshotStore]:
    store: SnapshotStore = SqliteSnapshotStore(tmp_path) if kind == "sqlite" else MemorySnapshotStore()
    yield store
    store.close()


@pytest.fixture
def token_store(kind: str, tmp_path: Path) -> Iterator[TokenStore]:
    store: TokenStore = SqliteTokenStore(tmp_path) if kind == "sqlite" else MemoryTokenStore()
    yield store
    store.close()


@pytest.fixture
def approval_store(tmp_path: Path) -> Iterator[ApprovalStore]:
    # What was decided must outlive the process, so there is none in memory.
    store = SqliteApprovalStore(tmp_path)
    yield store
    store.close()


@pytest.fixture
def dataset_store(tmp_path: Path) -> Iterator[DatasetStore]:
    # Its files are the point, so there is none in memory.
    store = SqliteDatasetStore(tmp_path)
    yield store
    store.close()


@pytest.fixture
def job_store(tmp_path: Path) -> Iterator[JobStore]:
    store = SqliteJobStore(tmp_path)
    yield store
    store.close()
