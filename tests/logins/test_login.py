"""Logging in, as a person with a browser does it, and what must not come of it."""

import os
import socket
import stat
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import anyio
import anyio.to_thread
import httpx2
import pytest
from starlette.responses import Response

from toolhone.exceptions import (
    ConflictError,
    InvalidRequestError,
    LoginFailedError,
    NotFoundError,
    PermissionDeniedError,
    ServerUnavailableError,
)
from toolhone.models import Caller
from toolhone.registry.config import Command, Endpoint, ServerEntry, ServerSettings
from toolhone.registry.credentials import Grants
from toolhone.registry.exchange import authorizing
from toolhone.registry.oauth_settings import OAuth
from toolhone.roles import Role

if TYPE_CHECKING:
    from logins.conftest import User
    from logins.login_server import LoginServer


async def get(address: str, *, follow: bool = False) -> httpx2.Response:
    return await anyio.to_thread.run_sync(partial(httpx2.get, address, follow_redirects=follow))


def said_in(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


async def test_the_login_is_kept_for_this_user_alone_and_asks_with_pkce_and_state(
    user: "User", entry: ServerEntry, protected: "LoginServer"
) -> None:
    grant = await user.log_in(entry)

    (asked,) = protected.authorization.authorized
    assert asked["code_challenge_method"] == "S256" and asked["state"]
    assert asked["resource"] == protected.mcp
    assert asked["redirect_uri"].startswith("http://127.0.0.1:")
    assert user.kept(entry) == grant
    assert grant.granted_by == "local" and grant.can_be_renewed
    if os.name == "posix":
        assert {stat.S_IMODE(path.stat().st_mode) for path in user.folder.glob("grants.db*")} == {0o600}


async def test_the_record_says_who_logged_in_and_holds_no_token(
    user: "User", entry: ServerEntry, protected: "LoginServer"
) -> None:
    grant = await user.log_in(entry)

    (event,) = user.recorded
    assert (event.kind, event.server, event.success) == ("access", "docs", True)
    assert event.payload is not None and event.payload["what"] == "logged in"
    shown = f"{event}{grant}{entry}"
    assert [secret for secret in protected.authorization.secrets if secret in shown] == []


async def test_an_answer_with_another_state_is_refused_and_the_login_goes_on(
    user: "User", entry: ServerEntry
) -> None:
    seen: list[int] = []

    async def attacked(address: str) -> None:
        back = said_in(address)["redirect_uri"]
        queries = ("code=stolen&state=guessed", "code=stolen", "error=access_denied&state=", "")
        for guess in (*(f"{back}?{query}" for query in queries), back.replace("/callback", "/elsewhere")):
            answer = await get(guess)
            seen.append(answer.status_code)
        assert (await get(address, follow=True)).status_code == 200

    grant = await user.log_in(entry, show=attacked)

    assert seen == [400, 400, 400, 400, 404]
    assert grant.access_token is not None


async def test_a_login_that_the_user_refuses_leaves_nothing(
    user: "User", entry: ServerEntry, protected: "LoginServer"
) -> None:
    protected.authorization.refuses = "access_denied"

    with pytest.raises(LoginFailedError, match=r"access_denied: You said no\."):
        await user.log_in(entry)

    assert user.kept(entry) is None
    assert [event.error_code for event in user.recorded] == ["login_failed"]


async def test_nobody_who_logs_in_ends_the_login(user: "User", entry: ServerEntry) -> None:
    async def looked_away(address: str) -> None: ...

    with pytest.raises(LoginFailedError, match="Nobody logged in"):
        await user.log_in(entry, show=looked_away, patience=0.01)


async def test_the_browser_gets_a_page_that_loads_and_keeps_nothing(user: "User", entry: ServerEntry) -> None:
    pages: list[httpx2.Response] = []

    async def look(address: str) -> None:
        pages.append(await get(address, follow=True))

    await user.log_in(entry, show=look)

    (page,) = pages
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "http" not in page.text.replace("https://", "")
    assert "src=" not in page.text


async def test_the_next_login_uses_the_same_registration(
    user: "User", entry: ServerEntry, protected: "LoginServer"
) -> None:
    await user.log_in(entry)
    known = len(protected.authorization.clients)
    await user.log_in(entry)

    assert len(protected.authorization.clients) == known
    one, other = protected.authorization.authorized
    assert (one["client_id"], one["redirect_uri"]) == (other["client_id"], other["redirect_uri"])


async def test_a_client_that_is_registered_already_is_used_with_its_port_and_scopes(
    user: "User", protected: "LoginServer", free_port: int
) -> None:
    oauth = OAuth(client_id="known", scopes="write", callback_port=free_port)

    grant = await user.log_in(user.entry(protected.mcp, oauth=oauth))

    (asked,) = protected.authorization.authorized
    assert (asked["client_id"], asked["scope"]) == ("known", "write")
    assert asked["redirect_uri"] == f"http://localhost:{free_port}/callback"
    assert grant.tokens is not None and grant.tokens["scope"] == "write"


async def test_a_client_is_used_with_its_own_authorization_server_alone(
    user: "User", protected: "LoginServer"
) -> None:
    oauth = OAuth(client_id="known", client_secret="s3cret", issuer="https://login.example.org")
    registered = dict(protected.authorization.clients)

    with pytest.raises(LoginFailedError, match=r"https://login\.example\.org"):
        await user.log_in(user.entry(protected.mcp, oauth=oauth))

    assert protected.authorization.authorized == protected.authorization.asked == []
    assert protected.authorization.clients == registered  # nor as anybody else


@pytest.mark.parametrize("address", ["http://login.example.org/authorize", "http://10.0.0.1/authorize"])
async def test_a_browser_is_sent_to_no_address_without_tls(
    user: "User", entry: ServerEntry, protected: "LoginServer", address: str
) -> None:
    protected.authorization.authorizes_at = address
    shown: list[str] = []

    async def show(address: str) -> None:
        shown.append(address)

    with pytest.raises(LoginFailedError, match="not https"):
        await user.log_in(entry, show=show, patience=0.01)

    assert shown == []


@pytest.mark.parametrize(
    "challenge",
    ['Bearer scope="l\xe9sen"', "Bearer resource_metadata=https://[x]", 'Bearer resource_metadata="gopher"'],
)
async def test_a_challenge_that_makes_no_sense_is_a_failed_login_on_record(
    user: "User", entry: ServerEntry, protected: "LoginServer", challenge: str
) -> None:
    protected.challenge = challenge

    with pytest.raises(LoginFailedError):
        await user.log_in(entry)

    assert [event.error_code for event in user.recorded] == ["login_failed"]


@pytest.mark.parametrize("status", [200, 400])
async def test_an_answer_that_cannot_be_read_is_a_failed_login_on_record(
    user: "User", entry: ServerEntry, protected: "LoginServer", status: int
) -> None:
    protected.authorization.instead = Response(b"\xff\xfe a secret", status)

    with pytest.raises(LoginFailedError, match="not as OAuth has it") as caught:
        await user.log_in(entry)

    assert "a secret" not in caught.value.message
    assert [event.error_code for event in user.recorded] == ["login_failed"]


async def test_a_scope_that_cannot_be_asked_for_is_refused_before_anything_is(
    user: "User", entry: ServerEntry, protected: "LoginServer"
) -> None:
    with pytest.raises(InvalidRequestError, match="'lésen'"):
        await user.log_in(entry, more_scopes="read lésen")
    assert protected.turned_away == 0


async def test_a_port_that_is_taken_is_named(
    user: "User", entry: ServerEntry, protected: "LoginServer"
) -> None:
    taken = urlsplit(protected.url).port

    with pytest.raises(LoginFailedError, match=f"port {taken}.*--port"):
        await user.log_in(entry, port=taken)


@pytest.mark.skipif(not socket.has_ipv6, reason="there is one address to take")
async def test_a_port_of_which_another_program_has_one_half_is_not_used(
    user: "User", protected: "LoginServer", free_port: int
) -> None:
    # `localhost` may be ::1 to the browser: it would bring the code there.
    with socket.socket(socket.AF_INET6) as other:
        other.bind(("::1", free_port))
        other.listen()
        oauth = OAuth(client_id="known", callback_port=free_port)
        with pytest.raises(LoginFailedError, match=f"port {free_port}.*another program"):
            await user.log_in(user.entry(protected.mcp, oauth=oauth))


async def test_a_server_that_says_it_is_another_is_refused(
    user: "User", entry: ServerEntry, protected: "LoginServer"
) -> None:
    protected.resource = "https://bank.example.org/mcp"

    with pytest.raises(LoginFailedError, match=r"bank\.example\.org"):
        await user.log_in(entry)

    assert protected.authorization.authorized == []


async def test_a_server_that_tells_nothing_of_a_login_is_named(
    user: "User", entry: ServerEntry, protected: "LoginServer"
) -> None:
    protected.publishes = False

    with pytest.raises(LoginFailedError, match="publishes nothing of a login"):
        await user.log_in(entry)


async def test_who_must_be_registered_by_hand_is_told_what_to_write(
    user: "User", entry: ServerEntry, protected: "LoginServer"
) -> None:
    protected.authorization.registers = False

    with pytest.raises(LoginFailedError, match="clientId"):
        await user.log_in(entry)


async def test_a_server_that_is_not_there_is_not_a_failed_login(user: "User", free_port: int) -> None:
    with pytest.raises(ServerUnavailableError, match="cannot be reached"):
        await user.log_in(user.entry(f"http://127.0.0.1:{free_port}/mcp"))


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AGENT, Role.OPERATOR])
async def test_only_an_admin_lends_an_account_to_all_callers(
    user: "User", entry: ServerEntry, protected: "LoginServer", role: Role
) -> None:
    caller = Caller(principal="somebody", role=role)
    with pytest.raises(PermissionDeniedError):
        await user.log_in(entry, caller=caller)
    with pytest.raises(PermissionDeniedError):
        await user.logins(entry, Grants(user.open_store)).log_out("docs", caller=caller)
    assert protected.turned_away == 0


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (Command(command="true", env={}), "'env'"),
        (Endpoint(url="https://a.example.org", headers={}, transport="http"), "Authorization"),
        (
            Endpoint(url="https://a.example.org", headers={}, transport="http", oauth=OAuth(machine=True)),
            "by itself",
        ),
        (None, "disabled"),
    ],
)
async def test_who_needs_no_person_is_not_logged_in_to(
    user: "User", target: Command | Endpoint | None, why: str
) -> None:
    entry = ServerEntry(name="docs", fingerprint="sha256:1", target=target, settings=ServerSettings())
    with pytest.raises(ConflictError, match=why):
        await user.log_in(entry)


async def test_no_server_and_no_login_of_that_name(user: "User", entry: ServerEntry) -> None:
    logins = user.logins(entry, Grants(user.open_store))
    nobody: Callable[[str], Awaitable[None]] = anyio.sleep  # pyright: ignore[reportAssignmentType]
    admin = Caller(principal="local", role=Role.ADMIN)
    with pytest.raises(NotFoundError, match="Configured are: docs"):
        await logins.log_in("other", show=nobody, caller=admin)
    with pytest.raises(NotFoundError):
        await logins.log_out("docs", caller=admin)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"HTTP_PROXY": "http://127.0.0.1:9"},
        {"https_proxy": "http://127.0.0.1:9", "no_proxy": "10.0.0.0/8,169.254.169.254"},
        {"ALL_PROXY": "http://127.0.0.1:9", "NO_PROXY": "*"},
    ],
    ids=["no proxy", "one for http", "one for others", "one for nothing"],
)
@pytest.mark.parametrize("address", ["https://10.0.0.1/token", "https://169.254.169.254/latest/meta-data"])
async def test_a_public_server_leads_to_no_private_address(address: str, environment: dict[str, str]) -> None:
    public = Endpoint(url="https://93.184.215.14/mcp", headers={}, transport="http", oauth=OAuth())
    async with authorizing("docs", public, environment) as exchange:
        with pytest.raises(LoginFailedError, match="not a public one"):
            await exchange.send(httpx2.Request("GET", address))


async def test_secrets_are_sent_over_tls_or_on_this_machine() -> None:
    own = Endpoint(url="https://127.0.0.1/mcp", headers={}, transport="http", oauth=OAuth())
    async with authorizing("docs", own, {}) as exchange:
        for address in ("http://login.example.org/token", "ftp://127.0.0.1/token"):
            with pytest.raises(LoginFailedError, match="not https"):
                await exchange.send(httpx2.Request("POST", address))
