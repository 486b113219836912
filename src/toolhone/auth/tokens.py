"""API tokens: issue, verify and revoke them.

A token reads `thk_ID_SECRET`. Its id is a name, its secret 190 random bits. A secret that nobody can guess
needs no slow hash: SHA-256 of it is kept, and there is nothing to try against it.
"""

import hashlib
import hmac
import logging
import re
import secrets
import string
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

import anyio
import anyio.to_thread

from toolhone.access import permissions, require
from toolhone.events import new_event, not_done
from toolhone.exceptions import (
    InvalidRequestError,
    NotFoundError,
    NotRunningError,
    PermissionDeniedError,
    StorageError,
    ToolhoneError,
)
from toolhone.identifiers import id_of_request, utc_timestamp
from toolhone.models import AuditEvent, Caller, EventKind, Json, JsonObject
from toolhone.records.access import ApiToken, TokenState, TokenStore
from toolhone.roles import PERMISSIONS, Permission, Role

logger = logging.getLogger(__name__)

T = TypeVar("T")

PREFIX = "thk_"
_ID_LENGTH, _SECRET_LENGTH = 10, 32
_ID_LETTERS = string.digits + string.ascii_lowercase
_SECRET_LETTERS = string.digits + string.ascii_letters
_FORM = re.compile(rf"thk_([a-z0-9]{{{_ID_LENGTH}}})_([A-Za-z0-9]{{{_SECRET_LENGTH}}})", re.ASCII)

MOST_RATE = 1_000_000
LONGEST_NAME = 200
MOST_PATTERNS = 100
LONGEST_LIFE = timedelta(days=3_650)
_MOST_REMEMBERED = 4_096


class ApiTokens:
    """The tokens of one data folder. Belongs to one event loop.

    Args:
        open_store: Called in a worker thread when a token is first asked for.
        record: Writes an event into the audit log.
        now: The present moment, as `utc_timestamp` spells it.
    """

    def __init__(
        self,
        open_store: Callable[[], TokenStore],
        *,
        record: Callable[[AuditEvent], Awaitable[None]],
        now: Callable[[], str] = utc_timestamp,
    ) -> None:
        self._open_store = open_store
        self._record = record
        self._now = now
        self._store: TokenStore | None = None
        self._thread = anyio.CapacityLimiter(1)
        self._remembered: dict[str, tuple[ApiToken, bytes]] = {}
        self._version = 0

    async def issue(
        self,
        *,
        caller: Caller,
        name: str,
        role: Role,
        scopes: Sequence[Permission] | None = None,
        tools: Sequence[str] | None = None,
        expires_in: timedelta | None = None,
        requests_per_minute: int | None = None,
    ) -> tuple[ApiToken, str]:
        """A new token, and its text, which is not kept and cannot be shown again.

        Raises:
            PermissionDeniedError: The caller may not issue tokens, or none that allows as much as this.
            InvalidRequestError: It would be a token that is of no use, or a limit is out of bounds.
        """
        require(caller, Permission.ADMINISTER)
        _check(name, role, scopes, tools, expires_in, requests_per_minute)
        now = self._now()
        expires_at = None if expires_in is None else _later(now, expires_in)
        _no_wider(caller, role, scopes, tools)
        await self._no_longer(caller, expires_at)
        token = ApiToken(
            token_id=_random(_ID_LETTERS, _ID_LENGTH),
            name=name,
            role=role,
            scopes=None if scopes is None else frozenset(scopes),
            tools=None if tools is None else tuple(tools),
            requests_per_minute=requests_per_minute,
            created_at=now,
            created_by=caller.principal,
            expires_at=expires_at,
        )
        secret = _random(_SECRET_LETTERS, _SECRET_LENGTH)
        event = _event("token_issued", token, caller, role=role.value)
        # Whoever is cancelled between the two would leave a record of what was not done.
        with anyio.CancelScope(shield=True):
            # First: a token that the record does not know must not open anything.
            await self._record(event)
            try:
                await self._in_thread(lambda store: store.add(token, _hash(secret)))
            except ToolhoneError as error:
                await self._take_back(event, error)
                raise
        return token, f"{PREFIX}{token.token_id}_{secret}"

    async def tokens(self, *, caller: Caller) -> Sequence[ApiToken]:
        """All tokens, also those that open nothing any more, the newest first.

        Raises:
            PermissionDeniedError: The caller may not see them.
        """
        require(caller, Permission.ADMINISTER)
        return await self._in_thread(lambda store: store.tokens())

    async def revoke(self, token_id: str, *, caller: Caller) -> ApiToken:
        """Let a token never open anything again, in whatever process, from the next request on.

        Raises:
            PermissionDeniedError: The caller may not revoke tokens.
            NotFoundError: There is no token of this id.
        """
        require(caller, Permission.ADMINISTER)
        if _FORM.fullmatch(token_id):
            # Somebody pasted the token itself, which must not be repeated in a message.
            token_id = token_id.removeprefix(PREFIX)[:_ID_LENGTH]
        token = await self._in_thread(lambda store: store.revoke(token_id, at=self._now()))
        if token is None:
            raise NotFoundError(f"There is no token {token_id!r}; toolhone tokens list shows the ids.")
        await self._record(_event("token_revoked", token, caller))
        return token

    async def any(self) -> bool:
        """Whether a token was ever issued for this data folder."""
        return bool(await self._in_thread(lambda store: store.tokens()))

    async def verify(self, text: str) -> ApiToken | None:
        """The token of this text; `None` if it is unknown, revoked or expired, all alike."""
        form = _FORM.fullmatch(text)
        if form is None:
            return None
        token_id, secret = form.groups()
        known = await self._find(token_id)
        # How long it takes may tell which ids there are. They are names, which the audit log shows.
        if known is None:
            return None
        token, expected = known
        if not hmac.compare_digest(_hash(secret), expected) or not self._is_open(token):
            return None
        await self._use(token)
        return token

    async def current(self, token_id: str) -> ApiToken | None:
        """The token of this id if it still opens anything, for what it has opened already."""
        known = await self._find(token_id)
        return known[0] if known is not None and self._is_open(known[0]) else None

    async def aclose(self) -> None:
        """Close the store, if it was opened."""
        store, self._store = self._store, None
        if store is not None:
            await anyio.to_thread.run_sync(store.close, limiter=self._thread)

    async def _no_longer(self, caller: Caller, expires_at: str | None) -> None:
        """Raises PermissionDeniedError if a token would outlive the one that issues it."""
        if not caller.principal.startswith("token:"):
            return
        issuer = await self._find(caller.principal.removeprefix("token:"))
        until = None if issuer is None else issuer[0].expires_at
        if until is not None and (expires_at is None or expires_at > until):
            raise PermissionDeniedError(
                f"A token cannot outlive the one that issues it, which expires at {until}. Let it expire "
                "before that, or issue it with another token."
            )

    def _is_open(self, token: ApiToken) -> bool:
        return token.state(self._now()) is TokenState.VALID

    async def _find(self, token_id: str) -> tuple[ApiToken, bytes] | None:
        # Another process may have revoked it since. Asked here and not in a thread: 15 µs against 200.
        if self._version and self._store is not None:
            version = self._store.version()
        else:
            version = await self._in_thread(lambda store: store.version())
        if version != self._version:
            self._remembered.clear()
            self._version = version
        known = self._remembered.get(token_id)
        if known is None:
            known = await self._in_thread(lambda store: store.find(token_id))
            # What changed while it was read is asked for again next time.
            if known is not None and version == self._version:
                if len(self._remembered) >= _MOST_REMEMBERED:
                    self._remembered.clear()
                self._remembered[token_id] = known
        return known

    async def _use(self, token: ApiToken) -> None:
        """Note the day, once a day: a write for each request would cost more than the request."""
        today = self._now()[:10]
        if token.used_on == today:
            return
        known = self._remembered.get(token.token_id)
        if known is not None:
            self._remembered[token.token_id] = replace(token, used_on=today), known[1]
        try:
            await self._in_thread(lambda store: store.used(token.token_id, on=today))
        except StorageError as exc:
            # A note for people. What the caller wants may well work.
            logger.warning("That token %s was used today is not noted: %s", token.token_id, exc.message)

    async def _in_thread(self, work: Callable[[TokenStore], T]) -> T:
        def run() -> T:
            if self._store is None:
                self._store = self._open_store()
            return work(self._store)

        return await anyio.to_thread.run_sync(run, limiter=self._thread)

    async def _take_back(self, event: AuditEvent, error: ToolhoneError) -> None:
        """Record that a token which is on record was not kept."""
        try:
            await self._record(not_done(event, error))
        except (StorageError, NotRunningError) as exc:
            logger.error(
                "Event %s says that a token was issued. It was not kept, and that is not on record: %s",
                event.event_id,
                exc.message,
            )


def _event(what: str, token: ApiToken, caller: Caller, **more: Json) -> AuditEvent:
    payload: JsonObject = {"what": what, "token_id": token.token_id, "name": token.name, **more}
    return new_event(EventKind.ACCESS, caller, request_id=id_of_request(), success=True, payload=payload)


def _check(
    name: str,
    role: Role,
    scopes: Sequence[Permission] | None,
    tools: Sequence[str] | None,
    expires_in: timedelta | None,
    requests_per_minute: int | None,
) -> None:
    """Raises InvalidRequestError for a token that would be of no use, or that no list could show."""
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidRequestError(
            f"The name of a token has at most {LONGEST_NAME} printable characters; got {name[:60]!r}."
        )
    if scopes is not None:
        allowed = PERMISSIONS[role]
        if beyond := sorted(set(scopes) - allowed):
            raise InvalidRequestError(
                f"The role {role.value!r} has no permission {beyond[0].value!r}, so no scope can give it. "
                f"It has {', '.join(sorted(allowed))}."
            )
        if not scopes:
            raise InvalidRequestError(
                "A token without any scope opens nothing; leave scopes out for all of the role."
            )
    if tools is not None and (
        not 0 < len(tools) <= MOST_PATTERNS or not all(0 < len(one) <= LONGEST_NAME for one in tools)
    ):
        raise InvalidRequestError(
            f"A token names 1 to {MOST_PATTERNS} patterns of tools, of at most {LONGEST_NAME} characters; "
            "leave them out for all tools of the role."
        )
    if expires_in is not None and not timedelta(0) < expires_in <= LONGEST_LIFE:
        raise InvalidRequestError(
            f"A token expires after more than nothing and at most {LONGEST_LIFE.days} days; got {expires_in}."
        )
    if requests_per_minute is not None and not 1 <= requests_per_minute <= MOST_RATE:
        raise InvalidRequestError(
            f"A token takes 1 to {MOST_RATE:,} requests a minute; got {requests_per_minute}."
        )


def _no_wider(
    caller: Caller, role: Role, scopes: Sequence[Permission] | None, tools: Sequence[str] | None
) -> None:
    """Raises PermissionDeniedError if a token would allow what who issues it may not do."""
    asked = PERMISSIONS[role] if scopes is None else frozenset(scopes)
    if beyond := sorted(asked - permissions(caller)):
        raise PermissionDeniedError(
            f"A token cannot allow more than who issues it may do, and that is not {beyond[0].value!r}. "
            "Name scopes that leave it out, or issue it with another token.",
            data={"permission": beyond[0].value, "role": caller.role.value},
        )
    if caller.tools is None:
        return
    # Compared as texts: whether one pattern covers another would have to be right for all of them.
    others = [pattern for pattern in tools or () if pattern not in caller.tools]
    if tools is None or others:
        wider = f"{others[0]!r} is none of its patterns" if others else "this one names none"
        raise PermissionDeniedError(
            f"A token cannot be for more tools than the one that issues it, and {wider}. "
            f"Name one or more of them: {', '.join(caller.tools)}."
        )


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("ascii")).digest()


def _random(letters: str, length: int) -> str:
    return "".join(secrets.choice(letters) for _ in range(length))


def _later(moment: str, by: timedelta) -> str:
    return (datetime.fromisoformat(moment) + by).isoformat(timespec="microseconds")
