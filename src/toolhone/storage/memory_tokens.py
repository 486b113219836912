"""API tokens in memory: for tests, and for library use that should leave nothing behind."""

from dataclasses import replace

from toolhone.records.access import ApiToken


class MemoryTokenStore:
    """Tokens and the hashes of their secrets in a dictionary."""

    def __init__(self) -> None:
        self._tokens: dict[str, tuple[ApiToken, bytes]] = {}
        self._version = 0

    def add(self, token: ApiToken, secret_hash: bytes) -> None:
        self._keep(token, secret_hash)

    def find(self, token_id: str) -> tuple[ApiToken, bytes] | None:
        return self._tokens.get(token_id)

    def tokens(self) -> list[ApiToken]:
        return [token for token, _ in reversed(self._tokens.values())]

    def revoke(self, token_id: str, *, at: str) -> ApiToken | None:
        if token_id not in self._tokens:
            return None
        token, secret_hash = self._tokens[token_id]
        token = replace(token, revoked_at=token.revoked_at or at)
        self._keep(token, secret_hash)
        return token

    def used(self, token_id: str, *, on: str) -> None:
        if token_id in self._tokens:
            token, secret_hash = self._tokens[token_id]
            self._keep(replace(token, used_on=on), secret_hash)

    def version(self) -> int:
        return self._version

    def _keep(self, token: ApiToken, secret_hash: bytes) -> None:
        self._tokens[token.token_id] = token, secret_hash
        self._version += 1

    def close(self) -> None:
        """Nothing is open."""
