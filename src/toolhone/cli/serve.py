"""`toolhone serve`: the MCP server."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import anyio
import click

from toolhone.cli.logs import LogFormat, set_up_logs
from toolhone.cli.options import note, places, quiet_foreign_loggers, settings_of
from toolhone.cli.telemetry import telemetry
from toolhone.exceptions import ConfigurationError
from toolhone.roles import Role
from toolhone.settings import Settings


@click.command(short_help="Serve MCP over stdio, or everything over HTTP.")
@places
@click.option(
    "--http",
    metavar="HOST:PORT",
    help="Serve MCP at /mcp and /sse, REST at /api/v1 and the dashboard at / instead of stdio.",
)
@click.option(
    "--open-loopback",
    is_flag=True,
    default=None,
    help="Ask programs of this machine for no token at /mcp and /sse: they are agents, or what --role says.",
)
@click.option(
    "--remote",
    is_flag=True,
    default=None,
    help="Let --http listen on an address that other machines can reach. Serve https then.",
)
@click.option(
    "--tls-cert",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Certificate chain for https, in PEM.",
)
@click.option(
    "--tls-key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Its private key, in PEM."
)
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    envvar="TOOLHONE_ROLE",
    show_envvar=True,
    help="What callers may do at most; `agent` finds and calls tools and is listed nothing else.  "
    "[default: admin]",
)
@click.option(
    "--log-level",
    default="warning",
    show_default=True,
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
    help="What reaches stderr.",
)
@click.option(
    "--log-format",
    default="text",
    show_default=True,
    type=click.Choice(["text", "json"]),
    help="How: as lines for people, or as a JSON object a line.",
)
@click.option(
    "--quiet-start",
    is_flag=True,
    default=None,
    help="Write the first token and the login address to files in the data folder, not to stderr. So it is "
    "also with JSON logs, and if stderr is the journal of systemd.",
)
def serve(
    config: Path | None,
    registry: Path | None,
    data: Path | None,
    http: str | None,
    open_loopback: bool | None,
    remote: bool | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    role: str | None,
    log_level: str,
    log_format: LogFormat,
    quiet_start: bool | None,
) -> None:
    """Serve MCP: over stdio to the host that started it, or over HTTP to who has a token."""
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together.")
    if http is None:
        _refuse_without_http(
            {
                "--open-loopback": open_loopback,
                "--remote": remote,
                "--tls-cert": tls_cert,
                "--quiet-start": quiet_start,
            }
        )
    quiet_foreign_loggers()
    set_up_logs(log_level, log_format)
    settings = settings_of(
        config=config,
        registry=registry,
        data=data,
        role=role,
        open_loopback=open_loopback,
        remote=remote,
        quiet_start=quiet_start,
    )
    with telemetry(os.environ):
        if http is None:
            anyio.run(_serve_stdio, settings)
        else:
            quiet = (
                settings.quiet_start or log_format == "json" or _is_journal(os.environ.get("JOURNAL_STREAM"))
            )
            # An event loop in C: a fifth less time a request. None is made for Windows.
            faster = {"use_uvloop": sys.platform != "win32"}
            anyio.run(_serve_http, settings, http, tls_cert, tls_key, quiet, backend_options=faster)


def _refuse_without_http(options: Mapping[str, object]) -> None:
    """Options that say nothing over stdio: who gives one believes that a port is served."""
    if given := [name for name, value in options.items() if value]:
        raise click.UsageError(
            f"{given[0]} is for a toolhone that is served over HTTP: add --http HOST:PORT, or leave it out."
        )


async def _serve_stdio(settings: Settings) -> None:
    from toolhone.app import open_app  # importing the SDK takes seconds; --help must not wait for it
    from toolhone.server.stdio import serve_stdio

    async with open_app(settings, os.environ) as app:
        await serve_stdio(app)


async def _serve_http(
    settings: Settings, address: str, tls_cert: Path | None, tls_key: Path | None, quiet: bool
) -> None:
    from toolhone.auth.loopback import is_loopback
    from toolhone.server.addresses import listen, parse_address

    host, port = parse_address(address, remote=settings.remote)
    if not is_loopback(host):
        if settings.open_loopback:
            raise ConfigurationError(
                f"{address!r} can be reached from other machines, so loopback cannot be open: a proxy or a "
                "tunnel would open it to all. Leave out --open-loopback, or listen on 127.0.0.1."
            )
        _warn_of_remote(settings, host, tls=tls_cert is not None)
    listening = listen(host, port)

    from toolhone.app import open_app  # as above
    from toolhone.server.http import Tls, serve_http

    tls = Tls(certificate=tls_cert, key=tls_key) if tls_cert and tls_key else None
    async with open_app(settings, os.environ) as app:
        await serve_http(app, listening, tls=tls, quiet_start=quiet)


def _is_journal(stream: str | None) -> bool:
    """Whether stderr is kept by systemd, which tells the device and inode of what it keeps.

    That a service is above us is not enough: a desktop's terminal may be one.
    """
    try:
        stderr = os.fstat(2)
    except OSError:
        return False
    return stream == f"{stderr.st_dev}:{stderr.st_ino}"


def _warn_of_remote(settings: Settings, host: str, *, tls: bool) -> None:
    if not tls:
        note(
            "Without https, whoever is on the way can read tokens. Add --tls-cert and --tls-key, or a proxy."
        )
    if not settings.hosts and host in {"0.0.0.0", "::"}:
        note(
            "Requests by any name but loopback are refused. Set TOOLHONE_HOSTS to the names by which clients "
            "reach this machine."
        )
