"""Toolhone itself over REST: who is asking, the settings, the figures of this caller."""

from pydantic import BaseModel, ConfigDict

from toolhone import __version__
from toolhone.access import permissions
from toolhone.models import Json, JsonObject
from toolhone.redaction import redact
from toolhone.roles import Permission, Role
from toolhone.server.api.endpoints import endpoints
from toolhone.server.api.given import GivenApp, GivenCaller, GivenGateway, allowed, known
from toolhone.settings import Settings

router = endpoints(tag="system")


class Me(BaseModel):
    """Who a credential makes its bearer."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "principal": "token:k3v9x2m7q1",
                    "role": "agent",
                    "permissions": ["call_tools", "collect", "find_tools", "monitor"],
                    "tools": None,
                }
            ]
        }
    )

    principal: str
    role: Role
    permissions: list[Permission]
    """What the role allows, as far as the credential does."""
    tools: list[str] | None
    """Patterns of names of tools that the credential is for; null is all that the role allows."""


class Setting(BaseModel):
    """One setting as it is in force."""

    value: Json
    default: Json
    """What it would be if nobody had set it; null if there is no fixed one."""


class SettingsInForce(BaseModel):
    """All settings of this process. Secrets are none of them; what looks like one is hidden all the same."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"version": "0.1.0", "settings": {"max_calls": {"value": 64, "default": 64}}}]
        }
    )

    version: str
    settings: dict[str, Setting]


class Statistics(BaseModel):
    """Calls of all callers, and what toolhone cost and saved; token figures are o200k tokens."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "tools": 214,
                    "calls": 40,
                    "failures": 1,
                    "receipt": {"tokens_sent": 812, "tokens_of_all_schemas": 32110, "tokens_saved": 31298},
                    "receipts_of_all": {
                        "tokens_sent": 812,
                        "tokens_of_all_schemas": 32110,
                        "tokens_saved": 31298,
                    },
                    "tokenizer": "o200k_base",
                    "most_called": {"add": {"calls": 40, "failures": 1, "mean_ms": 0.5, "mean_tokens": 17.0}},
                }
            ]
        },
    )

    tools: int
    calls: int
    failures: int
    receipt: JsonObject
    """What toolhone put into the context of this caller since it was started."""
    receipts_of_all: JsonObject
    tokenizer: str
    most_called: dict[str, JsonObject]


@router.get("/me", dependencies=[known()], response_model=Me, summary="Who am I", operation_id="get_me")
async def get_me(caller: GivenCaller) -> JsonObject:
    """Who the credential of this request makes its bearer, and what that allows."""
    return {
        "principal": caller.principal,
        "role": caller.role,
        "permissions": sorted(permissions(caller)),
        "tools": None if caller.tools is None else list(caller.tools),
    }


@router.get(
    "/settings",
    dependencies=[allowed(Permission.OPERATE)],
    response_model=SettingsInForce,
    summary="Show the settings",
    operation_id="get_settings",
)
async def get_settings(app: GivenApp) -> JsonObject:
    """Every setting as it is in force. They are set where toolhone is started, never from here."""
    return {"version": __version__, "settings": settings_json(app.settings)}


def settings_json(settings: Settings) -> JsonObject:
    """Each setting by name, with its default; addresses lose what of them is secret."""
    values: JsonObject = settings.model_dump(mode="json")
    defaults: JsonObject = Settings().model_dump(mode="json")
    return {name: {"value": redact(values[name]), "default": defaults[name]} for name in values}


@router.get(
    "/statistics",
    dependencies=[allowed(Permission.FIND_TOOLS)],
    response_model=Statistics,
    summary="Statistics",
    operation_id="get_statistics",
)
async def get_statistics(gateway: GivenGateway, caller: GivenCaller) -> JsonObject:
    """Calls, failures and tokens saved so far."""
    return await gateway.statistics(caller=caller)
