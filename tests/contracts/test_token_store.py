"""What every TokenStore does."""

from dataclasses import replace
from pathlib import Path

from toolhone.records.access import ApiToken, TokenStore
from toolhone.roles import Permission, Role
from toolhone.storage.tokens import SqliteTokenStore

AT = "2026-01-31T12:00:00.000000+00:00"
LATER = "2026-02-01T12:00:00.000000+00:00"
HASH = bytes(range(32))

PLAIN = ApiToken(token_id="plain", name="", role=Role.AGENT, created_at=AT, created_by="local")
NARROW = ApiToken(
    token_id="narrow",
    name="for the “night” run",
    role=Role.ADMIN,
    scopes=frozenset({Permission.FIND_TOOLS, Permission.CALL_TOOLS}),
    tools=("git__*", "time__now"),
    requests_per_minute=30,
    created_at=AT,
    created_by="token:other",
    expires_at=LATER,
)


def test_there_is_nothing_at_first(token_store: TokenStore) -> None:
    assert list(token_store.tokens()) == []
    assert token_store.find("plain") is None
    assert token_store.revoke("plain", at=AT) is None


def test_a_token_comes_back_as_it_was_kept(token_store: TokenStore) -> None:
    token_store.add(PLAIN, HASH)
    token_store.add(NARROW, HASH[::-1])

    assert list(token_store.tokens()) == [NARROW, PLAIN]
    assert token_store.find("plain") == (PLAIN, HASH)
    assert token_store.find("narrow") == (NARROW, HASH[::-1])
    assert token_store.find("Plain") is None


def test_what_is_revoked_stays_so_since_the_first_time(token_store: TokenStore) -> None:
    token_store.add(PLAIN, HASH)
    token_store.add(NARROW, HASH)

    revoked = replace(PLAIN, revoked_at=AT)
    assert token_store.revoke("plain", at=AT) == revoked
    assert token_store.revoke("plain", at=LATER) == revoked
    assert token_store.find("plain") == (revoked, HASH)
    assert token_store.find("narrow") == (NARROW, HASH)


def test_the_day_of_use_is_noted(token_store: TokenStore) -> None:
    token_store.add(PLAIN, HASH)
    token_store.used("plain", on="2026-02-01")
    token_store.used("unknown", on="2026-02-01")

    assert list(token_store.tokens()) == [replace(PLAIN, used_on="2026-02-01")]


def test_every_change_shows_in_the_version(token_store: TokenStore) -> None:
    seen = [token_store.version()]
    token_store.add(PLAIN, HASH)
    seen.append(token_store.version())
    token_store.used("plain", on="2026-02-01")
    seen.append(token_store.version())
    token_store.revoke("plain", at=AT)
    seen.append(token_store.version())

    assert len(set(seen)) == 4
    assert token_store.version() == seen[-1]


def test_the_change_of_another_process_shows_too(tmp_path: Path) -> None:
    ours, theirs = SqliteTokenStore(tmp_path), SqliteTokenStore(tmp_path)
    assert ours.version() == 0
    theirs.add(PLAIN, HASH)
    before = ours.version()
    assert before != 0
    theirs.revoke("plain", at=AT)
    assert ours.version() != before
    ours.close()
    theirs.close()


def test_asking_creates_nothing_and_what_is_kept_is_private(tmp_path: Path) -> None:
    store = SqliteTokenStore(tmp_path / "data")
    store.tokens()
    store.find("plain")
    store.revoke("plain", at=AT)
    assert store.version() == 0
    assert not (tmp_path / "data").exists()

    store.add(PLAIN, HASH)
    assert (tmp_path / "data" / "access.db").stat().st_mode & 0o777 == 0o600
    store.close()
