"""Access tokens of an authorization server, verified as an OAuth 2.1 resource server verifies them."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import jwt

from toolhone.access import lower
from toolhone.auth.limits import Rates
from toolhone.auth.signing_keys import ALGORITHMS, SigningKeys, is_safe_address
from toolhone.exceptions import ConfigurationError, NotAuthenticatedError, RateLimitedError
from toolhone.models import Json, JsonObject
from toolhone.roles import Role

LEEWAY = 30
"""Seconds by which clocks may differ."""

SCOPE_PREFIX = "toolhone:"

WELL_KNOWN = "/.well-known/oauth-protected-resource"

TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
"""What the header of an access token may say that it is."""


FAILING_SIGNATURES = 6_000
"""Signatures that are not valid, a minute and address; then of what comes from there only tokens count that
were good before. At 100 a second they cost a few hundredths of a processor."""

MOST_REMEMBERED = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """Whom an access token names, and what it gives them."""

    principal: str
    role: Role
    expires_at: float
    """Seconds since the epoch."""


class AccessTokens:
    """Verifies the access tokens that one issuer made for one audience."""

    def __init__(self, *, issuer: str, audience: str, keys: SigningKeys, role_claim: str) -> None:
        """Take what tokens must say.

        Args:
            audience: The address of this toolhone's /mcp as clients know it.
            keys: The issuer's.
            role_claim: The claim that has the role.

        Raises:
            ConfigurationError: The audience or the issuer is no address of the kind that is needed.
        """
        for name, address in (("oauth_issuer", issuer), ("oauth_audience", audience)):
            if not is_safe_address(address):
                raise ConfigurationError(
                    f"The setting {name} is {address!r}; it must be an https address (or http on loopback)."
                )
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._role_claim = role_claim
        self._good: OrderedDict[bytes, tuple[Granted, jwt.PyJWK]] = OrderedDict()
        """What tokens gave when they were verified, by their hashes, and by which key."""
        self._failing = Rates()
        self._checking = anyio.CapacityLimiter(1)
        """One signature at a time: who sends forged ones takes no more than a part of one processor."""

    @property
    def metadata_url(self) -> str:
        """Where clients find who makes tokens for us."""
        parts = urlsplit(self._audience)
        return f"{parts.scheme}://{parts.netloc}{self.metadata_paths[-1]}"

    @property
    def metadata_paths(self) -> Sequence[str]:
        """The paths of that document: for the whole host, and for the path of the audience."""
        path = urlsplit(self._audience).path.rstrip("/")
        return (WELL_KNOWN, f"{WELL_KNOWN}{path}") if path else (WELL_KNOWN,)

    def metadata(self) -> JsonObject:
        """That document."""
        return {
            "resource": self._audience,
            "authorization_servers": [self._issuer],
            "bearer_methods_supported": ["header"],
            "scopes_supported": [f"{SCOPE_PREFIX}{role}" for role in Role],
            "resource_name": "toolhone",
        }

    async def verify(self, text: str, *, address: str) -> Granted:
        """Whom the token names.

        Args:
            address: Where the request comes from.

        Raises:
            NotAuthenticatedError: It is not valid here, or gives no role.
            RateLimitedError: Too many forged ones came from this address, and this one is new.
            ServerUnavailableError: The issuer's keys cannot be read.
        """
        try:
            header = jwt.get_unverified_header(text)
        except jwt.InvalidTokenError as exc:
            raise NotAuthenticatedError(
                "This is neither an API token nor an access token of the authorization server."
            ) from exc
        if header.get("alg") not in ALGORITHMS or "crit" in header:
            raise NotAuthenticatedError(
                f"The access token must be signed with {', '.join(ALGORITHMS)} and need no extension."
            )
        if str(header.get("typ", "jwt")).lower() not in TYPES:
            raise NotAuthenticatedError("This token is of another kind than an access token.")
        key = await self._keys.find(cast("Json", header.get("kid")))
        if key is None:
            raise NotAuthenticatedError("The access token is signed with a key that is not the issuer's.")
        digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
        granted, by = self._good.get(digest, (None, None))
        # The keys are read anew at times; a token counts as long as its key is the issuer's.
        if granted is not None and by is key and time.time() < granted.expires_at + LEEWAY:
            self._good.move_to_end(digest)
            return granted
        granted = await self._verified(text, key, address)
        self._good[digest] = granted, key
        if len(self._good) > MOST_REMEMBERED:
            self._good.popitem(last=False)
        return granted

    async def _verified(self, text: str, key: jwt.PyJWK, address: str) -> Granted:
        if (wait := self._failing.wait(address, FAILING_SIGNATURES)) is not None:
            seconds = int(wait) + 1
            raise RateLimitedError(
                f"Too many forged access tokens came from this address. Try again in {seconds} s.",
                data={"retry_after": seconds},
            )
        try:
            # Off the event loop: verifying takes longer than all else of a small request.
            claims = await anyio.to_thread.run_sync(self._claims, text, key, limiter=self._checking)
        except NotAuthenticatedError:
            self._failing.take(address, FAILING_SIGNATURES)
            raise
        role = self._role(claims)
        if role is None:
            raise NotAuthenticatedError(
                f"The access token gives no role here: neither its claim {self._role_claim!r} nor its scopes "
                f"name one of {', '.join(Role)}."
            )
        named = hashlib.sha256(f"{self._issuer}\0{claims['sub']}".encode("utf-8", "replace")).hexdigest()
        return Granted(principal=f"oauth:{named[:32]}", role=role, expires_at=float(claims["exp"]))

    def _claims(self, text: str, key: jwt.PyJWK) -> JsonObject:
        try:
            return jwt.decode(
                text,
                key,
                algorithms=list(ALGORITHMS),
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as exc:
            # Its messages name claims, and never quote the token.
            raise NotAuthenticatedError(f"The access token is not valid: {exc}.") from exc

    def _role(self, claims: JsonObject) -> Role | None:
        """The claim says what its subject may be, scopes what this token was made for. The lower counts."""
        claimed = _highest(
            _roles(claims.get(self._role_claim), bare=self._role_claim not in ("scope", "scp"))
        )
        scoped = _highest(_roles([claims.get("scope"), claims.get("scp")], bare=False))
        if claimed is None or scoped is None:
            return claimed or scoped
        return lower(claimed, scoped)


def _roles(value: Json, *, bare: bool) -> set[Role]:
    """The roles that a claim names: a text of words, or a list of such.

    Args:
        bare: Whether `agent` counts too, and not only `toolhone:agent`.
    """
    if isinstance(value, list):
        return {role for one in cast("list[Json]", value) for role in _roles(one, bare=bare)}
    if not isinstance(value, str):
        return set()
    spelled = {f"{SCOPE_PREFIX}{role}": role for role in Role} | (
        {str(role): role for role in Role} if bare else {}
    )
    return {spelled[word] for word in value.split() if word in spelled}


def _highest(roles: set[Role]) -> Role | None:
    """The one of them that may do all that the others may."""
    return next((role for role in roles if all(lower(role, other) is other for other in roles)), None)
