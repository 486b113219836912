"""Downstream servers over REST: where they stand, and starting them anew."""

from collections.abc import Sequence
from dataclasses import asdict

from pydantic import BaseModel, ConfigDict

from toolhone.models import JsonObject
from toolhone.redaction import redact
from toolhone.registry.server_state import ServerState, ServerStatus
from toolhone.roles import Permission
from toolhone.server.api.endpoints import endpoints
from toolhone.server.api.given import GivenApp, GivenCaller, allowed
from toolhone.server.api.openapi import also

router = endpoints("/servers", tag="servers")

OPERATING = [allowed(Permission.OPERATE)]

EXAMPLE: JsonObject = {
    "name": "git",
    "transport": "stdio",
    "state": "ready",
    "error": None,
    "tools": 12,
    "problems": [],
    "listed_at": "2026-11-23T10:48:03.123456+00:00",
    "protocol_version": "2025-11-25",
    "server_version": "1.2.0",
    "pid": 4711,
    "attempts": 0,
    "next_attempt": None,
}


class Server(BaseModel):
    """Where one downstream server stands; nothing of its configuration, which may hold secrets."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    name: str
    transport: str
    state: ServerStatus
    error: str | None
    """Why it does not run, or what went wrong last; redacted."""
    tools: int
    problems: list[str]
    """Tools that were left out of its listing, and other things to know."""
    listed_at: str | None
    protocol_version: str | None
    server_version: str | None
    pid: int | None
    attempts: int
    """Failures in a row."""
    next_attempt: str | None


class Servers(BaseModel):
    """All of them, in the order of the configuration."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"servers": [EXAMPLE], "notices": []}]})

    servers: list[Server]
    notices: list[str]
    """What is not as configured."""


def server_json(state: ServerState) -> JsonObject:
    """A server's words about itself can quote what it was started with, so they are redacted."""
    return {
        **asdict(state),
        "error": redact(state.error),
        "problems": [redact(text) for text in state.problems],
    }


@router.get(
    "", dependencies=OPERATING, response_model=Servers, summary="List servers", operation_id="list_servers"
)
async def list_servers(app: GivenApp, caller: GivenCaller) -> JsonObject:
    """Where each downstream server stands now; none is started for it."""
    return _all(app.upkeep.servers(caller=caller), app.notices())


@router.post(
    "/refresh",
    dependencies=OPERATING,
    response_model=Servers,
    summary="Start and list all servers",
    operation_id="refresh_servers",
)
async def refresh_servers(app: GivenApp, caller: GivenCaller) -> JsonObject:
    """Start every downstream server and list its tools. It takes as long as the slowest of them."""
    return _all(await app.upkeep.refresh(caller=caller), app.notices())


@router.post(
    "/{name}/restart",
    dependencies=OPERATING,
    response_model=Server,
    responses=also(404),
    summary="Restart a server",
    operation_id="restart_server",
)
async def restart_server(name: str, app: GivenApp, caller: GivenCaller) -> JsonObject:
    """End a server's session, forget its failures, start it. 503 with the reason if it does not start."""
    return server_json(await app.upkeep.restart(name, caller=caller))


def _all(states: Sequence[ServerState], notices: Sequence[str]) -> JsonObject:
    return {
        "servers": [server_json(state) for state in states],
        "notices": [redact(notice) for notice in notices],
    }
