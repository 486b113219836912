"""How many sessions a credential may have open, counted around what keeps them."""

import pytest
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from toolhone.models import Caller
from toolhone.server import session_limits
from toolhone.server.callers import CALLER
from toolhone.server.session_limits import IDLE, SessionLimits


class Keeper:
    """Begins a session when asked without one, and ends it on DELETE, as the SDK does."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.sessions: set[str] = set()
        self.limits = SessionLimits(self._answer, clock=lambda: self.now)
        self._begun = 0

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        session = dict(scope["headers"]).get(b"mcp-session-id", b"").decode()
        answer: Response = PlainTextResponse("")
        if not session:
            self._begun += 1
            session = f"s{self._begun}"
            self.sessions.add(session)
            answer.headers["mcp-session-id"] = session
        elif session not in self.sessions:
            answer = PlainTextResponse("", 404)
        elif scope["method"] == "DELETE":
            self.sessions.discard(session)
        await answer(scope, receive, send)

    async def ask(self, session: str = "", *, method: str = "POST", who: str = "a", version: str = "") -> int:
        status = 0

        async def send(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)

        headers = {"mcp-session-id": session, "mcp-protocol-version": version}
        scope: Scope = {
            "type": "http",
            "method": method,
            "path": "/mcp",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items() if value],
            CALLER: Caller(principal=who),
        }
        await self.limits(scope, _nothing, send)
        return status


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


@pytest.fixture
def keeper(monkeypatch: pytest.MonkeyPatch) -> Keeper:
    monkeypatch.setattr(session_limits, "MOST_SESSIONS", 3)
    return Keeper()


async def test_a_credential_has_so_many_sessions_and_others_have_their_own(keeper: Keeper) -> None:
    assert [await keeper.ask() for _ in range(4)] == [200, 200, 200, 429]
    assert len(keeper.sessions) == 3
    assert await keeper.ask("s1") == 200
    assert await keeper.ask(who="b") == 200
    # Clients since 2026-07-28 have no sessions, so none is too many.
    assert await keeper.ask(version="2026-07-28") == 200


async def test_a_session_that_ended_makes_place(keeper: Keeper) -> None:
    for _ in range(3):
        await keeper.ask()
    assert await keeper.ask("s1", method="DELETE") == 200
    assert [await keeper.ask(), await keeper.ask()] == [200, 429]
    keeper.sessions.clear()  # what ended by itself is found out when it is asked for
    assert await keeper.ask("s2") == 404
    assert await keeper.ask() == 200


async def test_idle_sessions_make_place_and_used_ones_do_not(keeper: Keeper) -> None:
    for _ in range(3):
        await keeper.ask()
    keeper.now += IDLE - 1
    await keeper.ask("s3")
    keeper.now += 2
    assert [await keeper.ask() for _ in range(3)] == [200, 200, 429]


async def test_asking_in_sessions_that_are_not_there_takes_no_place(keeper: Keeper) -> None:
    for number in range(10):
        assert await keeper.ask(f"x{number}") == 404
    assert await keeper.ask() == 200
