"""Running tools over REST, and what belongs to it: reading large results, checking values."""

from typing import Annotated

from fastapi import Query, Response

from toolhone.answers import results_text, slot_json
from toolhone.gateway import Gateway
from toolhone.models import Caller, JsonObject
from toolhone.roles import Permission
from toolhone.server.api.bodies_of_tools import Calls, Check, Checked, ResultPage, Slots
from toolhone.server.api.catalog import recorded
from toolhone.server.api.endpoints import endpoints
from toolhone.server.api.given import GivenCaller, GivenGateway, allowed
from toolhone.server.api.idempotency import GivenOnce
from toolhone.server.api.openapi import also

router = endpoints(tag="calls")

CALLING = [allowed(Permission.CALL_TOOLS)]

LARGEST = 2**53
"""The largest whole number that every JSON reader understands."""


async def _run(body: Calls, gateway: Gateway, caller: Caller, *, read_only: bool) -> JsonObject:
    name = "call_read_tools" if read_only else "call_tools"
    arguments: JsonObject = {"calls": body.calls}
    async with recorded(gateway, name, arguments, caller):
        results = await gateway.call(body.calls, caller=caller, read_only=read_only, user_id=body.user_id)
    answer: JsonObject = {"results": [slot_json(result) for result in results]}
    await gateway.exchanged(caller, name, arguments, results_text(results), answer)
    return answer


@router.post(
    "/tools/call",
    dependencies=CALLING,
    response_model=Slots,
    response_model_exclude_unset=True,
    responses=also(409),
    summary="Run tools",
    operation_id="call_tools",
)
async def call_tools(body: Calls, gateway: GivenGateway, caller: GivenCaller, once: GivenOnce) -> Response:
    """Run calls at once. 200 whenever they could be read: each answer says whether its call succeeded."""
    return await once.answer(lambda: _run(body, gateway, caller, read_only=False), status=200)


@router.post(
    "/tools/call-read",
    dependencies=CALLING,
    response_model=Slots,
    response_model_exclude_unset=True,
    responses=also(409),
    summary="Run read-only tools",
    operation_id="call_read_tools",
)
async def call_read_tools(
    body: Calls, gateway: GivenGateway, caller: GivenCaller, once: GivenOnce
) -> Response:
    """The same, but a tool that is not known to be read-only is refused."""
    return await once.answer(lambda: _run(body, gateway, caller, read_only=True), status=200)


@router.get(
    "/results/{handle}",
    dependencies=CALLING,
    response_model=ResultPage,
    response_model_exclude_unset=True,
    responses=also(404),
    summary="Read a large result",
    operation_id="read_result",
)
async def read_result(
    handle: str,
    gateway: GivenGateway,
    caller: GivenCaller,
    path: Annotated[
        str | None, Query(max_length=2000, description="`/items/0` or `items[*].id`; `raw`: as text.")
    ] = None,
    offset: Annotated[int, Query(ge=0, le=LARGEST, description="The first row or character.")] = 0,
    limit: Annotated[
        int | None, Query(ge=1, le=LARGEST, description="Rows of a list, else characters; at most.")
    ] = None,
    fields: Annotated[list[str], Query(max_length=100, description="What to keep of each row.")] = [],  # noqa: B006
    grep: Annotated[str | None, Query(max_length=2000, description="Only rows or lines with this.")] = None,
) -> JsonObject:
    """A page of a result that was too large to be sent whole. Only who called the tool can read it."""
    return await gateway.read_result(
        handle, caller=caller, path=path, offset=offset, limit=limit, fields=fields, grep=grep
    )


@router.post(
    "/validate",
    dependencies=[allowed(Permission.FIND_TOOLS)],
    response_model=Checked,
    summary="Check a value against a JSON Schema",
    operation_id="validate_output",
)
async def validate_output(body: Check, gateway: GivenGateway, caller: GivenCaller) -> JsonObject:
    """In what way a value does not match a schema. References to other addresses are never fetched."""
    errors = await gateway.validate_output(body.schema_, body.output, caller=caller)
    return {"valid": not errors, "errors": errors}
