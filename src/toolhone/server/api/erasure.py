"""Erasure over REST: all that is kept of an agent or of a user."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from toolhone.roles import Permission
from toolhone.server.api.endpoints import endpoints
from toolhone.server.api.examples_of_work import ERASURE, shown
from toolhone.server.api.given import GivenCaller, GivenSystem, allowed
from toolhone.server.api.openapi import also
from toolhone.snapshots.erasure import Erasure

router = endpoints("/erasures", tag="privacy")

Id = Annotated[str, Field(min_length=1, max_length=200)]


class Erased(BaseModel):
    """Whose data is to be erased: an agent's, or a user's by the id that was handed in."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"agent_id": "scanner_v2"}, {"user_id": "user-17"}]}
    )

    agent_id: Id | None = None
    user_id: Id | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "Erased":
        if (self.agent_id is None) == (self.user_id is None):
            raise ValueError("name either an agent or a user")
        return self


@router.post(
    "",
    operation_id="erase",
    summary="Erase all that is kept of an agent or a user",
    responses={200: shown(ERASURE), **also()},
    dependencies=[allowed(Permission.ERASE)],
)
async def erase(body: Erased, system: GivenSystem, caller: GivenCaller) -> Erasure:
    """Snapshots, stored results and the payloads of the audit go. It cannot be undone.

    Datasets that hold one of the snapshots are revoked, with a new version in place of each where enough is
    left; models trained on them are marked. If it is interrupted, send it again.
    """
    return await system.erase(agent_id=body.agent_id, user_id=body.user_id, caller=caller)
