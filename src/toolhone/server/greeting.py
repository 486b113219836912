"""What a start says: where everything is, and how to get in."""

import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.to_thread
import click

from toolhone.access import allows
from toolhone.app import App
from toolhone.auth.logins import CODE_SECONDS
from toolhone.exceptions import StorageError
from toolhone.models import LOCAL_CALLER
from toolhone.roles import Permission, Role
from toolhone.server.entrance import Entrance

logger = logging.getLogger(__name__)

TOKEN_FILE = "first-admin-token"
LOGIN_FILE = "login-address"


@asynccontextmanager
async def greeting(
    app: App, entrance: Entrance, url: str, *, quiet: bool, lasting: float = CODE_SECONDS
) -> AsyncGenerator[None]:
    """Let in who started this: by what stands on stderr, or in files that only they can read.

    The file with the login address is there as long as the address may log somebody in, and no longer than
    the context.

    Args:
        quiet: Whether what is written on stderr is kept and read by others, as in the log of a service.
        lasting: Seconds that the login address is good for.

    Raises:
        StorageError: The files cannot be written.
    """
    owner = replace(LOCAL_CALLER, role=app.settings.role)
    token: str | None = None
    if allows(owner, Permission.ADMINISTER) and not await app.tokens.any():
        _, token = await app.tokens.issue(
            caller=owner, name="the first, made at the first start", role=Role.ADMIN
        )
    login = f"{url}/login?code={entrance.login_code()}"
    if not quiet:
        click.echo(f"toolhone serves MCP at {url}/mcp (SSE at {url}/sse), REST at {url}/api/v1", err=True)
        if token is not None:
            click.echo(f"Your first token, of an admin, is shown this once: {token}", err=True)
        click.echo(f"Dashboard, this address logs you in once: {login}", err=True)
        yield
        return
    folder = app.settings.data
    await anyio.to_thread.run_sync(_write, folder / LOGIN_FILE, login)
    told = f"The address that logs a browser in once is in {folder / LOGIN_FILE}"
    if token is not None:
        await anyio.to_thread.run_sync(_write, folder / TOKEN_FILE, token)
        told += f", the first token, of an admin, in {folder / TOKEN_FILE}"
    # A warning, so that it is seen at every level that services are run with.
    logger.warning("serving %s. %s", url, told)

    async def forget() -> None:
        await anyio.sleep(lasting)
        await anyio.to_thread.run_sync(_forget, folder / LOGIN_FILE, login)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(forget)
        try:
            yield
        finally:
            tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(_forget, folder / LOGIN_FILE, login)


def _write(path: Path, secret: str) -> None:
    """Write a file that only its owner can read, in place of any that is there."""
    try:
        path.unlink(missing_ok=True)
        # Made anew: one that somebody else put there, a link say, is not followed.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{secret}\n")
    except OSError as exc:
        raise StorageError(
            f"How to get in cannot be written to {str(path)!r}: {exc.strerror or exc}."
        ) from exc


def _forget(path: Path, secret: str) -> None:
    """Delete the file, unless another start has written its own there since."""
    try:
        if path.read_text() == f"{secret}\n":
            path.unlink()
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError) as exc:
        logger.warning("What opens nothing any more is still in %s: %s", path, exc)
