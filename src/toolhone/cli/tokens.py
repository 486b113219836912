"""`toolhone tokens`: issue, list and revoke API tokens."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import click

from toolhone.auth.listing import token_json
from toolhone.cli.options import as_json, console, data_option, note, print_json, run, settings_of, table
from toolhone.cli.permitting import local_caller, refusals_recorded
from toolhone.cli.plain import harmless
from toolhone.identifiers import utc_timestamp
from toolhone.records.access import ApiToken, TokenState
from toolhone.roles import Permission, Role
from toolhone.settings import Settings

if TYPE_CHECKING:
    from toolhone.auth.tokens import ApiTokens

_PERIOD = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Period(click.ParamType[timedelta]):
    """A length of time, as in `30d`."""

    name = "period"

    def convert(
        self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        form = _PERIOD.fullmatch(value)
        if form is None:
            self.fail(f"{value!r} is no length of time; write 30m, 12h, 30d or 8w.", param, ctx)
        return timedelta(**{_UNITS[form[2]]: int(form[1])})


@click.group(short_help="Issue, list and revoke API tokens.")
def tokens() -> None:
    """API tokens: what programs and browsers show to toolhone over HTTP."""


@asynccontextmanager
async def _tokens(settings: Settings) -> AsyncGenerator["ApiTokens"]:
    from toolhone.assembly import api_tokens, audit_log  # --help must not wait for it

    audit = audit_log(settings)
    kept = api_tokens(settings, audit)
    try:
        async with refusals_recorded(audit, settings):
            yield kept
    finally:
        with anyio.CancelScope(shield=True):
            await kept.aclose()
            await audit.aclose()


@tokens.command(short_help="Make a token and print it.")
@click.option(
    "--role",
    required=True,
    type=click.Choice([role.value for role in Role]),
    help="What its bearer may do: each role may do all that the ones before it may.",
)
@click.option("--name", default="", help="What it is for, in your words.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([permission.value for permission in Permission]),
    metavar="PERMISSION",
    help="Only for this, may be given again: "
    f"{', '.join(permission.value for permission in Permission)}.  [default: all that the role allows]",
)
@click.option(
    "--tools",
    multiple=True,
    metavar="PATTERN",
    help="Only for tools of such names, as in 'github__*'; may be given again.",
)
@click.option("--expires", type=Period(), metavar="PERIOD", help="As in 12h or 30d.  [default: never]")
@click.option(
    "--rate",
    type=click.IntRange(1),
    metavar="N",
    help="Requests a minute.  [default: as the server is set]",
)
@data_option
def issue(
    role: str,
    name: str,
    scopes: tuple[str, ...],
    tools: tuple[str, ...],
    expires: timedelta | None,
    rate: int | None,
    data: Path | None,
) -> None:
    """Make a token. It is all that is printed, this once: what is kept cannot show it again."""
    settings = settings_of(data=data)

    async def main() -> None:
        async with _tokens(settings) as kept:
            _, text = await kept.issue(
                caller=local_caller(settings),
                name=name,
                role=Role(role),
                scopes=[Permission(scope) for scope in scopes] or None,
                tools=tools or None,
                expires_in=expires,
                requests_per_minute=rate,
            )
        click.echo(text)

    run(main)


@tokens.command("list", short_help="Show what tokens there are.")
@data_option
@as_json
def list_tokens(data: Path | None, json_output: bool) -> None:
    """Show what tokens there are, the newest first. None of them can be shown itself."""
    settings = settings_of(data=data)

    async def main() -> None:
        async with _tokens(settings) as kept:
            found = await kept.tokens(caller=local_caller(settings))
        if json_output:
            print_json([token_json(token) for token in found])
        elif found:
            rows = [_row(token) for token in found]
            console().print(
                table(["id", "role", "state", "used", "only for", "name"], rows, shorten=["only for", "name"])
            )
        else:
            note(f"No token was ever made in {str(settings.data)!r}; toolhone tokens issue makes one.")

    run(main)


@tokens.command(short_help="Let a token never open anything again.")
@click.argument("token_id", metavar="ID")
@data_option
def revoke(token_id: str, data: Path | None) -> None:
    """Let the token with this ID never open anything again; servers know it at their next request."""
    settings = settings_of(data=data)

    async def main() -> None:
        async with _tokens(settings) as kept:
            token = await kept.revoke(token_id, caller=local_caller(settings))
        click.echo(f"{token.token_id} is revoked.")

    run(main)


def _row(token: ApiToken) -> list[str]:
    state = token.state(utc_timestamp()).value
    if state == TokenState.VALID and token.expires_at is not None:
        state = f"until {token.expires_at[:10]}"
    narrowed = [*sorted(token.scopes or ()), *(token.tools or ())]
    if token.requests_per_minute is not None:
        narrowed.append(f"{token.requests_per_minute}/min")
    return [
        token.token_id,
        token.role.value,
        state,
        token.used_on or "never",
        harmless(", ".join(narrowed)),
        harmless(token.name),
    ]
