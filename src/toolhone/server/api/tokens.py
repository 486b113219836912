"""API tokens over REST: issue, list, revoke."""

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from toolhone.auth.listing import token_json
from toolhone.auth.tokens import LONGEST_LIFE, LONGEST_NAME, MOST_PATTERNS, MOST_RATE
from toolhone.models import JsonObject
from toolhone.records.access import TokenState
from toolhone.roles import Permission, Role
from toolhone.server.api.bodies_of_tools import Taken
from toolhone.server.api.endpoints import endpoints
from toolhone.server.api.given import GivenApp, GivenCaller, allowed
from toolhone.server.api.idempotency import without_key
from toolhone.server.api.openapi import also

router = endpoints("/tokens", tag="access")

ADMINISTERING = [allowed(Permission.ADMINISTER)]

EXAMPLE: JsonObject = {
    "token_id": "k3v9x2m7q1",
    "name": "build agents",
    "role": "agent",
    "scopes": None,
    "tools": ["git__*"],
    "requests_per_minute": 600,
    "state": "valid",
    "created_at": "2026-11-23T10:48:03.123456+00:00",
    "created_by": "token:a8d0w3k1zz",
    "expires_at": "2026-12-23T10:48:03.123456+00:00",
    "revoked_at": None,
    "used_on": None,
}


class Token(BaseModel):
    """What is known of a token; never the token itself."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    token_id: str
    name: str
    role: Role
    scopes: list[Permission] | None
    """Null is all that the role allows."""
    tools: list[str] | None
    """Patterns of names of tools; null is all that the role allows."""
    requests_per_minute: int | None
    """Null is what the settings say."""
    state: TokenState
    created_at: str
    created_by: str
    expires_at: str | None
    revoked_at: str | None
    used_on: str | None
    """The day it was last used."""


class TokenList(BaseModel):
    """All tokens, also those that open nothing any more, the newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"tokens": [EXAMPLE]}]})

    tokens: list[Token]


class IssueToken(Taken):
    """What a new token is for."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "build agents",
                    "role": "agent",
                    "tools": ["git__*"],
                    "expires_in_days": 30,
                    "requests_per_minute": 600,
                }
            ]
        },
    )

    role: Role
    name: Annotated[str, Field(max_length=LONGEST_NAME, description="What it is for, in words.")] = ""
    scopes: Annotated[
        list[Permission] | None,
        Field(min_length=1, description="Narrower than the role; left out, all that the role allows."),
    ] = None
    tools: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]] | None,
        Field(min_length=1, max_length=MOST_PATTERNS, description="Patterns of names of tools."),
    ] = None
    expires_in_days: Annotated[float | None, Field(gt=0, le=LONGEST_LIFE.days)] = None
    requests_per_minute: Annotated[int | None, Field(ge=1, le=MOST_RATE)] = None


class IssuedToken(Token):
    """A new token, with its text: it is not kept, and cannot be shown again."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**EXAMPLE, "token": "thk_k3v9x2m7q1_" + 32 * "x"}]}
    )

    token: str


@router.get(
    "",
    dependencies=ADMINISTERING,
    response_model=TokenList,
    summary="List tokens",
    operation_id="list_tokens",
)
async def list_tokens(app: GivenApp, caller: GivenCaller) -> JsonObject:
    """Who can come in, and when each token was last used."""
    return {"tokens": [token_json(token) for token in await app.tokens.tokens(caller=caller)]}


@router.post(
    "",
    # A key would keep the text of the token with the answer.
    dependencies=[*ADMINISTERING, without_key],
    response_model=IssuedToken,
    status_code=201,
    summary="Issue a token",
    operation_id="issue_token",
)
async def issue_token(body: IssueToken, app: GivenApp, caller: GivenCaller) -> JsonObject:
    """A new token. Its text is in this answer and nowhere else: keep it."""
    days = body.expires_in_days
    token, text = await app.tokens.issue(
        caller=caller,
        name=body.name,
        role=body.role,
        scopes=body.scopes,
        tools=body.tools,
        expires_in=None if days is None else timedelta(days=days),
        requests_per_minute=body.requests_per_minute,
    )
    return {**token_json(token), "token": text}


@router.delete(
    "/{token_id}",
    dependencies=ADMINISTERING,
    response_model=Token,
    responses=also(404),
    summary="Revoke a token",
    operation_id="revoke_token",
)
async def revoke_token(token_id: str, app: GivenApp, caller: GivenCaller) -> JsonObject:
    """Let a token never open anything again, from the next request on. Revoked again it stays as it was."""
    return token_json(await app.tokens.revoke(token_id, caller=caller))
