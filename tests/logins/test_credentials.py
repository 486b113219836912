"""The token that requests carry, while its authorization server is in trouble."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from toolhone.exceptions import ServerUnavailableError
from toolhone.records.grants import Grant
from toolhone.registry.config import Endpoint, ServerEntry
from toolhone.registry.credentials import Credentials, Grants

if TYPE_CHECKING:
    from logins.conftest import User
    from logins.login_server import LoginServer


class Held:
    """What a server is shown, at a time that the test says."""

    def __init__(self, user: "User", entry: ServerEntry, grant: Grant) -> None:
        assert isinstance(entry.target, Endpoint)
        assert grant.renew_at is not None and grant.ends_at is not None
        self.now, self.ends_at = grant.renew_at + 1, grant.ends_at
        self.grants = Grants(user.open_store, clock=lambda: self.now)
        self.credentials = Credentials(entry.name, entry.target, self.grants, {})
        self.old = grant.access_token


@pytest.fixture
async def held(user: "User", entry: ServerEntry) -> AsyncGenerator[Held]:
    """With a token that is due to be renewed and has not ended."""
    held = Held(user, entry, await user.log_in(entry))
    yield held
    await held.grants.aclose()


async def test_a_token_that_has_not_ended_is_used_while_nobody_renews_it(
    held: Held, protected: "LoginServer"
) -> None:
    authorization = protected.authorization
    authorization.is_down = True
    assert await held.credentials.current() == held.old
    assert await held.credentials.current() == held.old
    assert authorization.asked.count("refresh_token") == 1  # not with every request

    held.now += 15
    assert await held.credentials.current() == held.old
    assert authorization.asked.count("refresh_token") == 2

    held.now = held.ends_at
    with pytest.raises(ServerUnavailableError, match="HTTP 503"):
        await held.credentials.current()

    authorization.is_down = False
    renewed = await held.credentials.current()
    assert renewed in authorization.good and renewed != held.old


async def test_a_token_is_renewed_again_after_a_pause(held: Held, protected: "LoginServer") -> None:
    protected.authorization.is_down = True
    assert await held.credentials.current() == held.old

    protected.authorization.is_down = False
    held.now += 15
    assert await held.credentials.current() != held.old


async def test_whoever_waited_for_a_renewal_that_failed_gets_its_error(
    held: Held, protected: "LoginServer"
) -> None:
    authorization = protected.authorization
    held.now = held.ends_at
    authorization.is_down = True
    authorization.may_answer.clear()
    authorization.has_decided.clear()
    errors: list[str] = []

    async def ask() -> None:
        with pytest.raises(ServerUnavailableError) as caught:
            await held.credentials.current()
        errors.append(caught.value.message)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        assert await anyio.to_thread.run_sync(authorization.has_decided.wait, 10)
        for _ in range(4):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        authorization.may_answer.set()

    assert len(errors) == 5 and len(set(errors)) == 1
    assert authorization.asked.count("refresh_token") == 1

    # Who asks later is not told an old story.
    authorization.is_down = False
    assert await held.credentials.current() != held.old
