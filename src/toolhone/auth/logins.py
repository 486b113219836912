"""Logins of browsers: one-time addresses, and the sessions that cookies name."""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from toolhone.models import Caller

CODE_SECONDS = 15 * 60
"""How long a login address is good for."""

SESSION_SECONDS = 12 * 60 * 60

MOST_SESSIONS = 1_000
"""Past that the oldest ends."""

MOST_ENDED = 1_000
"""Sessions that have ended, and are still told from what nobody was ever given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A browser that is logged in."""

    caller: Caller
    token_id: str | None
    """The API token that it logged in with: the session ends with it."""
    ends: float
    """On the clock of `Logins`."""
    csrf: str = field(repr=False)
    """What a form of ours carries, and no other page can know."""


class Logins:
    """The sessions of this process. A restart ends them all.

    Of a cookie only the hash is kept, so that no copy of our memory opens anything.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._codes: dict[bytes, tuple[Caller, float]] = {}
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()
        self._ended: OrderedDict[bytes, None] = OrderedDict()

    def code(self, caller: Caller) -> str:
        """A code that logs one browser in as this caller, once."""
        now = self._clock()
        self._codes = {key: kept for key, kept in self._codes.items() if now < kept[1]}
        text = secrets.token_urlsafe(24)
        self._codes[_hash(text)] = caller, now + CODE_SECONDS
        return text

    def redeem(self, code: str) -> Caller | None:
        """Whom the code logs in; it is used up. `None` if it is unknown, used or too old."""
        caller, until = self._codes.pop(_hash(code), (None, 0.0))
        return caller if self._clock() < until else None

    def begin(self, caller: Caller, *, token_id: str | None = None) -> tuple[str, Session]:
        """A session, and the value of the cookie that names it."""
        cookie = secrets.token_urlsafe(32)
        session = Session(
            caller=caller,
            token_id=token_id,
            ends=self._clock() + SESSION_SECONDS,
            csrf=secrets.token_urlsafe(24),
        )
        self._sessions[_hash(cookie)] = session
        while len(self._sessions) > MOST_SESSIONS:
            self._remember(self._sessions.popitem(last=False)[0])
        return cookie, session

    def find(self, cookie: str) -> Session | None:
        """The session that the cookie names, if it has not ended."""
        session = self._sessions.get(_hash(cookie))
        if session is not None and self._clock() >= session.ends:
            self.end(cookie)
            return None
        return session

    def end(self, cookie: str) -> None:
        """Log out; ending what has ended is harmless."""
        key = _hash(cookie)
        if self._sessions.pop(key, None) is not None:
            self._remember(key)

    def has_ended(self, cookie: str) -> bool:
        """Whether the cookie named a session once: who sends it was logged in, and does not guess."""
        return _hash(cookie) in self._ended

    def end_all(self, *, but: Collection[str] = ()) -> int:
        """Log every browser out, and let no code that is out log one in; returns how many were logged in.

        Args:
            but: The cookies of sessions that go on.
        """
        now = self._clock()
        kept = {_hash(cookie) for cookie in but}
        ended = [(key, one) for key, one in self._sessions.items() if key not in kept]
        self._codes.clear()
        for key, _ in ended:
            del self._sessions[key]
            self._remember(key)
        return sum(now < one.ends for _, one in ended)

    def _remember(self, key: bytes) -> None:
        self._ended[key] = None
        if len(self._ended) > MOST_ENDED:
            self._ended.popitem(last=False)


def proves(session: Session, given: str) -> bool:
    """Whether a request carries what only a page of this session knows."""
    return hmac.compare_digest(session.csrf.encode(), given.encode("utf-8", "replace"))


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()
