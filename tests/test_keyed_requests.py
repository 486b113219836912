"""Requests with keys: whatever happens in whichever order, each takes effect once at most."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.exceptions import (
    ConflictError,
    InsufficientDataError,
    InvalidRequestError,
    NotFoundError,
    NotRunningError,
    PermissionDeniedError,
    ProviderError,
    ProviderNotSetUpError,
    ProviderUnavailableError,
    RateLimitedError,
    ReusedKeyError,
    StorageError,
)
from toolhone.keyed_requests import KEPT, KeyedRequests
from toolhone.records.requests import FirstAnswer, KeyedRequest
from toolhone.storage.requests import SqliteKeyedRequestStore


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Work:
    """Something that takes effect each time it is done."""

    def __init__(self, error: Exception | None = None) -> None:
        self.done = 0
        self.error = error

    async def __call__(self) -> FirstAnswer:
        self.done += 1
        if self.error is not None:
            raise self.error
        return FirstAnswer(status=201, body=b"%d" % self.done)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteKeyedRequestStore]:
    opened = SqliteKeyedRequestStore(tmp_path)
    yield opened
    opened.close()


async def test_the_first_answer_is_given_for_a_day(store: SqliteKeyedRequestStore) -> None:
    clock, work = Clock(), Work()
    requests = KeyedRequests(store, now=clock)
    answers = [await requests.answer("me", "key", "same", work)]
    clock.now += KEPT - timedelta(seconds=1)
    answers.append(await requests.answer("me", "key", "same", work))
    clock.now += timedelta(seconds=2)
    answers.append(await requests.answer("me", "key", "same", work))

    assert [(answer.body, replayed) for answer, replayed in answers] == [
        (b"1", False),
        (b"1", True),
        (b"2", False),
    ]


@pytest.mark.parametrize(
    "error",
    [
        StorageError("The disk is full."),
        ProviderError("It broke off."),
        NotRunningError("It was stopped."),
        RuntimeError("a fault of ours"),
    ],
)
async def test_what_may_have_taken_effect_is_not_tried_again(
    store: SqliteKeyedRequestStore, error: Exception
) -> None:
    work = Work(error)
    requests = KeyedRequests(store)
    with pytest.raises(type(error)):
        await requests.answer("me", "key", "same", work)
    with pytest.raises(ConflictError, match="has not been answered"):
        await requests.answer("me", "key", "same", work)

    assert work.done == 1


@pytest.mark.parametrize(
    "error",
    [
        InsufficientDataError("Too few."),
        NotFoundError("There is none."),
        PermissionDeniedError("Not you."),
        RateLimitedError("Not now."),
        ProviderNotSetUpError("There is no key."),
        ProviderUnavailableError("It is not there."),
    ],
)
async def test_what_was_refused_before_it_took_effect_may_be_sent_again(
    store: SqliteKeyedRequestStore, error: Exception
) -> None:
    work = Work(error)
    requests = KeyedRequests(store)
    with pytest.raises(type(error)):
        await requests.answer("me", "key", "same", work)
    work.error = None
    answer, replayed = await requests.answer("me", "key", "another", work)

    assert (answer.body, replayed) == (b"2", False)


async def test_what_a_process_died_in_is_not_tried_again_by_the_next(
    store: SqliteKeyedRequestStore, tmp_path: Path
) -> None:
    request = KeyedRequest(principal="me", key="key", fingerprint="same", at=datetime.now(UTC).isoformat())
    assert store.begin(request, forget_before="") is None
    work = Work()
    with pytest.raises(ConflictError):
        await KeyedRequests(SqliteKeyedRequestStore(tmp_path)).answer("me", "key", "same", work)

    assert work.done == 0


async def test_whoever_gives_up_leaves_no_one_waiting(store: SqliteKeyedRequestStore) -> None:
    requests = KeyedRequests(store)
    begun = anyio.Event()

    async def endless() -> FirstAnswer:
        begun.set()
        await anyio.sleep_forever()
        raise AssertionError

    refused: list[str] = []

    async def second() -> None:
        with pytest.raises(ConflictError):
            await requests.answer("me", "key", "same", Work())
        refused.append("refused")

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks, anyio.create_task_group() as first:
            first.start_soon(requests.answer, "me", "key", "same", endless)
            await begun.wait()
            tasks.start_soon(second)
            await anyio.lowlevel.checkpoint()
            first.cancel_scope.cancel()

    assert refused == ["refused"]


async def test_an_answer_that_cannot_be_kept_is_given_all_the_same(
    store: SqliteKeyedRequestStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(request: KeyedRequest, answer: FirstAnswer) -> None:
        raise StorageError("The disk is full.")

    monkeypatch.setattr(store, "answered", full)
    requests, work = KeyedRequests(store), Work()
    answer, replayed = await requests.answer("me", "key", "same", work)

    assert (answer.body, replayed) == (b"1", False)
    with pytest.raises(ConflictError):
        await requests.answer("me", "key", "same", work)


def test_the_oldest_go_when_there_are_too_many(tmp_path: Path) -> None:
    store = SqliteKeyedRequestStore(tmp_path, most=3)
    asked = [
        KeyedRequest(principal="me", key=f"key-{number}", fingerprint="f", at=f"2026-11-23T00:00:0{number}")
        for number in range(5)
    ]
    for one in asked:
        store.begin(one, forget_before="")
    known = [one.key for one in reversed(asked) if store.begin(one, forget_before="") is not None]
    store.close()

    assert known == ["key-4", "key-3", "key-2"]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.sampled_from("12"), st.booleans()),
        max_size=12,
    )
)
def test_a_request_takes_effect_once_whatever_else_is_sent(
    sent: list[tuple[str, str, str, bool]],
) -> None:
    """Callers a and b send the bodies 1 and 2 with the keys x and y, some of them refused, in any order."""

    async def run() -> None:
        with TemporaryDirectory() as folder:
            requests = KeyedRequests(SqliteKeyedRequestStore(Path(folder)))
            effects: dict[tuple[str, str], list[str]] = {}
            for principal, key, body, refused in sent:
                mine = effects.setdefault((principal, key), [])

                async def work(
                    mine: list[str] = mine, body: str = body, refused: bool = refused
                ) -> FirstAnswer:
                    if refused:
                        raise InvalidRequestError("no")
                    mine.append(body)
                    return FirstAnswer(status=201, body=body.encode())

                try:
                    answer, replayed = await requests.answer(principal, key, body, work)
                except ReusedKeyError:
                    assert mine and mine != [body]
                except InvalidRequestError:
                    assert refused and not mine
                else:
                    assert answer.body.decode() == body
                    assert mine == [body]
                    assert replayed or not refused
            await requests.aclose()

    anyio.run(run)


def is_in(folder: Path, words: bytes) -> bool:
    return any(words in path.read_bytes() for path in folder.iterdir())


async def test_erased_answers_are_gone_from_the_disk_and_the_requests_still_take_effect_once(
    store: SqliteKeyedRequestStore, tmp_path: Path
) -> None:
    async def quote() -> FirstAnswer:
        return FirstAnswer(status=200, body=b"what anna wrote")

    work, requests = Work(), KeyedRequests(store)
    await requests.answer("me", "key", "same", quote)

    assert store.erase_answers() == 1

    with pytest.raises(ConflictError, match="no longer kept"):
        await requests.answer("me", "key", "same", work)
    assert work.done == 0
    assert not is_in(tmp_path, b"what anna wrote")


async def test_an_answer_that_was_under_way_during_an_erasure_is_not_kept(
    store: SqliteKeyedRequestStore,
) -> None:
    requests = KeyedRequests(store)

    async def quote() -> FirstAnswer:
        store.erase_answers()
        return FirstAnswer(status=200, body=b"what anna wrote")

    given, _ = await requests.answer("me", "key", "same", quote)

    assert given.body == b"what anna wrote"
    with pytest.raises(ConflictError, match="no longer kept"):
        await requests.answer("me", "key", "same", Work())


async def test_old_requests_go_also_when_no_new_one_comes(store: SqliteKeyedRequestStore) -> None:
    clock, work = Clock(), Work()
    requests = KeyedRequests(store, now=clock)
    await requests.answer("me", "key", "same", work)
    clock.now += KEPT + timedelta(seconds=1)

    await requests.prune()

    assert store.drop("9999") == 0
