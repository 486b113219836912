"""What authorization servers granted us for downstream servers, as it is kept, and the store of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from toolhone.models import JsonObject


def renewal_margin(lifetime: float) -> float:
    """Seconds before its end at which a token is renewed: on its way it must not grow too old."""
    return min(30.0, lifetime / 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A login at a downstream server. Holds secrets: never write it anywhere but into the store."""

    server: str
    url: str
    """Where the server was. Its tokens go nowhere else, whatever is called by this name later."""
    client: JsonObject | None = field(repr=False)
    """As what toolhone is registered, as of RFC 7591; `None` for a client that the configuration names."""
    tokens: JsonObject | None = field(repr=False)
    """The token response of RFC 6749; `None` once renewing it was refused, which takes a new login."""
    found: JsonObject
    """What the server and its authorization server publish of themselves."""
    renew_at: float | None = None
    """Seconds since the epoch, a little before the access token ends; `None` if it does not say when."""
    granted_at: str
    """Times are UTC, ISO 8601 with microseconds and `+00:00`."""
    granted_by: str
    """Principal of who logged in."""
    renewed_at: str | None = None

    @property
    def access_token(self) -> str | None:
        return None if self.tokens is None else self.tokens["access_token"]

    @property
    def ends_at(self) -> float | None:
        """Seconds since the epoch at which the access token ends; `None` if it does not say when."""
        if self.renew_at is None or self.tokens is None:
            return None
        return self.renew_at + renewal_margin(self.tokens["expires_in"])

    @property
    def can_be_renewed(self) -> bool:
        return self.tokens is not None and bool(self.tokens.get("refresh_token"))


class GrantStore(Protocol):
    """Grants by server and address. All methods block, as in `toolhone.stores`."""

    def get(self, server: str, url: str) -> Grant | None: ...

    def grants(self) -> Sequence[Grant]:
        """All, by name of the server."""
        ...

    def save(self, grant: Grant) -> None:
        """Keep it in place of the one before. On return it outlives a power loss."""
        ...

    def forget(self, server: str, url: str) -> bool:
        """Delete it, overwritten on the disk; whether it was there."""
        ...

    def begin_renewal(self, server: str, url: str, *, owner: str, now: float, until: float) -> bool:
        """Take the right to renew it, for no longer than `until`; whether nobody else has it.

        A refresh token is often good once, and using it twice ends the login of everybody.

        Args:
            owner: Who takes it: another text each time.
        """
        ...

    def end_renewal(self, server: str, url: str, *, owner: str) -> None:
        """Give the right back, unless it has passed to another owner meanwhile."""
        ...

    def version(self) -> int:
        """Another number than before if another process has changed anything; 0 while there is nothing.

        Microseconds, and it waits for nobody, so it may be asked on the event loop; the first time it opens
        the file.
        """
        ...

    def close(self) -> None: ...
