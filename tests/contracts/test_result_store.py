"""What every ResultStore does."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import pytest

from toolhone.exceptions import ExpiredHandleError, StorageError, UnknownHandleError
from toolhone.stores import ResultStore, StoredResult


class Clock(Protocol):
    now: float


Make = Callable[..., StoredResult]


@pytest.fixture
def result(clock: Clock) -> Make:
    def make(handle: str, body: bytes = b"[1]", *, life: float = 100.0) -> StoredResult:
        return StoredResult(
            handle=handle,
            principal="anna",
            tool="query_database",
            call_id=f"call of {handle}",
            created_at=clock.now,
            expires_at=clock.now + life,
            media="json",
            body=body,
        )

    return make


def test_a_result_comes_back_whole_to_its_owner(result_store: ResultStore, result: Make) -> None:
    stored = result("h", b"\x00\xff" * 100)
    result_store.put(stored)

    assert result_store.get("h", "anna") == stored


def test_a_foreign_handle_cannot_be_told_from_an_unknown_one(
    result_store: ResultStore, result: Make, clock: Clock
) -> None:
    def answer() -> tuple[type[UnknownHandleError], str]:
        with pytest.raises(UnknownHandleError) as caught:
            result_store.get("h", "ben")
        return caught.type, caught.value.message

    unknown = answer()
    result_store.put(result("h"))
    foreign = answer()
    clock.now += 1000
    foreign_and_expired = answer()

    assert unknown == foreign == foreign_and_expired
    assert unknown[0] is UnknownHandleError


def test_an_expired_result_says_so_until_its_tombstone_goes(
    result_store: ResultStore, result: Make, clock: Clock
) -> None:
    result_store.put(result("h"))
    clock.now += 100

    with pytest.raises(ExpiredHandleError, match="'h' has expired"):
        result_store.get("h", "anna")
    assert result_store.prune() == 1
    assert result_store.prune() == 0
    with pytest.raises(ExpiredHandleError, match="'h' has expired"):
        result_store.get("h", "anna")

    clock.now += 30 * 86_400
    assert result_store.prune() == 0
    with pytest.raises(UnknownHandleError) as caught:
        result_store.get("h", "anna")
    assert caught.type is UnknownHandleError


def test_the_oldest_make_room_for_the_newest(result_store: ResultStore, result: Make, clock: Clock) -> None:
    for number in range(4):
        result_store.put(result(f"h{number}", b"x" * 300))
        clock.now += 1

    with pytest.raises(ExpiredHandleError, match="make room"):
        result_store.get("h0", "anna")
    assert [len(result_store.get(f"h{number}", "anna").body) for number in (1, 2, 3)] == [300] * 3


def test_what_has_expired_makes_room_before_what_is_older(
    result_store: ResultStore, result: Make, clock: Clock
) -> None:
    result_store.put(result("old", b"x" * 500))
    clock.now += 1
    result_store.put(result("short", b"x" * 500, life=1))
    clock.now += 5

    result_store.put(result("new", b"x" * 500))

    assert result_store.get("old", "anna").body == b"x" * 500


def test_a_result_that_fits_exactly_is_kept_and_a_larger_one_is_refused(
    result_store: ResultStore, result: Make
) -> None:
    result_store.put(result("small", b"x"))
    with pytest.raises(StorageError, match="1001 bytes"):
        result_store.put(result("huge", b"x" * 1001))
    assert result_store.get("small", "anna").body == b"x"

    result_store.put(result("whole", b"x" * 1000))
    assert len(result_store.get("whole", "anna").body) == 1000


def test_a_handle_is_given_once(result_store: ResultStore, result: Make) -> None:
    result_store.put(result("h", b"first"))

    with pytest.raises(StorageError):
        result_store.put(result("h", b"second"))
    assert result_store.get("h", "anna").body == b"first"


def test_an_empty_result_is_a_result(result_store: ResultStore, result: Make) -> None:
    result_store.put(result("h", b""))

    assert result_store.get("h", "anna").body == b""


def test_all_of_a_principal_can_be_erased_without_a_trace(
    result_store: ResultStore, result: Make, clock: Clock
) -> None:
    result_store.put(result("a"))
    result_store.put(result("expired", life=1))
    result_store.put(replace(result("b"), principal="ben"))
    clock.now += 10
    result_store.prune()

    assert result_store.erase("anna") == 1
    assert result_store.erase("anna") == 0

    for handle in ("a", "expired"):
        with pytest.raises(UnknownHandleError) as caught:
            result_store.get(handle, "anna")
        assert caught.type is UnknownHandleError
    assert result_store.get("b", "ben").body == b"[1]"
