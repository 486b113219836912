"""Downloading a backup of the whole data folder. The dashboard sends the same answer."""

import base64
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Query, Response
from fastapi.responses import StreamingResponse

from toolhone.roles import Permission
from toolhone.server.api.endpoints import endpoints
from toolhone.server.api.given import GivenApp, GivenCaller, allowed
from toolhone.server.api.openapi import also

if TYPE_CHECKING:
    from toolhone.keeping.backup import Backup

router = endpoints("/backup", tag="privacy")

CHUNK = 1024 * 1024
"""Bytes that are read at once."""


class TarAnswer(StreamingResponse):
    """A tar archive."""

    media_type = "application/x-tar"


async def _made(
    app: GivenApp,
    caller: GivenCaller,
    with_results: Annotated[
        bool, Query(description="Also whole results of calls, which are not redacted.")
    ] = False,
) -> AsyncGenerator["Backup"]:
    async with app.keeping.download(with_results=with_results, caller=caller) as made:
        yield made


@router.get(
    "",
    operation_id="download_backup",
    summary="A backup of the whole data folder",
    response_class=TarAnswer,
    responses={
        200: {
            "description": "A tar, which `toolhone restore` makes a data folder from.",
            "headers": {
                "Repr-Digest": {"description": "Its SHA-256 (RFC 9530).", "schema": {"type": "string"}}
            },
        },
        **also(409),
    },
    dependencies=[allowed(Permission.ADMINISTER)],
)
async def download(made: Annotated["Backup", Depends(_made)]) -> Response:
    """A backup as of now, made before the first byte is sent, and deleted here when it was sent.

    Callers and jobs may go on; each database is copied as it was at one moment. What is said in the folder of
    people is in it too, and outlives an erasure: keep backups no longer than you need them.
    """
    return sent(made)


def sent(made: "Backup") -> TarAnswer:
    """The answer with a backup. It has its length, so that a connection that ends early is known."""
    moment = made.manifest.header.created_at
    name = f"toolhone-{moment[:10]}-{moment[11:19].replace(':', '')}.tar"
    digest = base64.b64encode(bytes.fromhex(made.sha256)).decode()
    return TarAnswer(
        # A plain generator: it is run in a worker thread, chunk by chunk.
        _chunks(made.file),
        headers={
            "Content-Length": str(made.size),
            "Content-Disposition": f'attachment; filename="{name}"',
            "Repr-Digest": f"sha-256=:{digest}:",
            "Cache-Control": "no-store",
        },
    )


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while chunk := source.read(CHUNK):
            yield chunk
