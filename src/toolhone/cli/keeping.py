"""The data folder as a whole, for the time of one command."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from toolhone.cli.permitting import refusals_recorded

if TYPE_CHECKING:
    from toolhone.audit import AuditLog
    from toolhone.keeping.service import Keeping
    from toolhone.settings import Settings


@asynccontextmanager
async def keeper(settings: "Settings") -> AsyncGenerator[tuple["Keeping", "AuditLog"]]:
    """The operations on the data folder, and its audit."""
    from toolhone.assembly import audit_log, keeping  # --help must not wait for it

    audit = audit_log(settings)
    try:
        async with refusals_recorded(audit, settings):
            yield keeping(settings, audit), audit
    finally:
        with anyio.CancelScope(shield=True):
            await audit.aclose()
