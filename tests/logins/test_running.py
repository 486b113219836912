"""Running servers that ask for a login: against a real authorization server, over real ports."""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest
from starlette.responses import JSONResponse, Response

from toolhone.exceptions import (
    LoginNeededError,
    ServerAuthenticationError,
    ServerUnavailableError,
    StorageError,
    ToolFailedError,
)
from toolhone.models import LOCAL_CALLER, Json, JsonObject, ToolOutput
from toolhone.records.grants import Grant
from toolhone.registry import credentials, downstream
from toolhone.registry.config import ServerEntry
from toolhone.registry.credentials import Grants
from toolhone.registry.downstream import DownstreamServers
from toolhone.registry.oauth_settings import OAuth
from toolhone.registry.server_state import ServerState
from toolhone.storage.grants import SqliteGrantStore
from toolhone.stores import StoredCatalog

if TYPE_CHECKING:
    from logins.conftest import User
    from logins.login_server import LoginServer


@pytest.fixture(autouse=True)
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downstream, "LOGIN_SECONDS", 0.02)


class NoCatalogs:
    def load(self) -> dict[str, StoredCatalog]:
        return {}

    def save(self, catalog: StoredCatalog) -> None: ...

    def delete(self, server: str) -> None: ...

    def close(self) -> None: ...


class Running:
    def __init__(self, servers: DownstreamServers, told: "Told") -> None:
        self.servers = servers
        self.told = told

    def state(self, name: str = "docs") -> ServerState:
        return {state.name: state for state in self.servers.states()}[name]

    async def call(self, tool: str, **arguments: Json) -> ToolOutput:
        found = {each.name: each for each in self.servers.tools()}[f"docs__{tool}"]
        return await self.servers.call(found, arguments)

    async def until(self, condition: Callable[[], bool]) -> None:
        with anyio.fail_after(15):
            while not condition():
                await self.told.more.wait()


class Told:
    def __init__(self) -> None:
        self.more = anyio.Event()

    def __call__(self, server: str, what: str, detail: JsonObject) -> None:
        self.more.set()
        self.more = anyio.Event()


@asynccontextmanager
async def running(user: "User", *entries: ServerEntry) -> AsyncGenerator[Running]:
    told = Told()
    servers = DownstreamServers(
        entries, NoCatalogs, os.environ, on_event=told, open_grants=user.open_store, linger=60
    )
    with anyio.fail_after(40):
        async with anyio.create_task_group() as tasks:
            await tasks.start(servers.run)
            assert await servers.wait_listed(20)
            up = Running(servers, told)
            await up.until(lambda: all(state.state != "starting" for state in servers.states()))
            yield up
            tasks.cancel_scope.cancel()


async def test_a_server_that_asks_for_a_login_says_how_and_harms_no_other(
    user: "User", entry: ServerEntry, protected: "LoginServer"
) -> None:
    async with running(user, entry) as up:
        assert up.state().state == "needs_login"
        assert "toolhone servers login docs" in (up.state().error or "")
        turned_away = protected.turned_away
        with pytest.raises(LoginNeededError, match="toolhone servers login docs"):
            await up.servers.restart("docs")
        await up.servers.refresh()

        # Asked again by the restart alone: a refresh does not hammer at a closed door.
        assert protected.turned_away == turned_away * 2
        assert not user.folder.exists()


async def test_a_login_takes_effect_in_a_running_toolhone(user: "User", entry: ServerEntry) -> None:
    async with running(user, entry) as up:
        assert up.state().state == "needs_login"

        await user.log_in(entry)
        await up.until(lambda: up.state().state == "ready")

        assert (await up.call("add", a=1, b=2)).structured == {"result": 3}
        assert up.state().error is None


async def test_a_server_over_sse_is_logged_in_to_as_well(user: "User", protected: "LoginServer") -> None:
    protected.resource = protected.url
    entry = user.entry(protected.sse, transport="sse")
    async with running(user, entry) as up:
        assert up.state().state == "needs_login"
        await user.log_in(entry)
        await up.until(lambda: up.state().state == "ready")
        assert (await up.call("add", a=1, b=2)).structured == {"result": 3}


async def test_calls_of_one_server_do_not_wait_for_each_other(user: "User", entry: ServerEntry) -> None:
    await user.log_in(entry)
    async with running(user, entry) as up, anyio.create_task_group() as tasks:
        with anyio.fail_after(15):
            tasks.start_soon(up.call, "meet")
            assert (await up.call("meet")).text == "met"


async def test_tokens_that_ended_are_renewed_and_the_new_ones_kept(
    user: "User", entry: ServerEntry, protected: "LoginServer"
) -> None:
    before = await user.log_in(entry)
    async with running(user, entry) as up:
        protected.authorization.end_access()
        assert (await up.call("add", a=1, b=2)).structured == {"result": 3}

    after = user.kept(entry)
    assert after is not None and after.tokens is not None and before.tokens is not None
    assert after.tokens["refresh_token"] != before.tokens["refresh_token"]
    assert after.tokens["scope"] == before.tokens["scope"] == "read"
    assert (after.granted_at, after.renewed_at is None) == (before.granted_at, False)
    assert protected.authorization.asked == ["authorization_code", "refresh_token"]


async def test_tokens_that_ended_while_nothing_ran_are_renewed_at_the_start(
    user: "User", entry: ServerEntry, protected: "LoginServer"
) -> None:
    await user.log_in(entry)
    protected.authorization.end_access()
    async with running(user, entry) as up:
        assert up.state().state == "ready"


async def test_a_token_that_is_about_to_end_is_renewed_before_it_is_refused(
    user: "User", entry: ServerEntry, protected: "LoginServer"
) -> None:
    user.keep(replace(await user.log_in(entry), renew_at=1.0))
    async with running(user, entry) as up:
        assert up.state().state == "ready"
    assert protected.authorization.asked == ["authorization_code", "refresh_token"]
    assert protected.turned_away == 1  # when the login asked whether it is let in


@pytest.mark.parametrize("lifetime", [0, -1])
async def test_a_token_without_a_lifetime_is_used_until_it_is_refused(
    user: "User", entry: ServerEntry, protected: "LoginServer", lifetime: int
) -> None:
    protected.authorization.lifetime = lifetime
    await user.log_in(entry)
    async with running(user, entry) as up:
        await up.call("add", a=1, b=2)
    assert protected.authorization.asked == ["authorization_code"]


async def test_of_many_calls_in_several_toolhones_one_renews(
    user: "User", entry: ServerEntry, protected: "LoginServer"
) -> None:
    # A refresh token that is used twice ends the login: each of these would lose it for the others.
    await user.log_in(entry)
    async with running(user, entry) as one, running(user, entry) as other:
        protected.authorization.end_access()
        async with anyio.create_task_group() as tasks:
            for number in range(5):
                tasks.start_soon(lambda n=number: one.call("add", a=n, b=1))
                tasks.start_soon(lambda n=number: other.call("add", a=n, b=1))

        assert protected.authorization.asked.count("refresh_token") == 1
        assert one.state().state == other.state().state == "ready"


async def test_a_caller_that_gives_up_does_not_lose_the_renewed_tokens(
    user: "User", entry: ServerEntry, protected: "LoginServer"
) -> None:
    await user.log_in(entry)
    authorization = protected.authorization
    async with running(user, entry) as up:
        authorization.end_access()
        authorization.has_decided.clear()
        authorization.may_answer.clear()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(up.call, "add")
            # The old refresh token is used up, and the new one not here yet.
            assert await anyio.to_thread.run_sync(authorization.has_decided.wait, 10)
            tasks.cancel_scope.cancel()
            authorization.may_answer.set()

        assert (await up.call("add", a=1, b=2)).structured == {"result": 3}
        assert authorization.asked.count("refresh_token") == 1


async def test_a_login_that_was_ended_elsewhere_needs_a_new_one(
    user: "User", entry: ServerEntry, protected: "LoginServer"
) -> None:
    await user.log_in(entry)
    async with running(user, entry) as up:
        protected.authorization.end_logins()
        with pytest.raises(LoginNeededError):
            await up.call("add", a=1, b=2)
        assert up.state().state == "needs_login"
        asked = len(protected.authorization.asked)
        with pytest.raises(LoginNeededError):
            await up.call("add", a=1, b=2)
        assert len(protected.authorization.asked) == asked  # what is refused is not asked for again

        await user.log_in(entry)
        await up.until(lambda: up.state().state == "ready")
        assert (await up.call("add", a=1, b=2)).structured == {"result": 3}


async def test_an_authorization_server_in_trouble_costs_no_login(
    user: "User", entry: ServerEntry, protected: "LoginServer"
) -> None:
    await user.log_in(entry)
    async with running(user, entry) as up:
        protected.authorization.end_access()
        protected.authorization.is_down = True
        with pytest.raises(ServerUnavailableError, match="HTTP 503") as caught:
            await up.call("add", a=1, b=2)
        assert not isinstance(caught.value, ServerAuthenticationError)

        protected.authorization.is_down = False
        await up.servers.restart("docs")
        assert (await up.call("add", a=1, b=2)).structured == {"result": 3}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, "<html>The network wants you to log in</html>"),
        (200, '{"error": "slow_down"}'),
        (302, ""),
        (400, "<html>Bad Request</html>"),
        (400, '{"error": "invalid_request"}'),
        (400, '["invalid_grant"]'),
        (400, '{"error": ["invalid_grant"]}'),
        (403, '{"error": "invalid_grant"}'),
        (404, "no such page"),
        (408, ""),
    ],
)
async def test_what_does_not_say_that_a_login_is_over_costs_none(
    user: "User", entry: ServerEntry, protected: "LoginServer", status: int, body: str
) -> None:
    before = await user.log_in(entry)
    async with running(user, entry) as up:
        protected.authorization.end_access()
        protected.authorization.instead = Response(body, status, {"location": "https://login.example.org/"})
        with pytest.raises(ServerUnavailableError, match=f"HTTP {status} .*login docs") as caught:
            await up.call("add", a=1, b=2)
        assert not isinstance(caught.value, ServerAuthenticationError)
        assert user.kept(entry) == before

        protected.authorization.instead = None
        await up.servers.restart("docs")
        assert (await up.call("add", a=1, b=2)).structured == {"result": 3}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, "invalid_grant"),
        (401, "invalid_client"),
        (400, "invalid_client"),
        (400, "unauthorized_client"),
        (200, "bad_refresh_token"),
        (200, "invalid_grant"),
    ],
)
async def test_what_says_that_a_login_is_over_ends_it(
    user: "User", entry: ServerEntry, protected: "LoginServer", status: int, error: str
) -> None:
    await user.log_in(entry)
    async with running(user, entry) as up:
        protected.authorization.end_access()
        protected.authorization.instead = JSONResponse({"error": error}, status)
        with pytest.raises(LoginNeededError):
            await up.call("add", a=1, b=2)

    kept = user.kept(entry)
    assert kept is not None and kept.tokens is None
    # Who is not known any more must register anew.
    assert (kept.client is None) == (error == "invalid_client")


async def test_a_login_is_noticed_while_that_of_another_server_is_being_renewed(
    user: "User", entry: ServerEntry, protected: "LoginServer", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "RENEWAL_SECONDS", 60)
    authorization = protected.authorization
    ready = replace(await user.log_in(entry), server="other")
    held = await user.log_in(entry)
    async with running(user, entry, replace(entry, name="other")) as up, anyio.create_task_group() as tasks:
        assert up.state("other").state == "needs_login"
        assert held.access_token is not None
        authorization.good.remove(held.access_token)
        authorization.has_decided.clear()
        authorization.may_answer.clear()
        tasks.start_soon(up.servers.refresh, ["docs"])
        assert await anyio.to_thread.run_sync(authorization.has_decided.wait, 10)

        user.keep(ready)
        await up.until(lambda: up.state("other").state == "ready")
        authorization.may_answer.set()


async def test_a_login_that_could_not_be_read_is_looked_at_again(user: "User", entry: ServerEntry) -> None:
    failures = 0

    class Busy(SqliteGrantStore):
        def get(self, server: str, url: str) -> Grant | None:
            nonlocal failures
            found = super().get(server, url)
            if found is not None and failures < 2:
                failures += 1
                raise StorageError("It is busy.")
            return found

    user.open_store = lambda: Busy(user.folder)
    async with running(user, entry, replace(entry, name="other")) as up:
        grants = Grants(lambda: SqliteGrantStore(user.folder))
        await user.logins(entry, grants).log_in("docs", show=user.browse, caller=LOCAL_CALLER)
        await grants.aclose()
        await up.until(lambda: up.state("docs").state == "ready")
    assert failures == 2


async def test_who_does_not_wait_for_the_authorization_server_is_logged_out_all_the_same(
    user: "User", entry: ServerEntry, protected: "LoginServer"
) -> None:
    await user.log_in(entry)
    authorization = protected.authorization
    authorization.has_decided.clear()
    authorization.may_answer.clear()
    grants = Grants(user.open_store)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: user.logins(entry, grants).log_out("docs", caller=LOCAL_CALLER))
        assert await anyio.to_thread.run_sync(authorization.has_decided.wait, 10)
        assert user.kept(entry) is None
        tasks.cancel_scope.cancel()
        authorization.may_answer.set()
    await grants.aclose()

    (event,) = [event for event in user.recorded if (event.payload or {})["what"] == "logged out"]
    assert event.payload is not None and event.payload["told"] is False


async def test_a_login_of_which_nothing_makes_sense_is_deleted(user: "User", entry: ServerEntry) -> None:
    user.keep(replace(await user.log_in(entry), found={"authorization_server": {"issuer": 7}}))
    grants = Grants(user.open_store)
    done = await user.logins(entry, grants).log_out("docs", caller=LOCAL_CALLER)
    await grants.aclose()

    assert user.kept(entry) is None
    assert not done.told and done.why_not is not None and "cannot be revoked" in done.why_not


async def test_a_logout_takes_effect_in_a_running_toolhone(
    user: "User", entry: ServerEntry, protected: "LoginServer"
) -> None:
    await user.log_in(entry)
    async with running(user, entry) as up:
        assert up.state().state == "ready"
        grants = Grants(user.open_store)
        done = await user.logins(entry, grants).log_out("docs", caller=LOCAL_CALLER)
        await grants.aclose()

        assert done.told
        assert protected.authorization.refreshing == {}
        await up.until(lambda: up.state().state == "idle")
        with pytest.raises(LoginNeededError):
            await up.call("add", a=1, b=2)
    assert user.kept(entry) is None
    stored = b"".join(path.read_bytes() for path in user.folder.glob("grants.db*"))
    assert [secret for secret in protected.authorization.secrets if secret.encode() in stored] == []


async def test_a_renewal_that_goes_on_does_not_bring_a_login_back(
    user: "User", entry: ServerEntry, protected: "LoginServer"
) -> None:
    await user.log_in(entry)
    authorization = protected.authorization
    grants = Grants(user.open_store)
    async with running(user, entry) as up:
        authorization.end_access()
        authorization.has_decided.clear()
        authorization.may_answer.clear()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(up.servers.refresh)
            assert await anyio.to_thread.run_sync(authorization.has_decided.wait, 10)
            tasks.start_soon(lambda: user.logins(entry, grants).log_out("docs", caller=LOCAL_CALLER))
            await anyio.wait_all_tasks_blocked()
            authorization.may_answer.set()
    await grants.aclose()

    assert user.kept(entry) is None
    assert authorization.refreshing == {}


async def test_a_server_that_asks_for_more_says_with_which_command(
    user: "User", entry: ServerEntry, protected: "LoginServer"
) -> None:
    await user.log_in(entry)
    async with running(user, entry) as up:
        protected.wants_more = True
        with pytest.raises(ToolFailedError, match="toolhone servers login docs --scope"):
            await up.call("add", a=1, b=2)
        assert up.state().state == "ready"  # other tools may be allowed

        protected.wants_more = False
        grant = await user.log_in(entry, more_scopes="write")
        assert grant.tokens is not None and grant.tokens["scope"] == "read write"


async def test_a_program_logs_in_by_itself(user: "User", protected: "LoginServer") -> None:
    entry = user.entry(protected.mcp, oauth=machine(protected))
    async with running(user, entry) as up:
        assert (await up.call("add", a=1, b=2)).structured == {"result": 3}
        protected.authorization.end_access()
        assert (await up.call("add", a=1, b=2)).structured == {"result": 3}
    assert protected.authorization.asked == ["client_credentials"] * 2
    kept = user.kept(entry)
    assert kept is not None
    assert "s3cret" not in f"{kept.client}{kept.tokens}{kept.found}"


async def test_a_program_with_a_wrong_secret_stops_trying(user: "User", protected: "LoginServer") -> None:
    entry = user.entry(protected.mcp, oauth=machine(protected, client_secret="wrong"))
    async with running(user, entry) as up:
        assert up.state().state == "failed"
        assert "invalid_client" in (up.state().error or "")
        assert "wrong" not in (up.state().error or "")


async def test_a_secret_goes_to_no_authorization_server_but_its_own(
    user: "User", protected: "LoginServer"
) -> None:
    entry = user.entry(protected.mcp, oauth=machine(protected, issuer="https://login.example.org"))
    async with running(user, entry) as up:
        assert up.state().state == "failed"
        assert "https://login.example.org" in (up.state().error or "")
    assert protected.authorization.asked == []


async def test_a_secret_does_not_go_where_an_older_login_was(
    user: "User", protected: "LoginServer", free_port: int
) -> None:
    url = protected.authorization.url
    own = OAuth(client_id="known", client_secret="s3cret", issuer=url, callback_port=free_port)
    await user.log_in(user.entry(protected.mcp, oauth=own))
    moved = user.entry(protected.mcp, oauth=replace(own, issuer="https://login.example.org"))
    async with running(user, moved) as up:
        protected.authorization.end_access()
        await up.call("add", a=1, b=2)
    assert [said.partition(" ")[0] for said in protected.authorization.presented] == ["Basic", ""]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b"\xff\xfe"),
        (403, b"<html>Not from here</html>"),
        (404, b""),
        (302, b""),
        (200, b"<html>Hello</html>"),
        (200, b'{"error": "rate_limited"}'),
        (200, b'{"error": "temporarily_unavailable"}'),
        (400, b'{"error": "slow_down"}'),
    ],
)
async def test_a_program_tries_again_where_nobody_refused_it(
    user: "User", protected: "LoginServer", status: int, body: bytes
) -> None:
    protected.authorization.instead = Response(body, status)
    async with running(user, user.entry(protected.mcp, oauth=machine(protected))) as up:
        assert up.state().state == "backoff"
        assert "is in trouble" in (up.state().error or "")


@pytest.mark.parametrize(
    ("status", "error"), [(200, "invalid_client"), (200, "invalid_scope"), (400, "not_our_word")]
)
async def test_a_program_that_is_refused_stops_trying(
    user: "User", protected: "LoginServer", status: int, error: str
) -> None:
    protected.authorization.instead = JSONResponse({"error": error}, status)
    async with running(user, user.entry(protected.mcp, oauth=machine(protected))) as up:
        assert up.state().state == "failed"
        assert "Correct 'oauth'" in (up.state().error or "")


async def test_tokens_go_nowhere_but_where_they_are_for(
    user: "User", entry: ServerEntry, protected: "LoginServer"
) -> None:
    await user.log_in(entry)
    elsewhere = user.entry(f"{protected.url}/mcp?moved")
    async with running(user, elsewhere) as up:
        assert up.state().state == "needs_login"
    assert protected.tokens_shown & protected.authorization.good == {
        token for token in protected.tokens_shown if token in protected.authorization.secrets
    }


def machine(protected: "LoginServer", **changed: str) -> OAuth:
    own = OAuth(
        client_id="machine",
        client_secret="s3cret-of-the-machine",
        issuer=protected.authorization.url,
        machine=True,
    )
    return replace(own, **changed)
