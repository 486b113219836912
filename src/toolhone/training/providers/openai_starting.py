"""Starts a training at a service with OpenAI's API, and never pays for it twice.

A paid job is asked for once. Before that, a note on the disk says so. When the answer is lost, the job is
looked for at the service by its tag and its training file, for as long as its list may lag behind, and
only if it surely is not there it is asked for again.
"""

import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from toolhone.exceptions import ProviderError, ProviderRefusedError, ProviderUnavailableError
from toolhone.json_values import is_object
from toolhone.models import JsonObject
from toolhone.records.datasets import Split
from toolhone.training.costs import Price
from toolhone.training.providers.openai_files import suffix_of, write_training_file
from toolhone.training.providers.openai_submission import (
    Submission,
    file_name,
    read_submission,
    write_submission,
)
from toolhone.training.providers.provider import TrainingRequest

if TYPE_CHECKING:
    from toolhone.training.providers.openai_wire import Wire

logger = logging.getLogger(__name__)

TAG = "toolhone_key"
"""The metadata by which a job is found again."""

_TRIES = 4
_PAUSE_SECONDS = 2.0
_PAUSE_MOST = 20.0
_PROCESSING_SECONDS = 600.0
_PROCESSING = {"pending", "running", "queued", "notrunning"}
"""Azure's words for a file that it is still reading; a job may not name such a file."""
_UNUSABLE = {"error", "failed", "deleted", "deleting"}


class Starting:
    """Uploads, creation and finding again of the jobs at one service."""

    def __init__(
        self,
        connect: Callable[[], Awaitable["Wire"]],
        *,
        base_url: str,
        azure: bool,
        settle_seconds: float,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._connect = connect
        self._base_url = base_url
        self._azure = azure
        self._settle = settle_seconds
        self._now = now
        self._sleep = sleep

    async def read(self, request: TrainingRequest) -> Submission:
        return await anyio.to_thread.run_sync(read_submission, request.workspace, request.key, self._base_url)

    async def submit(self, request: TrainingRequest, price_now: Callable[[], Price]) -> str:
        """The id of the one job of this request.

        Args:
            price_now: Asked only if the job has yet to be started; raises if it may not be.

        Raises:
            ProviderRefusedError: It was not started, and will not be as it is.
            ProviderUnavailableError: It was not started, or nobody knows; next time it is looked for.
            ProviderError: It was asked for before, and whether it was started cannot be said.
            StorageError: What is sent cannot be noted, so it was not sent.
        """
        submission = await self.read(request)
        if submission.job_id is None and submission.asked_at is not None:
            await self._look_until_settled(request, submission)
        if submission.job_id is not None:
            return submission.job_id
        price = price_now()
        submission.price = asdict(price) | {"as_of": price.as_of.isoformat()}
        wire = await self._connect()
        for split in (Split.TRAIN, Split.VALIDATION):
            await self._upload(wire, request, submission, split)
        if self._azure:
            for split, file_id in submission.files.items():
                await self._until_processed(wire, split, file_id)
        return await self._create(wire, request, submission)

    async def find(self, request: TrainingRequest) -> str | None:
        submission = await self.read(request)
        if submission.job_id is None:
            await self._look_until_settled(request, submission)
        return submission.job_id

    async def _upload(
        self, wire: "Wire", request: TrainingRequest, submission: Submission, split: Split
    ) -> None:
        empty = split is Split.VALIDATION and not request.manifest.counts.get(split)
        if split in submission.files or empty:
            return
        name = file_name(request.key, split)
        file_id = await wire.find_file(name) if split in submission.uploading else None
        if file_id is None:
            path = request.workspace / name
            await anyio.to_thread.run_sync(write_training_file, request.dataset, split, path, self._azure)
            submission.uploading = [*submission.uploading, split.value]
            await self._note(request.workspace, submission)
            file_id = str((await wire.upload(path, name))["id"])
            # It is a copy of the dataset, which alone is erased on demand.
            await anyio.to_thread.run_sync(path.unlink)
        submission.files = {**submission.files, split.value: file_id}
        await self._note(request.workspace, submission)

    async def _until_processed(self, wire: "Wire", split: str, file_id: str) -> None:
        deadline = self._now() + _PROCESSING_SECONDS
        pause = _PAUSE_SECONDS
        while True:
            file = await wire.file(file_id)
            status = str(file.get("status", "")).lower()
            if status in _UNUSABLE:
                raise ProviderRefusedError(
                    f"The service cannot use the {split} file {file_id!r} ({status}): "
                    f"{file.get('status_details') or 'it gives no reason'}. No job was started."
                )
            if status not in _PROCESSING:
                return
            if self._now() >= deadline:
                raise ProviderUnavailableError(
                    f"The service has not finished reading the {split} file {file_id!r} ({status}). No job "
                    "was started; the file is kept there and used when it is tried again."
                )
            await self._sleep(pause)
            pause = min(pause * 1.5, _PAUSE_MOST)

    async def _create(self, wire: "Wire", request: TrainingRequest, submission: Submission) -> str:
        hyperparameters: JsonObject = {
            "n_epochs": request.config.n_epochs,
            "batch_size": batch_size(request.config.batch_size, request.manifest.counts.get(Split.TRAIN, 0)),
        }
        for attempt in range(_TRIES):
            submission.asked_at = self._now()
            await self._note(request.workspace, submission)
            try:
                job = await wire.create_job(
                    key=request.key,
                    model=request.config.base_model,
                    training_file=submission.files[Split.TRAIN],
                    validation_file=submission.files.get(Split.VALIDATION),
                    method={"type": "supervised", "supervised": {"hyperparameters": hyperparameters}},
                    seed=request.config.seed,
                    suffix=suffix_of(request.config, azure=self._azure),
                    metadata={
                        TAG: request.key,
                        "toolhone_job": request.job_id,
                        "toolhone_dataset": request.manifest.content_hash,
                    },
                )
            except ProviderUnavailableError:
                # Turned away before anything was done.
                await self._forget_asking(request.workspace, submission)
                if attempt + 1 == _TRIES:
                    raise
                await self._sleep(_PAUSE_SECONDS * 2**attempt)
                continue
            except ProviderRefusedError:
                await self._forget_asking(request.workspace, submission)
                raise
            if job is not None:
                submission.job_id = str(job["id"])
                await self._note(request.workspace, submission)
                return submission.job_id
            await self._look_until_settled(request, submission)
            if submission.job_id is not None:
                return submission.job_id
        raise ProviderUnavailableError(
            f"{self._base_url!r} was asked {_TRIES} times for a fine-tuning job, each answer was lost, and "
            "no such job is in its list. Nothing is known to have been started; try again later."
        )

    async def _look_until_settled(self, request: TrainingRequest, submission: Submission) -> None:
        """Find the job of this request, and note its id. If none is noted on return, there surely is none."""
        asked_at = submission.asked_at
        wait = 0.0 if asked_at is None else min(self._settle, asked_at + self._settle - self._now())
        until = self._now() + wait
        while True:
            settled = self._now() >= until
            try:
                found = await self._look(request, submission)
            except ProviderRefusedError as error:
                # A refusal would read as: surely not started.
                raise ProviderError(
                    f"Whether the training was started cannot be said: {error.message}", data=error.data
                ) from error
            if found is not None:
                logger.info("the job %s was started before and is taken up", found)
                submission.job_id = found
                await self._note(request.workspace, submission)
                return
            if settled:
                return
            await self._sleep(min(_PAUSE_SECONDS, max(until - self._now(), 0.0)))

    async def _look(self, request: TrainingRequest, submission: Submission) -> str | None:
        training_file = submission.files.get(Split.TRAIN)
        wire = await self._connect()
        async with aclosing(wire.jobs()) as jobs:
            async for job in jobs:
                metadata = job.get("metadata")
                tagged = is_object(metadata) and metadata.get(TAG) == request.key
                # Its file was uploaded for this request only: enough where tags are not given back.
                if tagged or (training_file is not None and job.get("training_file") == training_file):
                    return str(job["id"])
        return None

    async def _forget_asking(self, workspace: Path, submission: Submission) -> None:
        submission.asked_at = None
        await self._note(workspace, submission)

    async def _note(self, workspace: Path, submission: Submission) -> None:
        await anyio.to_thread.run_sync(write_submission, workspace, submission)


def batch_size(asked: int, rows: int) -> int:
    """No batch can be larger than the training file."""
    return min(asked, rows) if rows else asked
