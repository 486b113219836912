"""What of learning from work is kept: one protocol a store, implemented in `storage/`.

As in `toolhone.stores`: all methods block, are safe to call from any one thread at a time, and several
processes may use the same data folder at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from toolhone.models import Category, JsonObject
from toolhone.records.course import JobCourse
from toolhone.records.datasets import Manifest, Pair, Row, Split
from toolhone.records.jobs import AliasChange, Job, JobEvent, JobStatus, ModelRecord, Plan, Submission
from toolhone.records.snapshots import CategoryCount, Snapshot, SnapshotQuery


class SnapshotStore(Protocol):
    """Snapshots, redacted before they get here."""

    def add(self, snapshots: Sequence[Snapshot]) -> None:
        """Keep them all, in one transaction that outlives the death of the process on return."""
        ...

    def select(self, query: SnapshotQuery) -> Iterator[Snapshot]:
        """The matching ones, streamed, by time: those that are there when it begins, each once."""
        ...

    def added(self, after: int, limit: int) -> tuple[list[tuple[int, Snapshot]], int]:
        """The first of those that were kept after the one of this number, each with its own; and the last
        number that was ever given. Numbers rise in the order of keeping, and none is given twice."""
        ...

    def count(self, query: SnapshotQuery) -> int: ...

    def counts(self) -> list[CategoryCount]: ...

    def delete(self, query: SnapshotQuery) -> list[str]:
        """Delete the matching ones, overwritten on the disk; returns their ids."""
        ...

    def erase(self, *, agent_id: str | None = None, subject: str | None = None, at: str) -> list[str]:
        """Delete all of an agent or a subject, and remember the ids as erased; returns them.

        Among them are those that `delete` took before, since a dataset may still hold them.

        Raises:
            InvalidRequestError: Neither or both are named.
        """
        ...

    def erased(self) -> list[str]:
        """The ids of all that were ever erased, oldest first: no dataset may hold one of them."""
        ...

    def subject_key(self) -> bytes:
        """The secret of this data folder that users' ids are hashed with; made when first asked for."""
        ...

    def close(self) -> None: ...


class DatasetStore(Protocol):
    """Datasets: a folder of immutable files each, and a manifest."""

    def create(
        self,
        manifest: Manifest,
        files: Mapping[str, Path],
        members: Iterator[tuple[str, Split | str]],
    ) -> Manifest:
        """Move the files into the dataset's folder and keep its manifest: whole or not at all.

        Returns the manifest with the version that it got; or that of the dataset of this category, not
        revoked, that has the same content already, and nothing is kept then.

        Args:
            files: By the name they get. They are on the same disk (`workspace`).
            members: The snapshot ids that are in it, and where (`train`, …, `failures`, `pairs`).

        Raises:
            StorageError: No room on the disk, say. Nothing is kept then.
        """
        ...

    def workspace(self) -> Path:
        """A fresh private folder on the same disk, for files that are being made.

        Whoever asked for it removes it; if that process dies, it goes when somebody asks for the next one.
        """
        ...

    def manifests(self, category: Category | None = None) -> list[Manifest]:
        """The newest first, revoked ones too."""
        ...

    def manifest(self, dataset_id: str) -> Manifest:
        """Raises NotFoundError if there is none of this id; the message names some that exist."""
        ...

    def folder(self, dataset_id: str) -> Path:
        """Its files, checked against the manifest's hashes.

        Raises:
            NotFoundError: There is none of this id.
            ConflictError: It is revoked.
            DamagedStorageError: A file is missing or was changed.
        """
        ...

    def rows(self, dataset_id: str, split: Split) -> Iterator[Row]: ...

    def failures(self, dataset_id: str) -> Iterator[Row]: ...

    def pairs(self, dataset_id: str) -> Iterator[Pair]: ...

    def members(self, dataset_id: str) -> set[str]:
        """The snapshot ids that are in it; none if it is revoked."""
        ...

    def holding(self, snapshot_ids: Sequence[str]) -> list[Manifest]:
        """The datasets, not revoked, in which one of these snapshots is."""
        ...

    def revoke(self, dataset_id: str, *, at: str, why: str, replaced_by: str | None) -> None:
        """Delete its files, overwritten; the manifest stays, marked."""
        ...

    def close(self) -> None: ...


class JobStore(Protocol):
    """Plans, jobs and their events, paid steps, and budgets."""

    def add_plan(self, plan: Plan) -> None: ...

    def plan(self, plan_id: str) -> Plan:
        """Raises NotFoundError if there is none."""
        ...

    def create(self, job: Job) -> Job:
        """Keep it, unless the plan has a job already: then that one is returned, and nothing is written."""
        ...

    def job(self, job_id: str) -> Job:
        """Raises NotFoundError if there is none; the message names the newest ones."""
        ...

    def jobs(
        self,
        *,
        category: Category | None = None,
        status: Sequence[JobStatus] | None = None,
        limit: int | None = 50,
    ) -> list[Job]:
        """The newest first."""
        ...

    def update(
        self,
        job_id: str,
        changes: Mapping[str, object],
        *,
        at: str,
        event: tuple[str, str, JsonObject] | None = None,
        only_from: Sequence[JobStatus] | None = None,
    ) -> Job | None:
        """Change these fields of the job, and note an event (kind, message, data), in one transaction.

        Args:
            only_from: Nothing is changed, and `None` returned, if its status is none of these.
        """
        ...

    def events(self, job_id: str, *, after: int = 0, limit: int | None = None) -> list[JobEvent]:
        """Oldest first."""
        ...

    def course(self, job_id: str, *, attempt: int, said: int, points: int) -> JobCourse:
        """What was said last, and the figures of an attempt; it takes about as long for many events.

        Args:
            attempt: The last one; what is of those before is left out.
            said: How many events at most.
            points: How many figures about: as many again of costs and of validations, which are rare.
        """
        ...

    def begin_submission(self, submission: Submission) -> Submission:
        """Keep it, unless this job and attempt has one: then that one is returned, and nothing is written."""
        ...

    def finish_submission(self, job_id: str, attempt: int, provider_job_id: str) -> None: ...

    def submission(self, job_id: str, attempt: int) -> Submission | None: ...

    def budget(self, category: Category) -> tuple[float | None, float, float]:
        """The limit in USD (`None`: none was set), what is reserved, and what is spent."""
        ...

    def set_budget(self, category: Category, limit_usd: float | None, *, at: str) -> None: ...

    def reserve(self, job_id: str, category: Category, amount_usd: float, *, at: str) -> bool:
        """Set so much aside for the job, once; False if the budget of the category has not that much left.

        The id may be of other work that costs, such as a comparison of models.
        """
        ...

    def settle(self, job_id: str, spent_usd: float, *, at: str) -> None:
        """Turn what was reserved for the job into what was really spent; again with more if more was."""
        ...

    def spent(self, category: Category | None = None) -> float:
        """What was spent in all, of every attempt and of comparisons."""
        ...

    def close(self) -> None: ...


class ModelStore(Protocol):
    """Models that jobs made, and what the aliases stand for."""

    def add(self, model: ModelRecord) -> None:
        """Keep it; in the place of one of the same id, whose mark of being tainted stays."""
        ...

    def models(self, category: Category | None = None) -> list[ModelRecord]:
        """The newest first."""
        ...

    def model(self, model_id: str) -> ModelRecord:
        """Raises NotFoundError if there is none; the message names some that exist."""
        ...

    def taint(self, dataset_id: str, why: str) -> list[str]:
        """Mark all models that were trained on it, if they are not yet; returns the ids of all of them."""
        ...

    def set_alias(self, change: AliasChange, *, instead_of: AliasChange | None) -> bool:
        """Keep the change, unless the alias no longer stands for `instead_of` (`None`: it never was set).

        Returns:
            Whether it was kept. If not, another process changed the alias meanwhile.
        """
        ...

    def aliases(self, category: Category | None = None) -> list[AliasChange]:
        """What each alias stands for now."""
        ...

    def alias_history(self, category: Category, alias: str) -> list[AliasChange]:
        """The newest first."""
        ...

    def close(self) -> None: ...
