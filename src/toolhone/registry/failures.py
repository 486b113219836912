"""Decide what the failure of a downstream server means: what to say, and when to try again."""

import math
import shlex
from collections.abc import Iterator
from typing import Final

import httpx2

from toolhone.exceptions import (
    ConnectionLostError,
    LoginNeededError,
    ServerAuthenticationError,
    ServerUnavailableError,
    ToolhoneError,
)
from toolhone.registry.config import Command, Endpoint, ServerEntry
from toolhone.registry.oauth_settings import OAuth
from toolhone.registry.server_state import ServerStatus

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 300.0
STEADY_SECONDS: Final = 60.0
"""A session that lived this long was healthy: its loss starts the count of failures anew."""


class Patience:
    """Counts failures in a row, and says when the next try may be. Times are the caller's clock."""

    def __init__(self) -> None:
        self.failures = 0
        self.next_attempt = 0.0

    def start_failed(self, now: float, chance: float) -> None:
        self.failures += 1
        self.next_attempt = now + backoff(self.failures, chance)

    def session_lost(self, now: float, chance: float, *, lived: float) -> None:
        """The first loss may be repaired at once; losses in quick succession wait like failed starts."""
        if lived >= STEADY_SECONDS:
            self.failures = 0
        self.failures += 1
        self.next_attempt = now + (backoff(self.failures - 1, chance) if self.failures > 1 else 0.0)

    def forget(self) -> None:
        self.failures, self.next_attempt = 0, 0.0

    def hurry(self) -> None:
        """Allow one try now, without forgetting."""
        self.next_attempt = 0.0


def backoff(failures: int, chance: float) -> float:
    """Seconds to wait after so many failures in a row: doubling, capped, half of it left to chance."""
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures - 1, 30))
    return longest * (0.5 + chance / 2)


def start_failure(
    entry: ServerEntry, failure: Exception, *, timeout: float, last_words: str
) -> ServerUnavailableError:
    """Why the server did not start, in one message that names what was tried."""
    cause = next(_leaves(failure))
    if isinstance(cause, ServerAuthenticationError):
        return cause
    target = entry.target
    answer = cause.response if isinstance(cause, httpx2.HTTPStatusError) else None
    if answer is not None and answer.status_code in (401, 403) and isinstance(target, Endpoint):
        return refused_by(entry.name, target, answer)
    if isinstance(cause, TimeoutError):
        why = f"It did not answer within {timeout:g} s."
    elif isinstance(cause, ConnectionLostError):
        why = "It ended before it answered."
    elif isinstance(cause, ToolhoneError):
        why = cause.message
    else:
        why = f"{type(cause).__name__}: {cause}."
    how = f" with the command {target.command!r}" if isinstance(target, Command) else ""
    return ServerUnavailableError(f"Server {entry.name!r} did not start{how}. {why}{last_words}")


def refusal(
    name: str, status: ServerStatus, error: str | None, *, retry_after: float | None
) -> ServerUnavailableError:
    """Why a server is not even tried to start now."""
    why = error or "It is not running."
    if status == ServerStatus.FAILED:
        return ServerAuthenticationError(why)
    if status == ServerStatus.NEEDS_LOGIN:
        return LoginNeededError(why)
    if status in (ServerStatus.DISABLED, ServerStatus.INVALID):
        return ServerUnavailableError(f"Server {name!r} is {status} in the configuration. {why}")
    if retry_after is not None:
        seconds = math.ceil(retry_after)
        return ServerUnavailableError(
            f"Server {name!r} is not available; it is tried again in {seconds} s. {why}",
            data={"retry_after_seconds": seconds},
        )
    return ServerUnavailableError(f"Server {name!r} is not available. {why}")


def is_ourselves(server: str) -> ServerUnavailableError:
    """The error of a server that gave its name as toolhone."""
    return ServerUnavailableError(
        f"Server {server!r} is toolhone itself, which cannot be one of its own servers, so it was ended. "
        "Remove it from the servers file, then restart toolhone."
    )


def refused_by(server: str, target: Endpoint, response: httpx2.Response) -> ServerAuthenticationError:
    """What an answer 401 or 403 says of our right to ask."""
    status, challenge = response.status_code, response.headers.get("www-authenticate", "").lower()
    oauth = target.oauth
    if oauth is None or oauth.machine:
        mended = False
    elif status == 403:
        mended = "insufficient_scope" in challenge
    else:
        # One that is sent a key in a header of its own may mean that.
        mended = not target.headers or oauth != OAuth() or "bearer" in challenge
    return login_needed(server, status) if mended else refused_credentials(server, status)


def login_needed(server: str, status: int) -> LoginNeededError:
    """The error that stops all further tries until somebody has logged in."""
    how = f"toolhone servers login {shlex.quote(server)}"
    if status == 403:
        return LoginNeededError(
            f"Server {server!r} asks for more than its login allows (HTTP 403, insufficient_scope). "
            f"Log in for more: {how} --scope SCOPE"
        )
    return LoginNeededError(f"Server {server!r} asks for a login (HTTP {status}). Log in: {how}")


def stopped_by(error: ServerAuthenticationError) -> ServerStatus:
    """Where it leaves a server that it refused us."""
    return ServerStatus.NEEDS_LOGIN if isinstance(error, LoginNeededError) else ServerStatus.FAILED


def refused_credentials(server: str, status: int) -> ServerAuthenticationError:
    """The error that stops all further tries."""
    return ServerAuthenticationError(
        f"Server {server!r} refused our credentials (HTTP {status}). "
        "Correct its headers, or 'oauth', in the configuration, then restart toolhone."
    )


def _leaves(failure: BaseException) -> Iterator[BaseException]:
    if isinstance(failure, BaseExceptionGroup):
        for part in failure.exceptions:  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            yield from _leaves(part)  # pyright: ignore[reportUnknownArgumentType]
    else:
        yield failure
