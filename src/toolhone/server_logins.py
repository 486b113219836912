"""Logging in to downstream servers and out: who may, what is kept of it, and what is on record.

A login is good for every caller of a data folder: whoever logs in lends all of them that account.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import anyio
from mcp.shared.auth import AuthorizationCodeResult

from toolhone.access import require
from toolhone.events import new_event
from toolhone.exceptions import (
    ConflictError,
    InvalidRequestError,
    LoginFailedError,
    NotFoundError,
    ToolhoneError,
)
from toolhone.models import AuditEvent, Caller, EventKind, JsonObject
from toolhone.records.grants import Grant
from toolhone.registry.authorization import log_in, revoke
from toolhone.registry.callback import listening
from toolhone.registry.config import Command, Endpoint, ServerEntry
from toolhone.registry.credentials import Grants
from toolhone.registry.exchange import authorizing
from toolhone.registry.oauth_settings import OAuth, is_scope
from toolhone.roles import Permission

REVOKING_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedOut:
    """What a logout did. The tokens are not here any more, whatever it says."""

    told: bool
    """The authorization server knows that they are not used any more."""
    why_not: str | None = None


class ServerLogins:
    """The operations, over the servers file and the grants of a data folder."""

    def __init__(
        self,
        entries: Sequence[ServerEntry],
        grants: Grants,
        environment: Mapping[str, str],
        *,
        record: Callable[[AuditEvent], Awaitable[None]],
    ) -> None:
        """Take the servers.

        Args:
            environment: Ours; says whether a proxy stands between.
            record: Writes to the audit.
        """
        self._entries = {entry.name: entry for entry in entries}
        self._grants = grants
        self._environment = environment
        self._record = record

    async def log_in(
        self,
        server: str,
        *,
        show: Callable[[str], Awaitable[None]],
        port: int | None = None,
        more_scopes: str | None = None,
        patience: float = 600.0,
        caller: Caller,
    ) -> Grant:
        """Let a person log in, in a browser of this machine.

        Args:
            show: Is given the address that the browser must open.
            port: Where the browser comes back to; any that is free, if nothing else says.
            more_scopes: What to ask for besides what server and configuration say, separated by spaces.
            patience: Seconds that the person has.

        Raises:
            NotFoundError: No server of this name is configured.
            ConflictError: It is none that a person logs in to.
            InvalidRequestError: A scope cannot be asked for.
            LoginFailedError: Nothing was granted.
            ServerUnavailableError: It, or its authorization server, cannot be reached.
        """
        require(caller, Permission.ADMINISTER)
        target, oauth = self._target(server)
        for scope in (more_scopes or "").split():
            if not is_scope(scope):
                raise InvalidRequestError(
                    f"The scope {scope!r} cannot be asked for: scopes are printable ASCII without quotes and "
                    "backslashes."
                )
        before = await self._grants.get(server, target.url)
        fixed = port or oauth.callback_port
        # Clients that were registered for another program know the port by this name.
        host = "localhost" if oauth.client_id is not None else "127.0.0.1"
        try:
            async with (
                listening([fixed] if fixed else [*_port_before(before), 0], host=host) as callback,
                authorizing(server, target, self._environment) as exchange,
            ):

                async def ask(address: str) -> AuthorizationCodeResult:
                    callback.expect(address)
                    await show(address)
                    with anyio.fail_after(patience):
                        return await callback.answer()

                grant = await log_in(
                    exchange,
                    ask=ask,
                    redirect_uri=callback.redirect_uri,
                    before=before,
                    more_scopes=more_scopes,
                    by=caller.principal,
                    now=self._grants.clock(),
                )
        except TimeoutError as exc:
            error = LoginFailedError(f"Nobody logged in at server {server!r} within {patience:g} s.")
            await self._note(caller, server, "login failed", error=error)
            raise error from exc
        except ToolhoneError as exc:
            await self._note(caller, server, "login failed", error=exc)
            raise
        # On record first: who may act as somebody must be known before it can be.
        await self._note(caller, server, "logged in", scopes=(grant.tokens or {}).get("scope"))
        async with self._grants.renewing(server, target.url):
            await self._grants.save(grant)
        return grant

    async def log_out(self, server: str, *, caller: Caller) -> LoggedOut:
        """Delete the tokens of a server, and tell its authorization server that they are not used any more.

        Also of one that is not configured any more.

        Raises:
            NotFoundError: There is no login at a server of this name.
        """
        require(caller, Permission.ADMINISTER)
        kept = [grant for grant in await self._grants.all() if grant.server == server]
        if not kept:
            raise NotFoundError(f"There is no login at a server {server!r}.")
        gone: list[Grant] = []
        outcomes: list[LoggedOut] = []
        try:
            for known in kept:
                # A renewal that goes on meanwhile must not bring it back.
                async with self._grants.renewing(known.server, known.url):
                    grant = await self._grants.get(known.server, known.url) or known
                    await self._grants.forget(known.server, known.url)
                    gone.append(grant)
            # Whoever does not wait for the authorization server is logged out here all the same.
            outcomes = [await self._revoke(grant) for grant in gone]
        finally:
            if gone:
                with anyio.CancelScope(shield=True):
                    told = len(outcomes) == len(kept) and all(one.told for one in outcomes)
                    await self._note(caller, server, "logged out", told=told)
        return next((one for one in outcomes if not one.told), outcomes[0])

    async def _revoke(self, grant: Grant) -> LoggedOut:
        entry = self._entries.get(grant.server)
        target = entry.target if entry is not None else None
        if not isinstance(target, Endpoint) or target.url != grant.url:
            target = Endpoint(url=grant.url, headers={}, transport="http", oauth=OAuth())
        try:
            with anyio.fail_after(REVOKING_SECONDS):
                async with authorizing(grant.server, target, self._environment) as exchange:
                    told = await revoke(exchange, grant)
        except TimeoutError:
            return LoggedOut(told=False, why_not=f"no answer within {REVOKING_SECONDS:g} s.")
        except ToolhoneError as exc:
            return LoggedOut(told=False, why_not=exc.message)
        return LoggedOut(told=told, why_not=None if told else "it takes no such notice, or refused it.")

    def _target(self, server: str) -> tuple[Endpoint, OAuth]:
        entry = self._entries.get(server)
        if entry is None:
            known = ", ".join(self._entries) or "none"
            raise NotFoundError(f"There is no server {server!r}. Configured are: {known}.")
        if entry.problem is not None:
            raise InvalidRequestError(entry.problem.message)
        target = entry.target
        if isinstance(target, Command):
            why = "it is a program of this machine, which gets what it needs by 'env' of its entry"
        elif target is None:
            why = "it is disabled in the configuration"
        elif target.oauth is None:
            why = "its entry says what it is sent: the header 'Authorization', or no login"
        elif target.oauth.machine:
            why = "toolhone logs in by itself (grantType client_credentials)"
        else:
            return target, target.oauth
        raise ConflictError(f"Nobody logs in to server {server!r}: {why}.")

    async def _note(
        self, caller: Caller, server: str, what: str, *, error: ToolhoneError | None = None, **more: object
    ) -> None:
        payload: JsonObject = {"what": what, **more}
        if error is not None:
            payload["error"] = error.message
        code = None if error is None else error.code
        await self._record(
            new_event(
                EventKind.ACCESS,
                caller,
                server=server,
                success=error is None,
                error_code=code,
                payload=payload,
            )
        )


def _port_before(grant: Grant | None) -> list[int]:
    """The port that the registration of the last login names: many servers take no other."""
    uris: Sequence[str] = (grant.client or {}).get("redirect_uris") or () if grant is not None else ()
    return [port for uri in uris if (port := _port_of(uri)) is not None]


def _port_of(uri: str) -> int | None:
    _, _, after = uri.removeprefix("http://").partition("/")[0].rpartition(":")
    return int(after) if after.isdigit() and 0 < int(after) < 65_536 else None
