"""Logins of browsers over REST: end them."""

from typing import Annotated

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from toolhone.roles import Permission
from toolhone.server.api.endpoints import endpoints
from toolhone.server.api.given import GivenCaller, allowed
from toolhone.server.api.given_entrance import GivenEntrance
from toolhone.server.cookies import own_cookies
from toolhone.server.guard import REQUEST_ID

router = endpoints("/logins", tag="access")


class EndedLogins(BaseModel):
    """Browsers that have to log in anew."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ended": 3}]})

    ended: Annotated[int, Field(ge=0, description="How many logins there were.")]


@router.delete(
    "",
    dependencies=[allowed(Permission.ADMINISTER)],
    summary="Log all browsers out",
    operation_id="end_logins",
)
async def end_logins(request: Request, entrance: GivenEntrance, caller: GivenCaller) -> EndedLogins:
    """End every login to the dashboard of this process, also those by a login address, but one's own."""
    ended = await entrance.end_logins(
        but=own_cookies(request.scope), caller=caller, request_id=request.scope[REQUEST_ID]
    )
    return EndedLogins(ended=ended)
