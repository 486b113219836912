"""Get tokens from an authorization server: renew a login, log in as a program or a person, and log out."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, cast

import httpx2
from mcp.client.auth import OAuthClientProvider, OAuthRegistrationError
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.auth.utils import (
    extract_field_from_www_auth,
    extract_scope_from_www_auth,
    union_scopes,
)
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthMetadata,
    OAuthToken,
)
from pydantic import AnyUrl, ValidationError

from toolhone.exceptions import LoginFailedError, ServerAuthenticationError, ServerUnavailableError
from toolhone.identifiers import utc_timestamp
from toolhone.models import Json, JsonObject
from toolhone.records.grants import Grant
from toolhone.redaction import redact_text
from toolhone.registry.exchange import Exchange, named
from toolhone.registry.flows import UNREADABLE, Flow, Kept, challenge_of, found, reason, recall, renew_at
from toolhone.registry.oauth_settings import OAuth

BY_ITSELF: Final = "itself"
"""Who logged in where no person does."""

FINAL_ERRORS: Final = frozenset(
    {"invalid_grant", "invalid_client", "unauthorized_client", "bad_refresh_token"}
)
"""What a refused renewal says when no later one can succeed. The last is GitHub's, which comes with 200."""

REFUSALS: Final = FINAL_ERRORS | {
    "invalid_request",
    "invalid_scope",
    "unsupported_grant_type",
    "access_denied",
}
"""What says with HTTP 200 that it is a refusal. Gateways send any other trouble so as well."""

PASSING: Final = frozenset({"temporarily_unavailable", "server_error", "slow_down", "authorization_pending"})
"""What says with any status that it should be asked later."""

Ask = Callable[[str], Awaitable[AuthorizationCodeResult]]
"""Lets a person answer at this address, and returns what came back."""


async def renew(exchange: Exchange, grant: Grant, *, now: float) -> Grant:
    """The grant with new tokens, or with none if the authorization server says that they are over.

    Raises:
        ServerUnavailableError: It says neither; the tokens may be good yet.
        LoginFailedError: It is nowhere that anything may be sent to.
    """
    try:
        return await _renew(exchange, grant, now)
    except UNREADABLE as exc:
        raise ServerUnavailableError(
            f"The login of server {exchange.server!r} could not be renewed: {reason(exc)}"
        ) from exc


async def _renew(exchange: Exchange, grant: Grant, now: float) -> Grant:
    kept = Kept(OAuthToken.model_validate(grant.tokens), _client(exchange.oauth, grant))
    provider = OAuthClientProvider(grant.url, OAuthClientMetadata(redirect_uris=None), kept)
    recall(provider, grant)
    # Long ago, so that the flow begins with renewing.
    provider.context.token_expiry_time = 1.0
    last: httpx2.Response | None = None

    async def send(request: httpx2.Request) -> httpx2.Response:
        nonlocal last
        last = await exchange.send(request)
        return last

    async with Flow(provider, exchange.question()) as flow:
        await flow.until_asked(send)
    if kept.granted is None:
        error = _error(last)
        if last is not None and error not in FINAL_ERRORS:
            # A gateway, a page of a firewall, an address that moved: what cannot be had again is kept.
            raise ServerUnavailableError(
                f"{named(last.request.url)} answered HTTP {last.status_code} without tokens when the login "
                f"of server {exchange.server!r} was to be renewed. The login is kept and tried again; if it "
                f"stays so, log in anew: toolhone servers login {exchange.server}"
            )
        client = None if error == "invalid_client" else grant.client
        return replace(grant, tokens=None, renew_at=None, client=client)
    return replace(
        grant,
        tokens=kept.granted.model_dump(mode="json", exclude_none=True),
        renew_at=renew_at(kept.granted, now),
        renewed_at=utc_timestamp(),
    )


async def obtain(
    exchange: Exchange, challenge: httpx2.Response | None, before: Grant | None, *, now: float
) -> Grant:
    """A grant for the client of the configuration itself, without a person.

    Raises:
        ServerAuthenticationError: The authorization server refuses it, or is not the one it is for.
        ServerUnavailableError: It cannot say now.
    """
    oauth = exchange.oauth
    assert oauth.client_id is not None and oauth.client_secret is not None
    kept = Kept(None, None)
    last: httpx2.Response | None = None
    provider = ClientCredentialsOAuthProvider(
        exchange.target.url, kept, oauth.client_id, oauth.client_secret, issuer=oauth.issuer
    )

    async def send(request: httpx2.Request) -> httpx2.Response:
        nonlocal last
        last = await exchange.send(request)
        # The flow asks for the token right after the metadata, so the form is chosen in between.
        if "/.well-known/" in request.url.path:
            _choose_method(provider.context.client_info, _metadata(last))
        return last

    flow = Flow(provider, exchange.question())
    try:
        async with flow:
            asked = challenge or await exchange.show(flow.request)
            await flow.answer(challenge_of(asked, oauth.scopes))
            await flow.until_asked(send)
    except (*UNREADABLE, LoginFailedError) as exc:
        asked_for_tokens = last is not None and last.request.method == "POST"
        if flow.troubled or (asked_for_tokens and _error(last) is None):
            raise ServerUnavailableError(
                f"The authorization server of server {exchange.server!r} is in trouble: {reason(exc)}"
            ) from exc
        raise ServerAuthenticationError(
            f"Server {exchange.server!r}: its authorization server gives no token to the client "
            f"{oauth.client_id!r}: {reason(exc)} Correct 'oauth' in its entry, then restart toolhone."
        ) from exc
    assert kept.granted is not None
    return Grant(
        server=exchange.server,
        url=exchange.target.url,
        client=None,
        tokens=kept.granted.model_dump(mode="json", exclude_none=True),
        found=found(provider),
        renew_at=renew_at(kept.granted, now),
        granted_at=before.granted_at if before else utc_timestamp(),
        granted_by=BY_ITSELF,
        renewed_at=utc_timestamp() if before else None,
    )


async def log_in(
    exchange: Exchange,
    *,
    ask: Ask,
    redirect_uri: str,
    before: Grant | None,
    more_scopes: str | None,
    by: str,
    now: float,
) -> Grant:
    """A grant for a person, who is asked in a browser.

    Args:
        redirect_uri: Where the browser comes back to.
        before: The last grant, whose registration is used again if it fits.
        more_scopes: What to ask for besides, separated by spaces.
        by: Principal of who logs in.

    Raises:
        LoginFailedError: Nothing was granted; the message says why.
        ServerUnavailableError: One of the servers cannot be reached.
    """
    oauth = exchange.oauth
    kept = Kept(None, _registration(oauth, before, redirect_uri))
    address = ""

    async def remember(url: str) -> None:
        nonlocal address
        exchange.permit(httpx2.URL(url))
        address = url
        _choose_method(provider.context.client_info, provider.context.oauth_metadata)

    async def send(request: httpx2.Request) -> httpx2.Response:
        context = provider.context
        if oauth.client_id is not None and context.client_info is None:
            # The flow has put our client away, and would register another where the server leads.
            raise LoginFailedError(
                f"Server {exchange.server!r} leads to the authorization server {context.auth_server_url!r}, "
                f"but 'oauth' in its entry names {oauth.issuer!r}. Nobody was asked to log in."
            )
        return await exchange.send(request)

    provider = OAuthClientProvider(
        exchange.target.url,
        OAuthClientMetadata(client_name="toolhone", redirect_uris=[AnyUrl(redirect_uri)]),
        kept,
        redirect_handler=remember,
        callback_handler=lambda: ask(address),
    )
    try:
        async with Flow(provider, exchange.question()) as flow:
            asked = await exchange.show(flow.request)
            scopes = union_scopes(oauth.scopes or extract_scope_from_www_auth(asked), more_scopes)
            await flow.answer(challenge_of(asked, scopes))
            await flow.until_asked(send)
            seen = await exchange.show(flow.request)
    except UNREADABLE as exc:
        raise _explained(exc, exchange, provider) from exc
    assert kept.granted is not None
    if seen.status_code == 401:
        why = extract_field_from_www_auth(seen, "error_description") or "HTTP 401"
        raise LoginFailedError(
            f"Server {exchange.server!r} does not take the token that its authorization server gave: "
            f"{redact_text(why)}"
        )
    client = provider.context.client_info
    return Grant(
        server=exchange.server,
        url=exchange.target.url,
        client=_kept_of(oauth, client),
        tokens=kept.granted.model_dump(mode="json", exclude_none=True),
        found=found(provider),
        renew_at=renew_at(kept.granted, now),
        granted_at=utc_timestamp(),
        granted_by=by,
    )


def _explained(exc: Exception, exchange: Exchange, provider: OAuthClientProvider) -> LoginFailedError:
    who, metadata = f"Server {exchange.server!r}", provider.context.oauth_metadata
    unregistered = isinstance(exc, OAuthRegistrationError)
    if unregistered and metadata is None:
        return LoginFailedError(
            f"{who} publishes nothing of a login (OAuth metadata), so there is none to go through. "
            "If it takes a token, put it into 'headers' of its entry."
        )
    if unregistered and metadata is not None and not metadata.registration_endpoint:
        return LoginFailedError(
            f"{who}: its authorization server {metadata.issuer} lets no program register itself. "
            "Register toolhone there, and put clientId and callbackPort into 'oauth' of the entry."
        )
    return LoginFailedError(f"The login at server {exchange.server!r} failed: {reason(exc)}")


async def revoke(exchange: Exchange, grant: Grant) -> bool:
    """Tell the authorization server that the tokens are not used any more (RFC 7009); whether it took that.

    Raises:
        ServerUnavailableError: It cannot be reached.
        LoginFailedError: It is nowhere that anything may be sent to, or what is known of it makes no sense.
    """
    try:
        return await _revoke(exchange, grant)
    except UNREADABLE as exc:
        raise LoginFailedError(
            f"The login of server {grant.server!r} cannot be revoked: {reason(exc)}"
        ) from exc


async def _revoke(exchange: Exchange, grant: Grant) -> bool:
    kept = Kept(None, _client(exchange.oauth, grant))
    provider = OAuthClientProvider(grant.url, OAuthClientMetadata(redirect_uris=None), kept)
    recall(provider, grant)
    provider.context.client_info = kept.client
    metadata = provider.context.oauth_metadata
    if metadata is None or metadata.revocation_endpoint is None or grant.tokens is None:
        return False
    # The refresh token, if there is one: the access tokens made of it go with it.
    kind = "refresh_token" if grant.can_be_renewed else "access_token"
    form = {"token": grant.tokens[kind], "token_type_hint": kind}
    if kept.client is not None:
        form["client_id"] = kept.client.client_id
    form, headers = provider.context.prepare_token_auth(form, {})
    answer = await exchange.send(
        httpx2.Request("POST", str(metadata.revocation_endpoint), data=form, headers=headers)
    )
    return answer.is_success


def _registration(oauth: OAuth, before: Grant | None, redirect_uri: str) -> OAuthClientInformationFull | None:
    """As what to log in: as the configuration says, or as last time if the browser comes back to the same."""
    if oauth.client_id is not None:
        return _configured(oauth, redirect_uri)
    if before is None or before.client is None:
        return None
    client = OAuthClientInformationFull.model_validate(before.client)
    return client if [str(uri) for uri in client.redirect_uris or ()] == [redirect_uri] else None


def _client(oauth: OAuth, grant: Grant) -> OAuthClientInformationFull | None:
    """As what a grant is renewed; the secret of the configuration is not kept in it."""
    if grant.client is None:
        return None
    client = OAuthClientInformationFull.model_validate(grant.client)
    # Not if the entry names another authorization server by now: the grant goes to the one that gave it.
    if (oauth.client_id, oauth.issuer) == (client.client_id, client.issuer):
        client.client_secret = oauth.client_secret
    return client


def _configured(oauth: OAuth, redirect_uri: str) -> OAuthClientInformationFull:
    assert oauth.client_id is not None
    # Else whoever the server names would get the secret.
    assert oauth.client_secret is None or oauth.issuer is not None
    return OAuthClientInformationFull(
        client_id=oauth.client_id,
        client_secret=oauth.client_secret,
        redirect_uris=[AnyUrl(redirect_uri)],
        token_endpoint_auth_method="none" if oauth.client_secret is None else "client_secret_basic",
        issuer=oauth.issuer,
    )


def _choose_method(client: OAuthClientInformationFull | None, metadata: OAuthMetadata | None) -> None:
    """Send the secret in the form that the authorization server takes."""
    taken = (metadata.token_endpoint_auth_methods_supported if metadata else None) or []
    basic = client is not None and client.token_endpoint_auth_method == "client_secret_basic"
    if client is not None and basic and "client_secret_post" in taken and "client_secret_basic" not in taken:
        client.token_endpoint_auth_method = "client_secret_post"


def _error(answer: httpx2.Response | None) -> str | None:
    """The error by which an authorization server refuses; `None` for any other answer.

    RFC 6749 (5.2) has it with 400 or 401. Some send it with 200, and no tokens beside it.
    """
    if answer is None or answer.status_code not in (200, 400, 401):
        return None
    try:
        error: Json = cast("JsonObject", answer.json()).get("error")
    except (ValueError, AttributeError):
        return None
    if not isinstance(error, str) or error in PASSING or (answer.is_success and error not in REFUSALS):
        return None
    return error


def _metadata(answer: httpx2.Response) -> OAuthMetadata | None:
    try:
        return OAuthMetadata.model_validate_json(answer.content) if answer.is_success else None
    except ValidationError:
        return None


def _kept_of(oauth: OAuth, client: OAuthClientInformationFull | None) -> JsonObject | None:
    """The registration as it is kept: without a secret that stands in the configuration."""
    if client is None:
        return None
    ours = oauth.client_id == client.client_id
    return client.model_dump(mode="json", exclude_none=True, exclude={"client_secret"} if ours else None)
