"""Over REST: what all trainings of a category may cost together."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from toolhone.models import Category
from toolhone.roles import Permission
from toolhone.server.api.endpoints import endpoints
from toolhone.server.api.given import GivenCaller, GivenSystem, allowed

router = endpoints("/budgets", tag="jobs")


class BudgetWanted(BaseModel):
    """A limit."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"limit_usd": 200.0}]})

    limit_usd: Annotated[
        float | None, Field(ge=0, allow_inf_nan=False, description="In USD; null takes the limit away.")
    ]


class Budget(BaseModel):
    """What may be spent on a category, and what is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"category": "core_security", "limit_usd": 200.0, "reserved_usd": 5.0, "spent_usd": 1.28}
            ]
        }
    )

    category: Category
    limit_usd: Annotated[float | None, Field(description="null: none was set.")]
    reserved_usd: Annotated[float, Field(description="Set aside for work that goes on.")]
    spent_usd: float


@router.get(
    "/{category}",
    operation_id="get_budget",
    summary="The budget of a category",
    dependencies=[allowed(Permission.MONITOR)],
)
async def budget(category: Category, system: GivenSystem, caller: GivenCaller) -> Budget:
    """Its limit, what is set aside, and what is spent, on trainings and on comparisons."""
    limit, reserved, spent = await system.budget(category, caller=caller)
    return Budget(category=category, limit_usd=limit, reserved_usd=reserved, spent_usd=spent)


@router.put(
    "/{category}",
    operation_id="set_budget",
    summary="Limit what a category may cost",
    dependencies=[allowed(Permission.APPROVE)],
)
async def set_budget(
    category: Category, body: BudgetWanted, system: GivenSystem, caller: GivenCaller
) -> Budget:
    """What is under way goes on; nothing begins that could go over the limit."""
    await system.set_budget(category, body.limit_usd, caller=caller)
    return await budget(category, system, caller)
