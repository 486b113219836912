"""`toolhone serve`: the MCP server."""

import logging
import os
import sys
from pathlib import Path

import anyio
import click

from toolhone.cli.options import places, quiet_foreign_loggers, settings_of
from toolhone.roles import Role
from toolhone.settings import Settings


@click.command(short_help="Serve MCP over stdio or HTTP.")
@places
@click.option(
    "--http",
    metavar="HOST:PORT",
    help="Serve Streamable HTTP at /mcp and SSE at /sse instead of stdio. Loopback only.",
)
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    envvar="TOOLHONE_ROLE",
    show_envvar=True,
    help="What callers may do; `agent` finds and calls tools and is listed nothing else.  [default: admin]",
)
@click.option(
    "--log-level",
    default="warning",
    show_default=True,
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
    help="What reaches stderr.",
)
def serve(
    config: Path | None,
    registry: Path | None,
    data: Path | None,
    http: str | None,
    role: str | None,
    log_level: str,
) -> None:
    """Serve MCP: over stdio to the host that started it, or over HTTP."""
    quiet_foreign_loggers()
    logging.basicConfig(
        level=log_level.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    settings = settings_of(config=config, registry=registry, data=data, role=role)
    anyio.run(_serve, settings, http)


async def _serve(settings: Settings, http: str | None) -> None:
    from toolhone.app import open_app  # importing the SDK takes seconds; --help must not wait for it

    if http is None:
        from toolhone.server.stdio import serve_stdio

        async with open_app(settings, os.environ) as app:
            await serve_stdio(app)
    else:
        from toolhone.server.http import listen, parse_address, serve_http, url_of

        listening = listen(*parse_address(http))
        async with open_app(settings, os.environ) as app:
            click.echo(
                f"toolhone serves MCP at {url_of(listening)}/mcp (SSE at /sse, health at /health)", err=True
            )
            await serve_http(app, listening)
