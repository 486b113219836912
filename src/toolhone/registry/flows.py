"""One run of an OAuth flow of the SDK, a request at a time, and what is kept between two of them.

The flows say what to send and judge the answers: discovery, registration, PKCE, state, issuer, resource. The
request that a flow is about, to the downstream server, is not sent here.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import httpx2
from mcp.client.auth import OAuthClientProvider, OAuthFlowError
from mcp.client.auth.utils import extract_resource_metadata_from_www_auth, extract_scope_from_www_auth
from mcp.shared.auth import (
    OAuthClientInformationFull,
    OAuthMetadata,
    OAuthToken,
    ProtectedResourceMetadata,
)

from toolhone.exceptions import ToolhoneError
from toolhone.models import Json, JsonObject
from toolhone.records.grants import Grant, renewal_margin
from toolhone.redaction import redact_text

# It logs tracebacks of errors, and those of answers it cannot read quote the tokens in them.
logging.getLogger("mcp.client.auth.oauth2").setLevel(logging.CRITICAL)

TEMPORARY: Final = frozenset({429, *range(500, 600)})
"""Answers that say nothing but that it should be asked later."""

UNREADABLE: Final = (OAuthFlowError, ValueError, OverflowError, httpx2.InvalidURL)
"""What a flow raises over answers that it cannot go on with, whether it expected them or not."""

_LONGEST_REASON = 400


@dataclass
class Kept:
    """What a flow is given, and what it gives back: the SDK's `TokenStorage`."""

    tokens: OAuthToken | None
    client: OAuthClientInformationFull | None
    granted: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.granted = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Flow:
    """One run of a flow. It asks to send requests of its own, and at last the one that it is about."""

    def __init__(self, provider: OAuthClientProvider, request: httpx2.Request) -> None:
        self.request = request
        self.troubled = False
        """A server answered that it cannot answer."""
        self._flow = provider.async_auth_flow(request)
        self._asked = request

    async def __aenter__(self) -> "Flow":
        self._asked = await anext(self._flow)
        return self

    async def __aexit__(self, *_: Json) -> None:
        await self._flow.aclose()

    async def answer(self, response: httpx2.Response) -> None:
        self.troubled = self.troubled or response.status_code in TEMPORARY
        self._asked = await self._flow.asend(response)

    async def until_asked(self, send: Callable[[httpx2.Request], Awaitable[httpx2.Response]]) -> None:
        """Send what it asks for, until it asks for the request that it is about."""
        while self._asked is not self.request:
            await self.answer(await send(self._asked))


def challenge_of(asked: httpx2.Response, scopes: str | None) -> httpx2.Response:
    """The answer 401 that makes a flow begin, with the scopes that are wanted.

    Also if the server let us in: some ask for a login only once a tool is called.
    """
    parts: list[str] = []
    metadata = extract_resource_metadata_from_www_auth(asked)
    if metadata is not None:
        parts.append(f'resource_metadata="{metadata}"')
    scopes = scopes or extract_scope_from_www_auth(asked)
    if scopes is not None:
        parts.append(f'scope="{scopes}"')
    headers = {"WWW-Authenticate": f"Bearer {', '.join(parts)}".strip()}
    return httpx2.Response(401, headers=headers, request=asked.request)


def found(provider: OAuthClientProvider) -> JsonObject:
    """Where a later process renews the tokens: the SDK does not keep it."""
    context = provider.context
    return {
        "authorization_server": _dumped(context.oauth_metadata),
        "resource": _dumped(context.protected_resource_metadata),
        "issuer": context.auth_server_url,
    }


def recall(provider: OAuthClientProvider, grant: Grant) -> None:
    context = provider.context
    metadata, resource = grant.found.get("authorization_server"), grant.found.get("resource")
    context.oauth_metadata = None if metadata is None else OAuthMetadata.model_validate(metadata)
    context.protected_resource_metadata = (
        None if resource is None else ProtectedResourceMetadata.model_validate(resource)
    )
    context.auth_server_url = grant.found.get("issuer")


def _dumped(model: OAuthMetadata | ProtectedResourceMetadata | None) -> Json:
    return None if model is None else model.model_dump(mode="json", exclude_none=True)


def renew_at(tokens: OAuthToken, now: float) -> float | None:
    """A little before the end; `None` if it is not said. Taken at its word, 0 would renew on each request."""
    if tokens.expires_in is None or tokens.expires_in <= 0:
        return None
    return now + tokens.expires_in - renewal_margin(tokens.expires_in)


def reason(exc: Exception) -> str:
    """Why a flow failed, without a secret."""
    if not isinstance(exc, OAuthFlowError | ToolhoneError) or isinstance(
        exc.__cause__ or exc.__context__, ValueError
    ):
        # Their text quotes the answer.
        return "an answer of the server or of its authorization server is not as OAuth has it."
    text = " ".join(redact_text(str(exc)).split())
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"
