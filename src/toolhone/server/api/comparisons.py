"""Comparisons of models over REST: what one would cost, to make one, and those that were made."""

from typing import Annotated

import anyio.to_thread
from fastapi import Path, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from toolhone.models import Category, Json, JsonObject
from toolhone.roles import Permission
from toolhone.server.api.endpoints import endpoints
from toolhone.server.api.examples_of_work import page
from toolhone.server.api.given import GivenCaller, GivenSystem, allowed
from toolhone.server.api.idempotency import GivenOnce
from toolhone.server.api.openapi import also
from toolhone.server.api.paging import Cursor, Limit, Page, page_of
from toolhone.training.model_comparison import ModelComparison

router = endpoints("/comparisons", tag="models")

ComparisonId = Annotated[str, Path(max_length=100, examples=["compare_20261123_110000_0a1b2c3d"])]

ModelName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1_000,
        description="The id of a model, `CATEGORY/ALIAS`, or `PROVIDER:BASE_MODEL`.",
    ),
]

_SUMMARY: JsonObject = {
    "comparison_id": "compare_20261123_110000_0a1b2c3d",
    "at": "2026-11-23T11:00:00.000000+00:00",
    "category": "core_security",
    "dataset_id": "core_security_20261123_101010_a1b2c3",
    "a": "local:/models/tiny-instruct",
    "b": "core_security-6b86b273ff34",
    "conclusion": "b is better than a.",
    "paid_usd": 0.0,
}

_SIDE: JsonObject = {
    "name": "local:/models/tiny-instruct",
    "score": {"mean": 0.61, "low": 0.52, "high": 0.7},
    "latency_ms": {"p50": 210.0, "p95": 390.0},
    "cost_usd": 0.0,
    "prompt_tokens": 4100,
    "completion_tokens": 900,
    "turns": 30,
    "errors": 0,
}


class Compared(BaseModel):
    """Which models are to answer the same held-out requests."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"a": "local:/models/tiny-instruct", "b": "core_security-6b86b273ff34", "max_cost_usd": 0}
            ]
        },
    )

    a: ModelName
    b: ModelName
    dataset_id: Annotated[
        str | None,
        Field(max_length=200, description="By default the one that a or b was judged by, else the newest."),
    ] = None
    category: Category | None = None
    scorer: Annotated[str | None, Field(max_length=200)] = None
    max_cost_usd: Annotated[
        float,
        Field(ge=0, allow_inf_nan=False, description="What you agree to pay: nothing, unless you say so."),
    ] = 0.0


class ComparisonCost(BaseModel):
    """What a comparison would cost."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"upper_bound_usd": 0.042}]})

    upper_bound_usd: Annotated[float, Field(ge=0, description="At most; what was answered before is free.")]


class Comparison(BaseModel):
    """What came of a comparison. Scores are 0 to 1, differences b minus a."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "comparison_id": "compare_20261123_110000_0a1b2c3d",
                    "at": "2026-11-23T11:00:00.000000+00:00",
                    "category": "core_security",
                    "dataset_id": "core_security_20261123_101010_a1b2c3",
                    "scorer": "token_f1",
                    "scorer_why": "The answers are texts.",
                    "conclusion": "b is better than a.",
                    "n": 30,
                    "a": _SIDE,
                    "b": {**_SIDE, "name": "core_security-6b86b273ff34"},
                    "difference": {"wins": 12, "losses": 2, "ties": 16},
                    "by_task_type": {},
                    "differences": [],
                    "examples": [],
                    "notes": [],
                    "paid_usd": 0.0,
                    "judging": [],
                }
            ]
        },
    )

    comparison_id: str | None
    at: str
    category: Category | None
    dataset_id: str | None
    scorer: str
    scorer_why: str
    conclusion: str
    n: Annotated[int, Field(description="Rows, a group of near-duplicates being one.")]
    a: JsonObject
    b: JsonObject
    difference: JsonObject
    by_task_type: JsonObject
    differences: list[float]
    examples: list[JsonObject]
    notes: list[str]
    paid_usd: Annotated[float, Field(description="What was paid for it now; kept answers are free.")]
    judging: list[Json]


class ComparisonSummary(BaseModel):
    """A comparison that was made, in short."""

    comparison_id: str
    at: str
    category: Category | None
    dataset_id: str | None
    a: str
    b: str
    conclusion: str
    paid_usd: float


@router.post(
    "",
    status_code=201,
    operation_id="compare_models",
    summary="Compare two models",
    response_model=Comparison,
    responses=also(404, 409, 502),
    dependencies=[allowed(Permission.PREPARE)],
)
async def compare(body: Compared, system: GivenSystem, caller: GivenCaller, once: GivenOnce) -> Response:
    """Let both answer the test rows of a dataset. It answers when they have, which may take minutes.

    Where it may cost more than `max_cost_usd`, nothing is asked, and the answer is 409 `budget_exceeded`.
    """

    async def work() -> JsonObject:
        comparison = await system.compare(
            body.a,
            body.b,
            dataset_id=body.dataset_id,
            category=body.category,
            scorer=body.scorer,
            at_most_usd=body.max_cost_usd,
            caller=caller,
        )
        return comparison.as_json()

    return await once.answer(work)


@router.post(
    "/cost",
    operation_id="estimate_comparison",
    summary="What a comparison would cost",
    responses=also(404, 409, 502),
    dependencies=[allowed(Permission.PREPARE)],
)
async def cost(body: Compared, system: GivenSystem, caller: GivenCaller) -> ComparisonCost:
    """At most, now. Nothing is asked or paid for; `max_cost_usd` says nothing here."""
    bound = await system.comparison_usd(
        body.a,
        body.b,
        dataset_id=body.dataset_id,
        category=body.category,
        scorer=body.scorer,
        caller=caller,
    )
    return ComparisonCost(upper_bound_usd=bound)


@router.get(
    "",
    operation_id="list_comparisons",
    summary="Comparisons that were made, a page at a time",
    responses={200: page(_SUMMARY), **also()},
    dependencies=[allowed(Permission.MONITOR)],
)
async def comparisons(
    system: GivenSystem, caller: GivenCaller, limit: Limit = 50, cursor: Cursor = None
) -> Page[ComparisonSummary]:
    """The newest first. Those of a revoked dataset are gone with it."""
    found = [
        ComparisonSummary(
            comparison_id=one.comparison_id or "",
            at=one.at,
            category=one.category,
            dataset_id=one.dataset_id,
            a=one.overall.a.name,
            b=one.overall.b.name,
            conclusion=one.conclusion,
            paid_usd=one.paid_usd,
        )
        for one in await system.comparisons(caller=caller)
    ]
    return page_of(found, limit, cursor, name=lambda one: one.comparison_id)


@router.get(
    "/{comparison_id}",
    operation_id="get_comparison",
    summary="What came of a comparison",
    response_model=Comparison,
    responses=also(404),
    dependencies=[allowed(Permission.READ_WORK)],
)
async def comparison(comparison_id: ComparisonId, system: GivenSystem, caller: GivenCaller) -> JsonObject:
    """All figures, and rows on which the models differ most."""
    return (await system.comparison(comparison_id, caller=caller)).as_json()


@router.get(
    "/{comparison_id}/report",
    operation_id="get_comparison_report",
    summary="A comparison as a page to read",
    response_class=HTMLResponse,
    responses=also(404),
    dependencies=[allowed(Permission.READ_WORK)],
)
async def report(comparison_id: ComparisonId, system: GivenSystem, caller: GivenCaller) -> Response:
    """One HTML page, which needs nothing else: to be kept and handed on."""
    return await sent_report(await system.comparison(comparison_id, caller=caller))


async def sent_report(found: ModelComparison) -> HTMLResponse:
    """The answer with a report, as a file. The dashboard sends the same."""
    from toolhone.training.comparison_report import html_report  # it makes plots, which few ask for

    # Hundreds of answers and three plots: nobody else shall wait for them.
    text = await anyio.to_thread.run_sync(html_report, found)
    headers = {
        "Content-Disposition": f'attachment; filename="{found.comparison_id}.html"',
        # It has scripts of its own, which this site lets no page have.
        "Content-Security-Policy": "sandbox",
        "X-Content-Type-Options": "nosniff",
    }
    return HTMLResponse(text, headers=headers)
