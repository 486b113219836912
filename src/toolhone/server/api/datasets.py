"""Datasets over REST: prepare, list, read, check."""

from dataclasses import asdict
from typing import Annotated

from fastapi import Body, Path, Query, Response
from pydantic import BaseModel, ConfigDict

from toolhone.exceptions import InvalidRequestError
from toolhone.models import Category
from toolhone.records.datasets import DatasetRequest, Manifest, Row, Split
from toolhone.roles import Permission
from toolhone.server.api.endpoints import endpoints
from toolhone.server.api.etags import UNCHANGED, IfNoneMatch, tag_of, tagged, unchanged
from toolhone.server.api.examples_of_work import DATASET, DATASET_REQUEST, ROW, bodies, page, shown
from toolhone.server.api.given import GivenCaller, GivenSystem, allowed
from toolhone.server.api.given_pages import GivenPages
from toolhone.server.api.idempotency import GivenOnce
from toolhone.server.api.json_answers import JsonAnswer, MarkdownAnswer, told
from toolhone.server.api.openapi import also
from toolhone.server.api.paging import Cursor, Limit, Page, cursor_of, page_of, place_of

router = endpoints("/datasets", tag="datasets")

DatasetId = Annotated[str, Path(max_length=200, examples=["core_security_20261123_101010_a1b2c3"])]

FormatName = Annotated[str, Query(alias="format", max_length=50, examples=["openai-chat"])]


class DatasetProblem(BaseModel):
    """Something a provider would refuse, or warn of."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "message": "There are 8 rows; at least 10 are needed.",
                    "line": None,
                    "fatal": True,
                    "file": "train.jsonl",
                }
            ]
        }
    )

    message: str
    line: int | None
    """Counted from 1; null if it is about the whole file."""
    fatal: bool
    """The provider refuses the file for it."""
    file: str


@router.post(
    "",
    status_code=201,
    operation_id="prepare_dataset",
    summary="Prepare a dataset",
    response_model=Manifest,
    responses={201: shown(DATASET), **also(409)},
    dependencies=[allowed(Permission.PREPARE)],
)
async def prepare(
    body: Annotated[DatasetRequest, Body(openapi_examples=bodies(defaults=DATASET_REQUEST))],
    system: GivenSystem,
    caller: GivenCaller,
    once: GivenOnce,
) -> Response:
    """Make an immutable dataset of a category's snapshots. The same content again is the same dataset."""
    return await once.answer(lambda: system.prepare_dataset(body, caller=caller))


@router.get(
    "",
    operation_id="list_datasets",
    summary="Datasets, a page at a time",
    responses={200: page(DATASET), **also()},
    dependencies=[allowed(Permission.MONITOR)],
)
async def datasets(
    system: GivenSystem,
    caller: GivenCaller,
    category: Category | None = None,
    revoked: Annotated[bool, Query(description="Whether revoked ones are listed too.")] = True,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Manifest]:
    """The newest first."""
    found = await system.datasets(category, caller=caller)
    wanted = [one for one in found if revoked or one.revoked_at is None]
    return page_of(wanted, limit, cursor, name=lambda one: one.dataset_id)


@router.get(
    "/{dataset_id}",
    operation_id="get_dataset",
    summary="All that is known of a dataset",
    response_model=Manifest,
    responses={200: shown(DATASET), 304: UNCHANGED, **also(404)},
    dependencies=[allowed(Permission.MONITOR)],
)
async def dataset(
    dataset_id: DatasetId, system: GivenSystem, caller: GivenCaller, have: IfNoneMatch = None
) -> Response:
    """A dataset never changes, but for being revoked; its ETag says whether it was."""
    manifest = told(await system.dataset(dataset_id, caller=caller))
    tag = tag_of(manifest)
    return unchanged(tag, have) or JsonAnswer(manifest, headers=tagged(tag))


@router.get(
    "/{dataset_id}/card",
    operation_id="get_dataset_card",
    summary="What a person reads about a dataset",
    response_class=MarkdownAnswer,
    responses={304: UNCHANGED, **also(404, 409)},
    dependencies=[allowed(Permission.MONITOR)],
)
async def card(
    dataset_id: DatasetId, system: GivenSystem, caller: GivenCaller, have: IfNoneMatch = None
) -> Response:
    """Its card, in Markdown. A revoked dataset has none any more: 409."""
    text = await system.dataset_card(dataset_id, caller=caller)
    tag = tag_of(text)
    return unchanged(tag, have) or MarkdownAnswer(text, headers=tagged(tag))


@router.get(
    "/{dataset_id}/rows",
    operation_id="list_dataset_rows",
    summary="Rows of a dataset, a page at a time",
    responses={200: page(ROW), **also(404, 409)},
    dependencies=[allowed(Permission.READ_WORK)],
)
async def rows(
    dataset_id: DatasetId,
    pages: GivenPages,
    caller: GivenCaller,
    split: Split = Split.TRAIN,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Row]:
    """The rows of one part of it, in their order. A page also ends after 4 MiB."""
    offset = 0
    if cursor is not None:
        part, place = place_of(cursor, str, int)
        if part != split.value:
            raise InvalidRequestError(
                f"The cursor is of the part {part!r}, and {split.value!r} is asked for."
            )
        offset = int(place)
    found, more = await pages.rows(dataset_id, split, offset=offset, limit=limit, caller=caller)
    return Page(items=found, next_cursor=cursor_of(split.value, offset + len(found)) if more else None)


@router.get(
    "/{dataset_id}/check",
    operation_id="check_dataset",
    summary="Whether a provider would take a dataset",
    responses=also(404, 409),
    dependencies=[allowed(Permission.MONITOR)],
)
async def check(
    dataset_id: DatasetId, system: GivenSystem, caller: GivenCaller, format_name: FormatName
) -> list[DatasetProblem]:
    """What a provider that takes this format would refuse of it, or warn of. Nothing is sent."""
    found = await system.check_dataset(dataset_id, format_name, caller=caller)
    return [DatasetProblem(**asdict(one)) for one in found]
