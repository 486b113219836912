"""API tokens as they are kept, and the store of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from toolhone.roles import Permission, Role


class TokenState(StrEnum):
    """Whether a token opens anything, in a word."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """What is known of a token. The token itself is shown once, when it is issued, and never kept."""

    token_id: str
    """Names it in lists and in the record, and stands in the token; it opens nothing."""
    name: str
    """What it is for, in words."""
    role: Role
    scopes: frozenset[Permission] | None = None
    """Narrower than its role; `None` is all that the role allows."""
    tools: tuple[str, ...] | None = None
    """Patterns of names of tools; `None` is all that the role allows."""
    requests_per_minute: int | None = None
    """`None` is what the settings say."""
    created_at: str
    """Times are UTC, ISO 8601 with microseconds and `+00:00`."""
    created_by: str
    expires_at: str | None = None
    revoked_at: str | None = None
    used_on: str | None = None
    """The day it was last used."""

    def state(self, now: str) -> TokenState:
        """Whether it opens anything at this moment, spelled as the other times are."""
        if self.revoked_at is not None:
            return TokenState.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return TokenState.EXPIRED
        return TokenState.VALID


class TokenStore(Protocol):
    """Tokens by their hash. All methods block, as in `toolhone.stores`."""

    def add(self, token: ApiToken, secret_hash: bytes) -> None: ...

    def find(self, token_id: str) -> tuple[ApiToken, bytes] | None:
        """The token and the hash of its secret, revoked and expired ones too."""
        ...

    def tokens(self) -> Sequence[ApiToken]:
        """All, the newest first."""
        ...

    def revoke(self, token_id: str, *, at: str) -> ApiToken | None:
        """The token, which never opens anything again; `None` if there is none of this id."""
        ...

    def used(self, token_id: str, *, on: str) -> None:
        """Note the day that it was used."""
        ...

    def version(self) -> int:
        """Another number than before if a token has changed, whoever changed it; 0 while there is none.

        Microseconds, and it waits for nobody, so it may be asked on the event loop; the first time it opens
        the file.
        """
        ...

    def close(self) -> None: ...
