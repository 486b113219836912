"""Who is asking, read off an MCP request."""

import hashlib
from typing import Any, TypeAlias

from mcp.server.context import ServerRequestContext

from toolhone.identifiers import new_id
from toolhone.models import Caller, ProgressReporter
from toolhone.roles import Role

Context: TypeAlias = ServerRequestContext[dict[str, Any], Any]

PROCESS_SESSION = new_id()
"""The session of a stdio client: the life of this process."""


def caller_of(ctx: Context, role: Role) -> Caller:
    """The caller of a request, who has the role that toolhone was launched with.

    Over stdio it is the local user. Over HTTP, which has no authentication and listens on loopback only,
    it is the session where the protocol has one, so that handles do not cross; clients since 2026-07-28
    have none and are one caller together.
    """
    client = ctx.session.client_params
    name = client.client_info.name if client is not None else None
    key = session_key(ctx)
    if ctx.request is None:
        return Caller(principal="local", client=name, session=PROCESS_SESSION, role=role)
    if key is None:
        return Caller(principal="loopback", client=name, role=role)
    # Who knows a session's key can speak in it, so the record gets only its hash.
    session = hashlib.sha256(key.encode()).hexdigest()[:32]
    return Caller(principal=f"loopback:{session}", client=name, session=session, role=role)


def session_key(ctx: Context) -> str | None:
    """What tells handshake-era connections apart; `None` for stdio and for sessionless requests."""
    if ctx.request is None:
        return None
    return ctx.request.headers.get("mcp-session-id") or ctx.request.query_params.get("session_id")


def progress_of(ctx: Context) -> ProgressReporter | None:
    """How to report progress, if the client asked for it."""
    if not ctx.meta or "progress_token" not in ctx.meta:
        return None
    return ctx.session.report_progress
