"""Who is asking, read off an MCP request."""

import hashlib
from dataclasses import replace
from typing import Any, TypeAlias

from mcp.server.context import ServerRequestContext

from toolhone.exceptions import NotAuthenticatedError
from toolhone.identifiers import new_id
from toolhone.models import LOCAL_CALLER, Caller, ProgressReporter
from toolhone.roles import Role

Context: TypeAlias = ServerRequestContext[dict[str, Any], Any]

PROCESS_SESSION = new_id()
"""The session of a stdio client: the life of this process."""

LOOPBACK = "loopback"
"""The principal of who needs no credential, where loopback is open."""

CALLER = "toolhone.caller"
"""Where in an ASGI scope the caller stands that a credential named."""


def caller_of(ctx: Context, role: Role) -> Caller:
    """The caller of a request.

    Over HTTP it is whoever the credential names; the session is for the record, and the SDK lets nobody speak
    in a session that another credential began. Where loopback is open without a credential, a session is a
    caller of its own, so that handles do not cross; clients since 2026-07-28 have none and are one caller
    together. Over stdio it is the local user.

    Args:
        role: What toolhone was launched with, for who started it over stdio.

    Raises:
        NotAuthenticatedError: A request over HTTP came by no credential, past all that asks for one.
    """
    client = ctx.session.client_params
    name = client.client_info.name if client is not None else None
    if ctx.request is None:
        return replace(LOCAL_CALLER, client=name, session=PROCESS_SESSION, role=role)
    key = session_key(ctx)
    # Who knows a session's key can speak in it, so the record gets only its hash.
    session = None if key is None else hashlib.sha256(key.encode()).hexdigest()[:32]
    known = ctx.request.scope.get(CALLER)
    if not isinstance(known, Caller):
        raise NotAuthenticatedError
    principal = known.principal
    if principal == LOOPBACK and session is not None:
        principal = f"{LOOPBACK}:{session}"
    return replace(known, principal=principal, client=name or known.client, session=session)


def session_key(ctx: Context) -> str | None:
    """What tells handshake-era connections apart; `None` for stdio and for sessionless requests."""
    if ctx.request is None:
        return None
    named = ctx.request.headers.get("mcp-session-id")
    # To read what is not there would take longer than all the rest.
    return named or (
        ctx.request.query_params.get("session_id") if ctx.request.scope["query_string"] else None
    )


def progress_of(ctx: Context) -> ProgressReporter | None:
    """How to report progress, if the client asked for it."""
    if not ctx.meta or "progress_token" not in ctx.meta:
        return None
    return ctx.session.report_progress
