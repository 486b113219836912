"""`toolhone servers login|logout`: log in to a downstream server that asks for it, and out."""

import os
import sys
import webbrowser
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import click

from toolhone.cli.options import run, settings_of
from toolhone.cli.permitting import local_caller, refusals_recorded
from toolhone.cli.plain import harmless
from toolhone.settings import Settings

if TYPE_CHECKING:
    from toolhone.server_logins import ServerLogins

config_option = click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="TOOLHONE_CONFIG",
    show_envvar=True,
    help="The servers file that names it.  [default: the user's mcp.json]",
)
data_option = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="TOOLHONE_DATA",
    show_envvar=True,
    help="Folder in which the login is kept.  [default: the user's data folder]",
)


@click.command(short_help="Log in to a server that asks for it.")
@click.argument("server")
@click.option("--no-browser", is_flag=True, help="Only print the address to open.")
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    metavar="PORT",
    help="The port of this machine that the browser comes back to.  [default: any]",
)
@click.option("--scope", multiple=True, metavar="SCOPE", help="Ask for this besides; may be repeated.")
@config_option
@data_option
def login(
    server: str,
    no_browser: bool,
    port: int | None,
    scope: tuple[str, ...],
    config: Path | None,
    data: Path | None,
) -> None:
    """Log in to SERVER of the servers file in a browser, and keep the tokens in the data folder.

    The account you log in with is used for the calls of everybody who uses this data folder. Running
    toolhones use the login within two seconds.
    """
    settings = settings_of(config=config, data=data)

    async def show(address: str) -> None:
        click.echo("Open this address to log in:", err=True)
        click.echo(harmless(address))
        if not no_browser and _has_browser():
            await anyio.to_thread.run_sync(webbrowser.open, address)

    async def main() -> None:
        async with _logins(settings) as logins:
            grant = await logins.log_in(
                server,
                show=show,
                port=port,
                more_scopes=" ".join(scope) or None,
                caller=local_caller(settings),
            )
        scopes = (grant.tokens or {}).get("scope")
        allowed = f" for {scopes}" if scopes else ""
        click.echo(harmless(f"Logged in to {server}{allowed}."), err=True)
        if not grant.can_be_renewed:
            click.echo("It cannot be renewed: when it ends, log in again.", err=True)

    run(main)


@click.command(short_help="Delete the login at a server.")
@click.argument("server")
@config_option
@data_option
def logout(server: str, config: Path | None, data: Path | None) -> None:
    """Delete the tokens of SERVER, and tell its authorization server that they are not used any more."""
    settings = settings_of(config=config, data=data)

    async def main() -> None:
        async with _logins(settings) as logins:
            done = await logins.log_out(server, caller=local_caller(settings))
        click.echo(harmless(f"Logged out of {server}."), err=True)
        if not done.told:
            told = f"Its authorization server was not told: {done.why_not} A token may be good until it ends."
            click.echo(harmless(told), err=True)

    run(main)


def _has_browser() -> bool:
    # One for the terminal would take it from us.
    return sys.platform in ("win32", "darwin") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))


@asynccontextmanager
async def _logins(settings: Settings) -> AsyncGenerator["ServerLogins"]:
    """Logins at the servers of a servers file, for the time of one command."""
    from toolhone.assembly import audit_log, server_grants  # --help must not wait for them
    from toolhone.registry.config import load_servers
    from toolhone.server_logins import ServerLogins

    entries = load_servers(settings.config, os.environ).entries if settings.config is not None else ()
    audit = audit_log(settings)
    grants = server_grants(settings)
    try:
        async with refusals_recorded(audit, settings):
            yield ServerLogins(entries, grants, os.environ, record=audit.record)
    finally:
        with anyio.CancelScope(shield=True):
            await grants.aclose()
            await audit.aclose()
