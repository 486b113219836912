"""What the user of this machine may do from the command line: no more than the settings leave them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import click

from toolhone.access import require
from toolhone.exceptions import PermissionDeniedError
from toolhone.models import LOCAL_CALLER, Caller, EventKind, JsonObject
from toolhone.roles import Permission
from toolhone.settings import Settings

if TYPE_CHECKING:
    from toolhone.audit import AuditLog


def local_caller(settings: Settings) -> Caller:
    """The user of this machine. Who can set TOOLHONE_ROLE for an agent's shell keeps it from the rest."""
    return Caller(principal=LOCAL_CALLER.principal, role=settings.role)


@asynccontextmanager
async def refusals_recorded(audit: "AuditLog", settings: Settings) -> AsyncGenerator[None]:
    """Let what a command is refused within be on record, where there is one."""
    from toolhone.events import new_event  # --help must not wait for it

    try:
        yield
    except PermissionDeniedError as error:
        if settings.data.exists():
            payload: JsonObject = {"command": click.get_current_context().command_path, **error.data}
            event = new_event(
                EventKind.REFUSAL,
                local_caller(settings),
                success=False,
                error_code=error.code,
                payload=payload,
            )
            await audit.record(event)
        raise


def permitted(settings: Settings, permission: Permission) -> Settings:
    """The settings, for a command that nothing below it permits: who may not do it gets no further.

    Raises:
        PermissionDeniedError: The user's role has not the permission.
    """

    async def refused() -> None:
        from toolhone.assembly import audit_log

        audit = audit_log(settings)
        try:
            async with refusals_recorded(audit, settings):
                require(caller, permission)
        finally:
            await audit.aclose()

    caller = local_caller(settings)
    try:
        require(caller, permission)
    except PermissionDeniedError:
        anyio.run(refused)
    return settings
