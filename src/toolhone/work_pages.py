"""What is kept of agents' work, for who reads it: snapshots, all or by the page, and rows of datasets."""

import shutil
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread

from toolhone.access import require
from toolhone.exceptions import StorageError
from toolhone.json_values import minified
from toolhone.models import Caller, Json
from toolhone.records.datasets import Row, Split
from toolhone.records.row_json import row_json
from toolhone.records.snapshots import Snapshot, SnapshotQuery
from toolhone.records.stores import DatasetStore, SnapshotStore
from toolhone.roles import Permission
from toolhone.snapshots.exporting import write_lines
from toolhone.whole_files import whole_file

LARGEST_PAGE = 4 * 1024 * 1024
"""Characters of JSON after which a page ends, whatever its limit: one snapshot may have a million."""

T = TypeVar("T")


class WorkPages:
    """Pages over the stores of a data folder."""

    def __init__(self, snapshots: Callable[[], SnapshotStore], datasets: Callable[[], DatasetStore]) -> None:
        """Take the stores, opened when they are first used."""
        self._snapshots = snapshots
        self._datasets = datasets

    async def snapshots(
        self, query: SnapshotQuery, limit: int, *, caller: Caller
    ) -> tuple[list[Snapshot], bool]:
        """The first of those that match, as they are kept; and whether there are more.

        Raises:
            InvalidRequestError: A time is not valid.
        """
        require(caller, Permission.READ_WORK)

        def read() -> tuple[list[Snapshot], bool]:
            # One more, which says whether there are more.
            found = self._snapshots().select(replace(query, limit=limit + 1))
            return _page(found, limit, lambda one: [one.input_data, one.output_data, one.metadata])

        return await anyio.to_thread.run_sync(read)

    async def export(self, query: SnapshotQuery, out: Path | BinaryIO, *, caller: Caller) -> int:
        """Write all that match as JSON lines, as they are kept; returns how many. What comes meanwhile waits.

        Args:
            out: A file, which appears whole or not at all; or a stream.

        Raises:
            InvalidRequestError: A time is not valid.
            StorageError: The file cannot be written.
        """
        require(caller, Permission.READ_WORK)

        def found() -> Generator[Snapshot]:
            for one in self._snapshots().select(query):
                anyio.from_thread.check_cancelled()
                yield one

        def write() -> int:
            if not isinstance(out, Path):
                return write_lines(found(), out)
            try:
                with whole_file(out) as file:
                    return write_lines(found(), file)
            except OSError as exc:
                raise StorageError(
                    f"Snapshots cannot be exported to {str(out)!r}: {exc.strerror or exc}. Name another file."
                ) from exc

        return await anyio.to_thread.run_sync(write)

    async def rows(
        self, dataset_id: str, split: Split, *, offset: int, limit: int, caller: Caller
    ) -> tuple[list[Row], bool]:
        """Rows of a dataset from a place on; and whether there are more.

        Raises:
            NotFoundError: There is no such dataset.
            ConflictError: It is revoked.
        """
        require(caller, Permission.READ_WORK)

        def read() -> tuple[list[Row], bool]:
            return _page(islice(self._datasets().rows(dataset_id, split), offset, None), limit, row_json)

        return await anyio.to_thread.run_sync(read)

    @asynccontextmanager
    async def workspace(self) -> AsyncGenerator[Path]:
        """A private folder on the disk of the datasets, which goes at the end."""
        folder = await anyio.to_thread.run_sync(lambda: self._datasets().workspace())
        try:
            yield folder
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))


def _page(found: Iterable[T], limit: int, content: Callable[[T], Json]) -> tuple[list[T], bool]:
    page: list[T] = []
    size = 0
    for one in found:
        if len(page) == limit or size > LARGEST_PAGE:
            return page, True
        page.append(one)
        size += len(minified(content(one)))
    return page, False
