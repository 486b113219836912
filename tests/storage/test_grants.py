"""Logins at downstream servers on disk: private, gone when they are gone, renewed by one at a time."""

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from toolhone.records.grants import Grant
from toolhone.storage.grants import SqliteGrantStore

URL = "https://docs.example.org/mcp"
GRANT = Grant(
    server="docs",
    url=URL,
    client={"client_id": "client-1"},
    tokens={"access_token": "an-access-token-to-find", "refresh_token": "a-refresh-token-to-find"},
    found={"issuer": "https://login.example.org"},
    renew_at=1_000_000.5,
    granted_at="2026-11-23T10:00:00.000000+00:00",
    granted_by="local",
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteGrantStore]:
    store = SqliteGrantStore(tmp_path / "data")
    yield store
    store.close()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[SqliteGrantStore]:
    """The same folder, as another process has it."""
    store = SqliteGrantStore(tmp_path / "data")
    yield store
    store.close()


def test_reading_creates_nothing(store: SqliteGrantStore, tmp_path: Path) -> None:
    assert store.get("docs", URL) is None
    assert list(store.grants()) == []
    assert not store.forget("docs", URL)
    assert store.version() == 0
    assert not (tmp_path / "data").exists()


def test_a_grant_is_found_by_its_server_and_address_alone(store: SqliteGrantStore) -> None:
    renewed = replace(GRANT, tokens=None, client=None, renew_at=None, renewed_at=GRANT.granted_at)
    store.save(GRANT)
    store.save(replace(renewed, server="other"))

    assert store.get("docs", URL) == GRANT
    assert store.get("docs", f"{URL}/") is None
    assert list(store.grants()) == [GRANT, replace(renewed, server="other")]


def test_a_grant_takes_the_place_of_the_one_before(store: SqliteGrantStore) -> None:
    store.save(GRANT)
    store.save(replace(GRANT, tokens={"access_token": "new"}))

    (kept,) = store.grants()
    assert kept.access_token == "new" and not kept.can_be_renewed


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
def test_only_its_user_can_read_it(store: SqliteGrantStore, tmp_path: Path) -> None:
    store.save(GRANT)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").iterdir()} == {0o600}


def test_what_is_forgotten_is_in_no_file(store: SqliteGrantStore, tmp_path: Path) -> None:
    def on_disk() -> bytes:
        return b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())

    store.save(GRANT)
    assert b"-to-find" in on_disk()

    assert store.forget("docs", URL)
    assert b"-to-find" not in on_disk()


def test_a_grant_says_no_secret_of_itself() -> None:
    assert "to-find" not in repr(GRANT)


def test_another_process_is_noticed(store: SqliteGrantStore, other: SqliteGrantStore) -> None:
    store.save(GRANT)
    before = store.version()
    assert store.version() == before
    other.save(replace(GRANT, tokens=None))
    assert store.version() != before


def test_one_renews_at_a_time(store: SqliteGrantStore, other: SqliteGrantStore) -> None:
    assert store.begin_renewal("docs", URL, owner="one", now=100, until=140)
    assert not other.begin_renewal("docs", URL, owner="two", now=101, until=141)
    assert other.begin_renewal("issues", URL, owner="two", now=101, until=141)

    store.end_renewal("docs", URL, owner="one")
    assert other.begin_renewal("docs", URL, owner="two", now=102, until=142)


def test_who_died_over_a_renewal_does_not_keep_others_from_it(
    store: SqliteGrantStore, other: SqliteGrantStore
) -> None:
    assert store.begin_renewal("docs", URL, owner="one", now=100, until=140)
    assert not other.begin_renewal("docs", URL, owner="two", now=139.9, until=180)
    assert other.begin_renewal("docs", URL, owner="two", now=140, until=180)


def test_who_was_too_slow_does_not_end_the_renewal_of_another(
    store: SqliteGrantStore, other: SqliteGrantStore
) -> None:
    assert store.begin_renewal("docs", URL, owner="one", now=100, until=140)
    assert other.begin_renewal("docs", URL, owner="two", now=141, until=180)

    store.end_renewal("docs", URL, owner="one")
    assert not store.begin_renewal("docs", URL, owner="three", now=142, until=182)
