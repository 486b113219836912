"""What follows for jobs and models when a dataset is revoked because somebody is to be forgotten."""

from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.from_thread
import anyio.to_thread

from toolhone.datasets.preparation import Preparation
from toolhone.models import Caller
from toolhone.records.datasets import Manifest
from toolhone.records.jobs import ModelRecord
from toolhone.records.stores import DatasetStore, JobStore
from toolhone.training.copies import forget_copies
from toolhone.training.model_registry import ModelRegistry


class Revoking:
    """Makes datasets anew and keeps models, so that neither order of an erasure and a job leaves anything."""

    def __init__(
        self,
        data: Path,
        *,
        open_jobs: Callable[[], JobStore],
        open_datasets: Callable[[], DatasetStore],
        preparation: Preparation,
        registry: ModelRegistry,
    ) -> None:
        self._data = data
        self._open_jobs = open_jobs
        self._open_datasets = open_datasets
        self._preparation = preparation
        self._registry = registry

    async def revise(
        self, dataset_id: str, without: set[str], *, why: str, caller: Caller
    ) -> Manifest | None:
        """As `Preparation.revise`; what jobs and comparisons kept of the rows goes, too."""
        await anyio.to_thread.run_sync(self._forget_copies, dataset_id)
        try:
            return await self._preparation.revise(dataset_id, without, why=why, caller=caller)
        finally:
            # Answers may have come in meanwhile. Whoever writes some from now on sees that it is revoked.
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._forget_copies, dataset_id)

    def forget(self, dataset_id: str | None = None) -> None:
        """Delete the copies of rows of this dataset, or of all, where it is revoked; blocks.

        For whoever may have written some after the erasure looked: at the end of a job or comparison, and
        for those that were cut off, when the next process begins to run jobs.

        Raises:
            StorageError: Something cannot be deleted.
        """
        for manifest in self._open_datasets().manifests():
            if manifest.revoked_at is not None and dataset_id in {None, manifest.dataset_id}:
                self._forget_copies(manifest.dataset_id)

    def keep(self, model: ModelRecord) -> None:
        """Keep a model, marked if its dataset was revoked while it was trained and judged.

        Blocks; for a worker thread of the event loop.
        """
        anyio.from_thread.run(self._registry.add, model)
        # Looked at after it is kept: an erasure that comes later finds the model itself.
        manifest = self._open_datasets().manifest(model.dataset_id)
        if manifest.revoked_at is not None:
            why = f"It was trained on {model.dataset_id}, which was revoked: {manifest.revoked_why}"
            anyio.from_thread.run(self._registry.taint, model.dataset_id, why)
            self._forget_copies(model.dataset_id)

    def _forget_copies(self, dataset_id: str) -> None:
        jobs = self._open_jobs().jobs(limit=None)
        forget_copies(self._data, dataset_id, [job.job_id for job in jobs if job.dataset_id == dataset_id])
