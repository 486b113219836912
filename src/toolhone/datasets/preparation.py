"""Prepares datasets from snapshots, makes them anew after an erasure, and exports them."""

import logging
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import anyio.from_thread
import anyio.to_thread

from toolhone.events import new_event
from toolhone.exceptions import DamagedStorageError, InvalidRequestError, StorageError, ToolhoneError
from toolhone.models import AuditEvent, Caller, Category, EventKind, JsonObject
from toolhone.records.datasets import DatasetRequest, Manifest, Row, Split
from toolhone.records.snapshots import SnapshotQuery
from toolhone.records.stores import DatasetStore, SnapshotStore

if TYPE_CHECKING:
    from toolhone.datasets.building import Built
    from toolhone.datasets.checks import Problem

logger = logging.getLogger(__name__)

T = TypeVar("T")

Progress = Callable[[str, int, int], None]
"""Receives what is being done, how much of it is done, and how much there is; in the event loop."""

ERASED = "some of its snapshots were erased while it was prepared"


class Record(Protocol):
    """Writes an event to the audit log."""

    async def __call__(self, event: AuditEvent) -> None: ...


class Preparation:
    """Makes datasets. Everything that takes long runs in a worker thread.

    Args:
        open_snapshots: The store of snapshots, opened when it is first asked for; it stays its owner's.
        open_datasets: Likewise that of datasets.
        count_tokens: Counts the tokens of a text.
        now: The present moment in ISO 8601, UTC.
        record: Writes what was done to the audit log.
    """

    def __init__(
        self,
        open_snapshots: Callable[[], SnapshotStore],
        open_datasets: Callable[[], DatasetStore],
        *,
        count_tokens: Callable[[str], int],
        now: Callable[[], str],
        record: Record,
    ) -> None:
        self._open_snapshots = open_snapshots
        self._open_datasets = open_datasets
        self._count_tokens = count_tokens
        self._now = now
        self._record = record

    async def prepare(
        self, request: DatasetRequest, *, caller: Caller, progress: Progress | None = None
    ) -> Manifest:
        """Make an immutable dataset of a category's snapshots; the same content again is the same dataset.

        Raises:
            InsufficientDataError: There are too few rows that are fit to be learned.
            InvalidRequestError: No dataset could ever be as asked.
            StorageError: It could not be written. Nothing is kept then.
        """
        asked: JsonObject = {"what": "prepare", "request": request.model_dump(mode="json")}
        async with _Recorded(self._record, self._now, caller, asked) as details:
            if request.min_samples > request.max_samples:
                raise InvalidRequestError(
                    f"min_samples is {request.min_samples} and max_samples {request.max_samples}: "
                    "no dataset can have at least the one and at most the other."
                )
            manifest = await anyio.to_thread.run_sync(lambda: self._prepare(request, _in_the_loop(progress)))
            details |= _named(manifest)
        # An erasure that ran meanwhile did not see the new dataset; whichever comes last looks again.
        gone = await anyio.to_thread.run_sync(lambda: self._erased_members(manifest.dataset_id))
        if gone:
            revised = await self.revise(manifest.dataset_id, gone, why=ERASED, caller=caller)
            if revised is None:
                raise InvalidRequestError(
                    f"The dataset of {request.category.value!r} was given up: {ERASED}, and too little is "
                    "left. Prepare it again."
                )
            return revised
        return manifest

    async def revise(
        self, dataset_id: str, without: set[str], *, why: str, caller: Caller
    ) -> Manifest | None:
        """Make a new version of a dataset without these snapshots, and revoke the old one.

        All other rows stay in their parts. `None` if too little is left, or if it cannot be read: the old
        one is revoked all the same. A dataset that holds none of them stays as it is.

        Raises:
            InvalidRequestError: There is no such dataset, or it is revoked.
            StorageError: The new version could not be written. The old one is as it was.
        """
        asked: JsonObject = {"what": "revise", "dataset_id": dataset_id, "why": why}
        async with _Recorded(self._record, self._now, caller, asked) as details:
            revised = await anyio.to_thread.run_sync(lambda: self._revise(dataset_id, without, why))
            details |= _named(revised) if revised is not None else {"revoked": dataset_id}
        return revised

    async def export(self, dataset_id: str, format_name: str, destination: Path) -> list[Path]:
        """Write a dataset in another format into a folder, and `export.json`, which says what is in it.

        Raises:
            InvalidRequestError: There is no such dataset or format, the folder has such files already, or
                nothing of the dataset can be written in this format.
            ConfigurationError: The format needs a library that is not installed.
        """
        from toolhone.datasets.formats import export  # not before it is needed

        def work() -> list[Path]:
            store = self._open_datasets()
            with _translated(destination):
                return export(store, store.manifest(dataset_id), format_name, destination)

        return await anyio.to_thread.run_sync(work)

    async def check(self, dataset_id: str, format_name: str) -> "list[Problem]":
        """What a provider that takes this format would refuse of the dataset, or warn of.

        Raises:
            InvalidRequestError: There is no such dataset or format.
        """
        from toolhone.datasets.formats import check  # as above

        def work() -> "list[Problem]":
            store = self._open_datasets()
            workspace = store.workspace()
            try:
                with _translated(workspace):
                    manifest = store.manifest(dataset_id)
                    return check(store, manifest, format_name, workspace, count_tokens=self._count_tokens)
            finally:
                shutil.rmtree(workspace, ignore_errors=True)

        return await anyio.to_thread.run_sync(work)

    def _prepare(self, request: DatasetRequest, report: Progress) -> Manifest:
        from toolhone.datasets.building import build  # numpy and rensa take a while to import

        snapshots = self._open_snapshots()
        created_at = self._now()
        since = datetime.fromisoformat(created_at) - timedelta(days=request.time_range_days)
        query = SnapshotQuery(category=request.category, since=since.isoformat(timespec="microseconds"))

        def built(workspace: Path) -> "Built":
            return build(
                snapshots.select(query),
                snapshots.count(query),
                request,
                workspace,
                erased=set(snapshots.erased()),
                count_tokens=self._count_tokens,
                report=report,
            )

        asked: JsonObject = request.model_dump(mode="json")
        made = self._made(built, request.category, created_at, asked)
        assert made is not None
        return made

    def _revise(self, dataset_id: str, without: set[str], why: str) -> Manifest | None:
        from toolhone.datasets.building import rebuild  # as above
        from toolhone.datasets.writing import FILES

        store = self._open_datasets()
        old = store.manifest(dataset_id)
        at = self._now()
        revised: Manifest | None = None
        try:
            store.folder(dataset_id)
            if not store.members(dataset_id) & without:
                return old
            # Files that we know nothing of may hold anything.
            if not FILES ^ old.files.keys():

                def rebuilt(workspace: Path) -> "Built | None":
                    made = rebuild(
                        lambda place: _rows(store, dataset_id, place),
                        without,
                        workspace,
                        count_tokens=self._count_tokens,
                    )
                    if made is not None:
                        made.dropped.update(old.dropped)
                    return made

                revised = self._made(rebuilt, old.category, at, old.request, parent=dataset_id)
        except DamagedStorageError:
            logger.warning("The dataset %s is damaged; it is revoked and not made anew.", dataset_id)
        instead = revised.dataset_id if revised is not None else None
        store.revoke(dataset_id, at=at, why=why, replaced_by=instead)
        return revised

    def _made(
        self,
        build: "Callable[[Path], Built | None]",
        category: Category,
        created_at: str,
        request: JsonObject,
        *,
        parent: str | None = None,
    ) -> Manifest | None:
        """Let files be made in a workspace, and keep them; nothing stays of a failure."""
        from toolhone.datasets.writing import finished  # as above

        store = self._open_datasets()
        workspace = store.workspace()
        try:
            with _translated(workspace.parent):
                built = build(workspace)
                if built is None:
                    return None
                manifest = finished(
                    built.written,
                    category=category,
                    created_at=created_at,
                    request=request,
                    dropped=built.dropped,
                    warnings=built.warnings,
                    parent=parent,
                )
                return store.create(manifest, built.written.files, iter(built.written.members))
        finally:
            shutil.rmtree(workspace, ignore_errors=True)

    def _erased_members(self, dataset_id: str) -> set[str]:
        erased = set(self._open_snapshots().erased())
        return erased & self._open_datasets().members(dataset_id) if erased else set()


class _Recorded:
    """Records how something ended, with what it found out on the way."""

    def __init__(self, record: Record, now: Callable[[], str], caller: Caller, asked: JsonObject) -> None:
        self._record = record
        self._now = now
        self._caller = caller
        self._details = asked

    async def __aenter__(self) -> JsonObject:
        return self._details

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None and not isinstance(error, ToolhoneError):
            # A bug or the end of the task; neither is a refusal.
            return
        event = new_event(
            EventKind.DATASET,
            self._caller,
            success=error is None,
            error_code=error.code if error is not None else None,
            payload=self._details,
        )
        await self._record(replace(event, timestamp=self._now()))


def _named(manifest: Manifest) -> JsonObject:
    return {
        "dataset_id": manifest.dataset_id,
        "version": manifest.version,
        "content_hash": manifest.content_hash,
        "counts": dict(manifest.counts),
        "parent": manifest.parent,
    }


def _rows(store: DatasetStore, dataset_id: str, place: str) -> Iterator[Row]:
    return store.failures(dataset_id) if place == "failures" else store.rows(dataset_id, Split(place))


def _in_the_loop(progress: Progress | None) -> Progress:
    """What a worker thread reports with: it passes the report on, and ends the work if that was cancelled."""

    def report(what: str, done: int, total: int) -> None:
        anyio.from_thread.check_cancelled()
        if progress is not None:
            anyio.from_thread.run_sync(progress, what, done, total)

    return report


@contextmanager
def _translated(folder: Path) -> Generator[None]:
    try:
        yield
    except OSError as exc:
        raise StorageError(
            f"The dataset could not be written in {str(folder)!r}: {exc.strerror or exc}. "
            "Check that the disk has room and that this user may write there; nothing was kept.",
            data={"folder": str(folder)},
        ) from exc
