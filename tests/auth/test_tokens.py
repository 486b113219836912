"""API tokens: what opens, and what does not."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.auth.tokens import ApiTokens
from toolhone.exceptions import InvalidRequestError, NotFoundError, PermissionDeniedError, StorageError
from toolhone.models import AuditEvent, Caller, EventKind, Json
from toolhone.records.access import ApiToken
from toolhone.redaction import redact, redact_text
from toolhone.roles import Permission, Role
from toolhone.storage.memory_tokens import MemoryTokenStore
from toolhone.storage.tokens import SqliteTokenStore

ADMIN = Caller(principal="local")
AGENT = Caller(principal="local", role=Role.AGENT)


class Day:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = datetime.fromisoformat("2026-01-31T12:00:00.000000+00:00")

    def __call__(self) -> str:
        return self.now.isoformat(timespec="microseconds")


class Office:
    """The tokens of a folder, with what was recorded of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.day = Day()
        self.recorded: list[AuditEvent] = []
        self.tokens = self.of_another_process()

    def of_another_process(self) -> ApiTokens:
        async def record(event: AuditEvent) -> None:
            self.recorded.append(event)

        return ApiTokens(lambda: SqliteTokenStore(self.folder), record=record, now=self.day)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    yield Office(tmp_path)


async def issued(tokens: ApiTokens, role: Role = Role.AGENT) -> tuple[str, str]:
    token, text = await tokens.issue(caller=ADMIN, name="test", role=role)
    return token.token_id, text


async def test_a_token_opens_with_what_it_was_issued_for(office: Office) -> None:
    token, text = await office.tokens.issue(
        caller=ADMIN,
        name="night run",
        role=Role.OPERATOR,
        scopes=[Permission.CALL_TOOLS],
        tools=["git__*"],
        requests_per_minute=5,
        expires_in=timedelta(days=30),
    )
    verified = await office.tokens.verify(text)
    assert verified is not None
    assert (verified.role, verified.scopes) == (Role.OPERATOR, {Permission.CALL_TOOLS})
    assert (verified.tools, verified.requests_per_minute) == (("git__*",), 5)
    assert verified.expires_at == "2026-03-02T12:00:00.000000+00:00"
    assert text == f"thk_{token.token_id}_{text[-32:]}"
    await office.tokens.aclose()


async def test_the_secret_is_kept_nowhere(office: Office) -> None:
    _, text = await issued(office.tokens)
    assert await office.tokens.verify(text) is not None
    await office.tokens.aclose()
    kept = b"".join(file.read_bytes() for file in office.folder.iterdir())
    assert text[-32:].encode() not in kept
    assert text[-32:] not in repr(office.recorded)


async def test_nearly_the_text_of_a_token_opens_nothing(office: Office) -> None:
    token_id, text = await issued(office.tokens)
    other_id, other = await issued(office.tokens)
    wrong = text[:-1] + ("a" if text[-1] != "a" else "b")
    for tried in (
        wrong,
        f"{text} ",
        text[:-1],
        text.upper(),
        f"thk_{other_id}_{text[-32:]}",
        "",
        "thk_",
        other_id,
    ):
        assert await office.tokens.verify(tried) is None, tried
    assert (await office.tokens.verify(other)) is not None
    assert token_id != other_id
    await office.tokens.aclose()


@settings(deadline=None)
@given(text=st.text(max_size=60))
async def test_no_other_text_opens_anything(text: str) -> None:
    store = MemoryTokenStore()
    tokens = ApiTokens(lambda: store, record=_forget)
    await issued(tokens)
    assert await tokens.verify(text) is None
    assert await tokens.verify(f"thk_{text}") is None


async def test_a_revocation_by_another_process_counts_at_the_next_request(office: Office) -> None:
    token_id, text = await issued(office.tokens)
    assert await office.tokens.verify(text) is not None

    cli = office.of_another_process()
    await cli.revoke(token_id, caller=ADMIN)

    assert await office.tokens.verify(text) is None
    assert await office.tokens.current(token_id) is None
    await cli.aclose()
    await office.tokens.aclose()


async def test_a_token_that_another_process_issued_opens_at_once(office: Office) -> None:
    assert await office.tokens.verify("thk_0123456789_" + "x" * 32) is None
    cli = office.of_another_process()
    _, text = await issued(cli)
    assert await office.tokens.verify(text) is not None
    await cli.aclose()
    await office.tokens.aclose()


async def test_a_token_expires_while_it_is_remembered(office: Office) -> None:
    token, text = await office.tokens.issue(
        caller=ADMIN, name="", role=Role.AGENT, expires_in=timedelta(hours=1)
    )
    office.day.now += timedelta(minutes=59)
    assert await office.tokens.verify(text) is not None
    office.day.now += timedelta(minutes=1)
    assert await office.tokens.verify(text) is None
    assert await office.tokens.current(token.token_id) is None
    await office.tokens.aclose()


async def test_the_day_of_the_last_use_is_seen(office: Office) -> None:
    _, text = await issued(office.tokens)
    await office.tokens.verify(text)
    office.day.now += timedelta(days=1)
    await office.tokens.verify(text)
    await office.tokens.verify(text)
    (token,) = await office.tokens.tokens(caller=ADMIN)
    assert token.used_on == "2026-02-01"
    await office.tokens.aclose()


async def test_only_who_administers_issues_sees_and_revokes(office: Office) -> None:
    token_id, text = await issued(office.tokens)
    with pytest.raises(PermissionDeniedError):
        await office.tokens.issue(caller=AGENT, name="", role=Role.VIEWER)
    with pytest.raises(PermissionDeniedError):
        await office.tokens.tokens(caller=AGENT)
    with pytest.raises(PermissionDeniedError):
        await office.tokens.revoke(token_id, caller=AGENT)
    assert await office.tokens.verify(text) is not None
    await office.tokens.aclose()


@pytest.mark.parametrize(
    ("narrowed", "asked", "says"),
    [
        ({"scopes": frozenset({Permission.ADMINISTER})}, {"role": Role.ADMIN}, "'approve'"),
        ({"scopes": frozenset({Permission.ADMINISTER})}, {"role": Role.VIEWER}, "'find_tools'"),
        (
            {"scopes": frozenset({Permission.ADMINISTER, Permission.FIND_TOOLS})},
            {"role": Role.AGENT, "scopes": [Permission.FIND_TOOLS, Permission.CALL_TOOLS]},
            "'call_tools'",
        ),
        ({"tools": ("git__*", "time__*")}, {"role": Role.AGENT}, "git__*, time__*"),
        ({"tools": ("git__*",)}, {"role": Role.AGENT, "tools": ["git__*", "*"]}, "'*'"),
    ],
)
async def test_nobody_issues_a_token_that_allows_more_than_their_own(
    office: Office, narrowed: dict[str, Json], asked: dict[str, Json], says: str
) -> None:
    issuer = Caller(principal="token:0123456789", **narrowed)
    with pytest.raises(PermissionDeniedError) as refused:
        await office.tokens.issue(caller=issuer, name="", **asked)
    assert says in refused.value.message
    assert list(await office.tokens.tokens(caller=ADMIN)) == []
    await office.tokens.aclose()


async def test_a_narrowed_admin_issues_what_is_as_narrow(office: Office) -> None:
    issuer = Caller(
        principal="token:0123456789",
        scopes=frozenset({Permission.ADMINISTER, Permission.CALL_TOOLS}),
        tools=("git__*", "time__*"),
    )
    token, _ = await office.tokens.issue(
        caller=issuer, name="", role=Role.AGENT, scopes=[Permission.CALL_TOOLS], tools=["time__*"]
    )
    assert (token.scopes, token.tools) == ({Permission.CALL_TOOLS}, ("time__*",))
    await office.tokens.aclose()


async def test_a_token_does_not_outlive_the_one_that_issues_it(office: Office) -> None:
    own, _ = await office.tokens.issue(caller=ADMIN, name="", role=Role.ADMIN, expires_in=timedelta(days=2))
    issuer = Caller(principal=f"token:{own.token_id}")
    for lasting in (None, timedelta(days=2, seconds=1)):
        with pytest.raises(PermissionDeniedError, match="2026-02-02"):
            await office.tokens.issue(caller=issuer, name="", role=Role.VIEWER, expires_in=lasting)
    token, _ = await office.tokens.issue(
        caller=issuer, name="", role=Role.VIEWER, expires_in=timedelta(days=2)
    )
    assert token.expires_at == own.expires_at
    await office.tokens.aclose()


async def test_issuing_and_revoking_are_on_record(office: Office) -> None:
    token_id, _ = await issued(office.tokens, Role.ADMIN)
    await office.tokens.revoke(token_id, caller=ADMIN)
    assert [(event.kind, event.caller.principal) for event in office.recorded] == [
        (EventKind.ACCESS, "local")
    ] * 2
    assert [event.payload["what"] for event in office.recorded] == ["token_issued", "token_revoked"]
    assert redact(office.recorded[0].payload) == office.recorded[0].payload
    await office.tokens.aclose()


class Full(MemoryTokenStore):
    """Keeps nothing any more."""

    def add(self, token: ApiToken, secret_hash: bytes) -> None:
        raise StorageError("The disk is full.")


async def test_a_token_that_cannot_be_kept_is_taken_back_on_record() -> None:
    recorded: list[AuditEvent] = []

    async def record(event: AuditEvent) -> None:
        recorded.append(event)

    tokens = ApiTokens(Full, record=record)
    with pytest.raises(StorageError):
        await issued(tokens)

    said, taken_back = recorded
    assert (said.success, said.error_code) == (True, None)
    assert (taken_back.success, taken_back.error_code) == (False, "storage_failed")
    assert taken_back.payload == said.payload
    assert (taken_back.request_id, taken_back.event_id > said.event_id) == (said.request_id, True)


async def test_who_is_cancelled_while_issuing_leaves_no_record_of_what_was_not_done(office: Office) -> None:
    scope = anyio.CancelScope()

    async def record(event: AuditEvent) -> None:
        office.recorded.append(event)
        scope.cancel()
        await anyio.lowlevel.checkpoint()

    tokens = ApiTokens(lambda: SqliteTokenStore(office.folder), record=record)
    with scope:
        await issued(tokens)
        await anyio.lowlevel.checkpoint()
    assert scope.cancelled_caught

    (token,) = await office.tokens.tokens(caller=ADMIN)
    assert [event.payload["token_id"] for event in office.recorded] == [token.token_id]
    await tokens.aclose()
    await office.tokens.aclose()


async def test_a_token_that_cannot_be_recorded_is_not_issued(tmp_path: Path) -> None:
    async def full(event: AuditEvent) -> None:
        raise StorageError("The disk is full.")

    store = SqliteTokenStore(tmp_path)
    tokens = ApiTokens(lambda: store, record=full)
    with pytest.raises(StorageError):
        await tokens.issue(caller=ADMIN, name="", role=Role.AGENT)
    assert list(store.tokens()) == []
    await tokens.aclose()


async def test_who_pastes_the_token_itself_revokes_it_and_does_not_see_it_again(office: Office) -> None:
    token_id, text = await issued(office.tokens)
    assert (await office.tokens.revoke(text, caller=ADMIN)).token_id == token_id
    with pytest.raises(NotFoundError) as refused:
        await office.tokens.revoke(f"thk_zzzzzzzzzz_{text[-32:]}", caller=ADMIN)
    assert text[-32:] not in refused.value.message
    await office.tokens.aclose()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"name": "x" * 201}, "200"),
        ({"name": "a\nb"}, "printable"),
        ({"scopes": [Permission.TRAIN]}, "'train'"),
        ({"scopes": []}, "leave scopes out"),
        ({"tools": []}, "patterns"),
        ({"tools": [""]}, "patterns"),
        ({"expires_in": timedelta(0)}, "expires"),
        ({"expires_in": timedelta(days=4_000)}, "3650"),
        ({"requests_per_minute": 0}, "1,000,000"),
    ],
)
async def test_a_token_that_would_be_of_no_use_is_not_issued(
    office: Office, wrong: dict[str, object], says: str
) -> None:
    asked = {"caller": ADMIN, "name": "", "role": Role.AGENT, **wrong}
    with pytest.raises(InvalidRequestError, match=says):
        await office.tokens.issue(**asked)  # pyright: ignore[reportArgumentType]
    assert not office.recorded
    assert not (office.folder / "access.db").exists()


async def test_what_we_write_down_never_has_a_token_in_it(office: Office) -> None:
    _, text = await issued(office.tokens)
    for said in (f"use {text} please", f'{{"Authorization": "Bearer {text}"}}', f"https://x/?a={text}&b=1"):
        assert text[-32:] not in redact_text(said)
    await office.tokens.aclose()


async def _forget(event: AuditEvent) -> None:
    pass
