"""From a credential to a caller: API tokens, access tokens of an authorization server, and logins.

What a credential gives is bounded by the role that toolhone was launched with.
"""

import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolhone.access import lower, require
from toolhone.auth.limits import Rates
from toolhone.auth.logins import Logins, Session
from toolhone.auth.refusals import Refusals
from toolhone.auth.tokens import PREFIX, ApiTokens
from toolhone.events import new_event
from toolhone.exceptions import LoginEndedError, NotAuthenticatedError, RateLimitedError
from toolhone.models import AuditEvent, Caller, EventKind
from toolhone.records.access import ApiToken
from toolhone.roles import Permission, Role
from toolhone.server.callers import LOOPBACK
from toolhone.settings import Settings

if TYPE_CHECKING:
    from toolhone.auth.oauth import AccessTokens

FAILURES = 10
"""Credentials that are not valid, a minute and address; more of them are answered with 429.

A good one is let in all the same: behind one address may be many people. Looking costs a hash of a secret
that nobody can guess; what costs more, checking signatures, has its own limit (auth/oauth.py).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """Whoever a credential names."""

    caller: Caller
    per_minute: int
    still: Callable[[], Awaitable[bool]]
    """Whether the credential is good yet, for requests that stay open."""
    session: Session | None = None
    """The login, if the credential is a cookie."""


class Entrance:
    """Decides who a credential is, and how often it may ask."""

    def __init__(
        self,
        settings: Settings,
        tokens: ApiTokens,
        record: Callable[[AuditEvent], Awaitable[None]],
        oauth: "AccessTokens | None",
    ) -> None:
        self.logins = Logins()
        self._record = record
        self.refusals = Refusals(record)
        self.oauth = oauth
        self.open_loopback = settings.open_loopback
        self._role = settings.role
        # Who opens the door to every program of the machine says what they may do, or they are agents.
        self._loopback_role = settings.role if "role" in settings.model_fields_set else Role.AGENT
        self._per_minute = settings.requests_per_minute
        self._tokens = tokens
        self._failures = Rates()
        self._code_failures = Rates()
        self._cookie_failures = Rates()
        self._rates = Rates()

    async def bearer(self, text: str, address: str) -> Admitted:
        """Whoever a token names.

        Args:
            address: Where the request comes from; who guesses is slowed down by it.

        Raises:
            NotAuthenticatedError: Nobody.
            RateLimitedError: Too many that name nobody came from this address.
        """
        try:
            if text.startswith(PREFIX) or self.oauth is None:
                return await self._api_token(text)
            return await self._access_token(self.oauth, text, address)
        except NotAuthenticatedError:
            _count_failure(self._failures, address)
            raise

    async def cookie(self, value: str, address: str) -> Admitted:
        """Whoever is logged in by this cookie.

        Raises:
            LoginEndedError: Nobody any more: the login or its token has ended.
            NotAuthenticatedError: Nobody that this process knows of.
            RateLimitedError: Too many that never named anybody came from this address.
        """
        admitted = await self._logged_in(value)
        if admitted is not None:
            return admitted
        if self.logins.has_ended(value):
            raise LoginEndedError
        _count_failure(self._cookie_failures, address)
        raise NotAuthenticatedError(
            "No login has this cookie, or it ended when toolhone was started anew. Log in again."
        )

    async def _logged_in(self, value: str) -> Admitted | None:
        session = self.logins.find(value)
        if session is None:
            return None
        per_minute = None
        if session.token_id is not None:
            token = await self._tokens.current(session.token_id)
            if token is None:
                self.logins.end(value)
                return None
            per_minute = token.requests_per_minute

        async def still() -> bool:
            if self.logins.find(value) is None:
                return False
            return session.token_id is None or await self._tokens.current(session.token_id) is not None

        return Admitted(
            caller=session.caller, per_minute=per_minute or self._per_minute, still=still, session=session
        )

    async def login(self, text: str, address: str, *, request_id: str) -> str:
        """The cookie of a new login by an API token.

        Raises:
            NotAuthenticatedError: It is no token, or none of ours: those of an authorization server end soon.
            RateLimitedError: Too many that were not valid came from this address.
        """
        try:
            caller = (await self.bearer(text, address)).caller
            token_id = caller.principal.removeprefix("token:")
            if token_id == caller.principal:
                raise NotAuthenticatedError("A browser logs in with an API token (toolhone tokens issue).")
        except (NotAuthenticatedError, RateLimitedError) as error:
            await self._note_failure(error, address, request_id, method="POST")
            raise
        return await self._begin(caller, token_id, request_id)

    def login_code(self) -> str:
        """What logs the person in who started this toolhone, once."""
        return self.logins.code(Caller(principal="local", role=self._role))

    async def login_by_code(self, code: str, address: str, *, request_id: str) -> str:
        """The cookie of a new login by a one-time address.

        Raises:
            NotAuthenticatedError: The address is unknown, used or too old.
            RateLimitedError: Too many that were not valid came from this address.
        """
        caller = self.logins.redeem(code)
        if caller is not None:
            return await self._begin(caller, None, request_id)
        try:
            _count_failure(self._code_failures, address)
            raise NotAuthenticatedError(
                "This login address was used already, or is older than 15 minutes. Log in with a token: "
                "toolhone tokens issue --role ROLE prints one."
            )
        except (NotAuthenticatedError, RateLimitedError) as error:
            await self._note_failure(error, address, request_id, method="GET")
            raise

    async def end_logins(self, *, but: Collection[str] = (), caller: Caller, request_id: str) -> int:
        """Log all browsers out, however they logged in; returns how many.

        Login addresses that are out, and were not used, log nobody in any more.

        Args:
            but: The cookies of logins that go on.

        Raises:
            PermissionDeniedError: The caller may not do that.
        """
        require(caller, Permission.ADMINISTER)
        event = new_event(
            EventKind.ACCESS, caller, request_id=request_id, success=True, payload={"what": "logins_ended"}
        )
        await self._record(event)
        return self.logins.end_all(but=but)

    def loopback(self) -> Admitted:
        """A program of this machine where `open_loopback` asks it for nothing."""
        return Admitted(
            caller=Caller(principal=LOOPBACK, role=self._loopback_role),
            per_minute=self._per_minute,
            still=_always,
        )

    def challenge(self, *, given: bool) -> str:
        """What WWW-Authenticate says to who has no valid credential.

        Args:
            given: Whether one was given that is not valid.
        """
        error = ['error="invalid_token"'] if given else []
        where = [f'resource_metadata="{self.oauth.metadata_url}"'] if self.oauth is not None else []
        return "Bearer " + ", ".join(['realm="toolhone"', *error, *where])

    def spend(self, admitted: Admitted) -> None:
        """Count a request.

        Raises:
            RateLimitedError: There were as many as the credential has in a minute.
        """
        wait = self._rates.take(admitted.caller.principal, admitted.per_minute)
        if wait is not None:
            raise _too_many(f"This credential has {admitted.per_minute:,} requests a minute", wait)

    async def _begin(self, caller: Caller, token_id: str | None, request_id: str) -> str:
        event = new_event(
            EventKind.ACCESS, caller, request_id=request_id, success=True, payload={"what": "logged_in"}
        )
        await self._record(event)
        cookie, _ = self.logins.begin(caller, token_id=token_id)
        return cookie

    async def _note_failure(
        self, error: NotAuthenticatedError | RateLimitedError, address: str, request_id: str, *, method: str
    ) -> None:
        await self.refusals.note(
            error.code, nobody(address), request_id=request_id, method=method, path="/login"
        )

    async def _api_token(self, text: str) -> Admitted:
        token = await self._tokens.verify(text)
        if token is None:
            raise NotAuthenticatedError(
                "This token is unknown, was revoked or has expired. Whoever runs toolhone makes another with "
                "toolhone tokens issue."
            )

        async def still() -> bool:
            return await self._tokens.current(token.token_id) is not None

        return Admitted(
            caller=self._caller(token),
            per_minute=token.requests_per_minute or self._per_minute,
            still=still,
        )

    async def _access_token(self, oauth: "AccessTokens", text: str, address: str) -> Admitted:
        granted = await oauth.verify(text, address=address)

        async def still() -> bool:
            return time.time() < granted.expires_at

        caller = Caller(principal=granted.principal, role=lower(granted.role, self._role))
        return Admitted(caller=caller, per_minute=self._per_minute, still=still)

    def _caller(self, token: ApiToken) -> Caller:
        return Caller(
            principal=f"token:{token.token_id}",
            role=lower(token.role, self._role),
            scopes=token.scopes,
            tools=token.tools,
        )


def nobody(address: str) -> Caller:
    """Who comes from this address with no credential that is valid: it may do nothing anyway."""
    return Caller(principal=f"address:{address}", role=Role.VIEWER)


async def _always() -> bool:
    return True


def _count_failure(failures: Rates, address: str) -> None:
    """Raises RateLimitedError if there were too many before this one."""
    wait = failures.take(address, FAILURES)
    if wait is not None:
        raise _too_many("Too many credentials from this address were not valid", wait)


def _too_many(what: str, wait: float) -> RateLimitedError:
    seconds = int(wait) + 1
    return RateLimitedError(f"{what}. Try again in {seconds} s.", data={"retry_after": seconds})
