"""Datasets in a provider's form, as one archive that is sent while it is packed."""

import io
import zipfile
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Response
from fastapi.responses import StreamingResponse

from toolhone.roles import Permission
from toolhone.server.api.datasets import DatasetId, FormatName
from toolhone.server.api.endpoints import endpoints
from toolhone.server.api.etags import UNCHANGED, IfNoneMatch, tag_of, tagged, unchanged
from toolhone.server.api.given import GivenCaller, GivenSystem, allowed
from toolhone.server.api.given_pages import GivenPages
from toolhone.server.api.openapi import also

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

router = endpoints("/datasets", tag="datasets")

CHUNK = 256 * 1024
"""Bytes of a file that are packed at once."""

ALWAYS = (1980, 1, 1, 0, 0, 0)
"""The time of every file in an archive: the same dataset is the same archive, byte for byte."""


async def _workspace(pages: GivenPages) -> AsyncGenerator[Path]:
    async with pages.workspace() as folder:
        yield folder


class ZipAnswer(StreamingResponse):
    """A zip archive."""

    media_type = "application/zip"


@router.get(
    "/{dataset_id}/export",
    operation_id="export_dataset",
    summary="A dataset in a provider's form",
    response_class=ZipAnswer,
    responses={304: UNCHANGED, **also(404, 409)},
    dependencies=[allowed(Permission.PREPARE)],
)
async def export(
    dataset_id: DatasetId,
    system: GivenSystem,
    caller: GivenCaller,
    folder: Annotated[Path, Depends(_workspace)],
    format_name: FormatName,
    have: IfNoneMatch = None,
) -> Response:
    """The files of a dataset in the format that is named, and `export.json`, as a zip archive.

    Rows that the format has no form for are left out; `export.json` says how many and why.
    """
    manifest = await system.dataset(dataset_id, caller=caller)
    tag = tag_of([manifest.content_hash, manifest.revoked_at, format_name])
    if (same := unchanged(tag, have)) is not None:
        return same
    files = await system.export_dataset(dataset_id, format_name, folder, caller=caller)
    name = f'attachment; filename="{manifest.dataset_id}-{format_name}.zip"'
    # A plain generator: it is run in a worker thread, chunk by chunk.
    return ZipAnswer(zipped(files), headers={**tagged(tag), "Content-Disposition": name})


def zipped(files: list[Path]) -> Iterator[bytes]:
    """An archive of the files, in parts; what was handed on is not kept."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(files):
            entry = zipfile.ZipInfo(file.name, ALWAYS)
            entry.compress_type = zipfile.ZIP_DEFLATED
            with file.open("rb") as source, archive.open(entry, "w", force_zip64=True) as packed:
                while chunk := source.read(CHUNK):
                    packed.write(chunk)
                    yield sink.taken()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """What `zipfile` writes to: it can neither be read nor gone back in."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def taken(self) -> bytes:
        """What was written since it was last taken."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
