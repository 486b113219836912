"""The keys of an authorization server: read from a file or an address, and kept for a while."""

import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import cast
from urllib.parse import urlsplit

import anyio
import httpx2
import jwt

from toolhone.auth.loopback import is_loopback
from toolhone.exceptions import ConfigurationError, ServerUnavailableError
from toolhone.models import Json, JsonObject

logger = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "ES256", "EdDSA")
"""Signatures by a key of which we have the public half. With HMAC, who can verify could also sign."""

FRESH = 3_600.0
"""Seconds after which the keys are read again: one that was withdrawn must not count for ever."""

STALE = 86_400.0
"""Seconds for which they are used at most if they cannot be read again."""

PAUSE = 300.0
"""Seconds between two readings, whatever unknown keys are named to us."""

RETRY = 5.0
"""The same until they were read once: nobody can come in before."""

LARGEST = 1_048_576
TIMEOUT = 5.0

LEAST_RSA_BITS = 2_048

Read = Callable[[], Awaitable[bytes]]


class SigningKeys:
    """The keys behind one place, by their ids.

    Args:
        where: An https address (http on loopback), or a file.
        read: How it is read, for tests.
        clock: Seconds that only grow.
    """

    def __init__(
        self, where: str, *, read: Read | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if "://" in where and not is_safe_address(where):
            raise ConfigurationError(
                f"The setting oauth_jwks is {where!r}; it must be a file or an https address."
            )
        self._where = where
        self._read = read or self._contents
        self._clock = clock
        self._reading = anyio.Lock()
        self._keys: Mapping[str | None, jwt.PyJWK] = {}
        self._read_at: float | None = None
        self._tried_at: float | None = None

    async def find(self, key_id: Json) -> jwt.PyJWK | None:
        """The key of this id; without an id the only one there is.

        Raises:
            ServerUnavailableError: The keys cannot be read.
        """
        if self._due(key_id):
            async with self._reading:
                if self._due(key_id):  # nobody has read them meanwhile
                    await self._refresh()
        if self._read_at is None or self._clock() - self._read_at > STALE:
            raise ServerUnavailableError(
                f"The authorization server's keys cannot be read from {self._where!r}; the log says why."
            )
        if key_id is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(key_id) if isinstance(key_id, str) else None

    def _due(self, key_id: Json) -> bool:
        if self._tried_at is None:
            return True
        pause = RETRY if self._read_at is None else PAUSE
        if self._clock() - self._tried_at < pause:
            return False
        unknown = isinstance(key_id, str) and key_id not in self._keys
        return unknown or self._read_at is None or self._clock() - self._read_at > FRESH

    async def _refresh(self) -> None:
        self._tried_at = self._clock()
        try:
            self._keys = _usable(await self._read())
        except (OSError, ValueError, httpx2.HTTPError, jwt.PyJWTError) as exc:
            logger.warning("The signing keys in %s cannot be read: %s", self._where, exc)
        else:
            self._read_at = self._clock()

    async def _contents(self) -> bytes:
        """Raises OSError, ValueError or HTTPError if there is nothing to be had."""
        if "://" not in self._where:
            return await anyio.Path(self._where).read_bytes()
        async with (
            httpx2.AsyncClient(timeout=TIMEOUT, follow_redirects=False) as client,
            client.stream("GET", self._where, headers={"Accept": "application/json"}) as answer,
        ):
            if answer.status_code != 200:
                raise ValueError(f"it answers with {answer.status_code}")
            content = b""
            async for part in answer.aiter_bytes():
                content += part
                if len(content) > LARGEST:
                    raise ValueError(f"it is larger than {LARGEST} bytes")
        return content


def is_safe_address(address: str) -> bool:
    """Whether nobody on the way can change what is read there: https, or this machine."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(host)
    return parts.scheme == "http" and is_loopback(host)


def _usable(content: bytes) -> dict[str | None, jwt.PyJWK]:
    """The keys of a key set that sign, by id. Others in it are none of our business.

    Raises:
        ValueError: It is no key set, or has no such key.
    """
    held: Json = json.loads(content)
    entries: Json = cast("JsonObject", held).get("keys") if isinstance(held, dict) else None
    if not isinstance(entries, list):
        raise ValueError("it is no JSON Web Key Set")
    found: dict[str | None, jwt.PyJWK] = {}
    for entry in cast("list[Json]", entries):
        key = _key(cast("JsonObject", entry)) if isinstance(entry, dict) else None
        if key is not None:
            found[key.key_id] = key
    if not found:
        raise ValueError(f"it has no key for {', '.join(ALGORITHMS)}")
    return found


def _key(entry: JsonObject) -> jwt.PyJWK | None:
    if entry.get("use", "sig") != "sig":
        return None
    try:
        key = jwt.PyJWK(entry)
    except jwt.PyJWTError as exc:
        logger.info("A key of the key set cannot be used: %s", exc)
        return None
    if key.algorithm_name not in ALGORITHMS:
        return None
    if key.key_type == "RSA" and key.key.key_size < LEAST_RSA_BITS:
        logger.warning("A key of the key set is left out: %s bits are too few.", key.key.key_size)
        return None
    return key
