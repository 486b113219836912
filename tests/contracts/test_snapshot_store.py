"""What every SnapshotStore does."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolhone.exceptions import InvalidRequestError
from toolhone.models import Category, Json
from toolhone.records.snapshots import CategoryCount, Snapshot, SnapshotQuery
from toolhone.records.stores import SnapshotStore

START = datetime(2026, 1, 1, tzinfo=UTC)
EVERYTHING = SnapshotQuery()


def moment(minutes: float) -> str:
    return (START + timedelta(minutes=minutes)).isoformat(timespec="microseconds")


def snapshot(number: int, minutes: float | None = None, **changes: Json) -> Snapshot:
    values: dict[str, Json] = {
        "snapshot_id": f"s{number:05}",
        "recorded_at": moment(number if minutes is None else minutes),
        "agent_id": "agent-1",
        "agent_name": "Scanner",
        "category": Category.CORE_SECURITY,
        "task_type": "scan",
        "input_data": {"n": number},
        "output_data": "done",
        "success": True,
        "performance_score": 0.5,
        "execution_time_ms": 12.5,
        **changes,
    }
    return Snapshot(**values)


def ids(snapshots: Iterable[Snapshot]) -> list[str]:
    return [one.snapshot_id for one in snapshots]


def test_a_snapshot_comes_back_as_it_was(snapshot_store: SnapshotStore) -> None:
    whole = snapshot(
        1,
        input_data={"messages": [{"role": "user", "content": "Grüße 😀 \x00"}], "big": 2**70},
        output_data=[None, True, 1.5, ""],
        success=False,
        tokens_used=7,
        user_feedback=0.25,
        session="s",
        subject="f00",
        tools_offered=("a", "b"),
        tools_used=("b",),
        metadata={"model": "m"},
    )
    bare = snapshot(2, output_data=None, input_data="")
    snapshot_store.add([whole, bare])

    assert list(snapshot_store.select(EVERYTHING)) == [whole, bare]


def test_half_a_surrogate_pair_survives(snapshot_store: SnapshotStore) -> None:
    odd = snapshot(1, input_data={"half \ud83d": "\udc00"})
    snapshot_store.add([odd])

    assert list(snapshot_store.select(EVERYTHING)) == [odd]


def test_all_or_none_of_a_batch_is_kept(snapshot_store: SnapshotStore) -> None:
    snapshot_store.add([snapshot(1)])

    with pytest.raises(InvalidRequestError):
        snapshot_store.add([snapshot(2), snapshot(1)])
    with pytest.raises(InvalidRequestError):
        snapshot_store.add([snapshot(3), snapshot(3)])

    assert ids(snapshot_store.select(EVERYTHING)) == ["s00001"]


def test_they_come_by_time_and_then_as_they_were_added(snapshot_store: SnapshotStore) -> None:
    snapshot_store.add([snapshot(1, 5), snapshot(2, 1), snapshot(3, 5)])
    snapshot_store.add([snapshot(4, 0)])

    assert ids(snapshot_store.select(EVERYTHING)) == ["s00004", "s00002", "s00001", "s00003"]
    newest = SnapshotQuery(newest_first=True)
    assert ids(snapshot_store.select(newest)) == ["s00003", "s00001", "s00002", "s00004"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (SnapshotQuery(category=Category.ECOMMERCE), [2]),
        (SnapshotQuery(agent_id="agent-2"), [3]),
        (SnapshotQuery(subject="anna"), [4]),
        (SnapshotQuery(task_type="sell"), [2]),
        (SnapshotQuery(success=False), [3, 4]),
        (SnapshotQuery(success=True), [1, 2]),
        (SnapshotQuery(since=moment(2)), [2, 3, 4]),
        (SnapshotQuery(until=moment(2)), [1]),
        (SnapshotQuery(success=False, subject="anna"), [4]),
        (SnapshotQuery(agent_id="nobody"), []),
        (SnapshotQuery(limit=2), [1, 2]),
        (SnapshotQuery(limit=2, newest_first=True), [4, 3]),
        (SnapshotQuery(limit=0), []),
    ],
)
def test_every_condition_holds(snapshot_store: SnapshotStore, query: SnapshotQuery, found: list[int]) -> None:
    snapshot_store.add(
        [
            snapshot(1),
            snapshot(2, category=Category.ECOMMERCE, task_type="sell"),
            snapshot(3, agent_id="agent-2", success=False),
            snapshot(4, subject="anna", success=False),
        ]
    )

    assert ids(snapshot_store.select(query)) == [f"s{number:05}" for number in found]
    assert snapshot_store.count(query) == len(found)
    assert sorted(snapshot_store.delete(query)) == [f"s{number:05}" for number in sorted(found)]
    assert snapshot_store.count(EVERYTHING) == 4 - len(found)


def test_times_may_be_written_as_people_do(snapshot_store: SnapshotStore) -> None:
    snapshot_store.add([snapshot(1), snapshot(60 * 24 * 3)])

    for query in (SnapshotQuery(until="2026-01-02"), SnapshotQuery(until="2026-01-02T01:00:00+01:00")):
        assert ids(snapshot_store.select(query)) == ["s00001"]
        assert snapshot_store.count(query) == 1


@pytest.mark.parametrize("query", [SnapshotQuery(since="yesterday"), SnapshotQuery(limit=-1)])
def test_what_is_no_query_is_refused(snapshot_store: SnapshotStore, query: SnapshotQuery) -> None:
    snapshot_store.add([snapshot(1)])

    with pytest.raises(InvalidRequestError, match=r"yesterday|-1"):
        list(snapshot_store.select(query))
    with pytest.raises(InvalidRequestError):
        snapshot_store.count(query)
    with pytest.raises(InvalidRequestError):
        snapshot_store.delete(query)


def test_what_is_added_or_deleted_meanwhile_disturbs_nobody_who_reads(snapshot_store: SnapshotStore) -> None:
    # More than any store reads at once, all of the same time: only the order of adding tells them apart.
    many = [snapshot(number, 0) for number in range(2_500)]
    snapshot_store.add(many)

    reading = snapshot_store.select(EVERYTHING)
    first = next(reading)
    snapshot_store.add([snapshot(9_000 + number, number) for number in range(-5, 5)])
    rest = list(reading)

    assert [first, *rest] == many


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_reader_that_stops_leaves_the_store_usable(
    snapshot_store: SnapshotStore, newest_first: bool
) -> None:
    snapshot_store.add([snapshot(number) for number in range(2_500)])

    reading = snapshot_store.select(SnapshotQuery(newest_first=newest_first))
    next(reading)
    snapshot_store.delete(EVERYTHING)

    assert snapshot_store.count(EVERYTHING) == 0


def test_the_counts_of_categories(snapshot_store: SnapshotStore) -> None:
    assert snapshot_store.counts() == []
    snapshot_store.add(
        [
            snapshot(1, performance_score=1.0),
            snapshot(2, performance_score=0.0, success=False),
            snapshot(3, category=Category.ECOMMERCE),
        ]
    )

    assert snapshot_store.counts() == [
        CategoryCount(
            category=Category.CORE_SECURITY,
            snapshots=2,
            successes=1,
            oldest=moment(1),
            newest=moment(2),
            mean_score=0.5,
        ),
        CategoryCount(
            category=Category.ECOMMERCE,
            snapshots=1,
            successes=1,
            oldest=moment(3),
            newest=moment(3),
            mean_score=0.5,
        ),
    ]


def test_an_erasure_takes_all_of_an_agent_or_a_subject_and_remembers_which(
    snapshot_store: SnapshotStore,
) -> None:
    snapshot_store.add([snapshot(1), snapshot(2, agent_id="b"), snapshot(3, agent_id="b", subject="anna")])

    assert snapshot_store.erased() == []
    assert snapshot_store.erase(subject="anna", at=moment(10)) == ["s00003"]
    assert snapshot_store.erase(agent_id="b", at=moment(11)) == ["s00002"]
    assert snapshot_store.erase(agent_id="b", at=moment(12)) == []

    assert snapshot_store.erased() == ["s00003", "s00002"]
    assert ids(snapshot_store.select(EVERYTHING)) == ["s00001"]


def test_an_erasure_finds_what_went_by_age(snapshot_store: SnapshotStore) -> None:
    snapshot_store.add([snapshot(1, subject="anna"), snapshot(2, subject="anna"), snapshot(3)])
    snapshot_store.delete(SnapshotQuery(until=moment(2)))

    assert snapshot_store.erased() == []
    assert sorted(snapshot_store.erase(subject="anna", at=moment(10))) == ["s00001", "s00002"]
    assert sorted(snapshot_store.erased()) == ["s00001", "s00002"]


@pytest.mark.parametrize("names", [{}, {"agent_id": "a", "subject": "b"}])
def test_an_erasure_is_of_one_agent_or_one_subject(
    snapshot_store: SnapshotStore, names: dict[str, str]
) -> None:
    snapshot_store.add([snapshot(1)])

    with pytest.raises(InvalidRequestError, match="either an agent or a subject"):
        snapshot_store.erase(**names, at=moment(1))
    assert snapshot_store.count(EVERYTHING) == 1


def test_the_key_of_subjects_stays_the_same(snapshot_store: SnapshotStore) -> None:
    key = snapshot_store.subject_key()

    assert len(key) == 32
    assert snapshot_store.subject_key() == key


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    minutes=st.lists(st.integers(0, 5), max_size=30),
    since=st.none() | st.integers(0, 5),
    limit=st.none() | st.integers(0, 40),
    newest_first=st.booleans(),
)
def test_whatever_is_asked_is_what_sorting_and_cutting_gives(
    snapshot_store: SnapshotStore,
    minutes: list[int],
    since: int | None,
    limit: int | None,
    newest_first: bool,
) -> None:
    snapshot_store.delete(EVERYTHING)
    many = [snapshot(number, at) for number, at in enumerate(minutes)]
    snapshot_store.add(many)
    query = SnapshotQuery(
        since=None if since is None else moment(since), limit=limit, newest_first=newest_first
    )

    expected = sorted(many, key=lambda one: one.recorded_at)
    expected = [one for one in expected if query.since is None or one.recorded_at >= query.since]
    expected = (expected[::-1] if newest_first else expected)[:limit]

    assert list(snapshot_store.select(query)) == expected
    assert snapshot_store.count(query) == len(expected)


@pytest.mark.parametrize("newest_first", [False, True])
def test_pages_that_begin_after_the_last_one_make_up_the_whole(
    snapshot_store: SnapshotStore, newest_first: bool
) -> None:
    # Three of each moment, so that the time alone does not say where a page ended.
    snapshot_store.add([snapshot(number, minutes=number // 3) for number in range(20)])
    everything = list(snapshot_store.select(SnapshotQuery(newest_first=newest_first)))
    seen: list[Snapshot] = []
    after: tuple[str, str] | None = None
    while page := list(snapshot_store.select(SnapshotQuery(after=after, limit=4, newest_first=newest_first))):
        seen += page
        after = (page[-1].recorded_at, page[-1].snapshot_id)
        left = SnapshotQuery(after=after, newest_first=newest_first)
        assert snapshot_store.count(left) == len(everything) - len(seen)
    assert seen == everything


def test_a_page_after_one_that_is_gone_misses_nothing(snapshot_store: SnapshotStore) -> None:
    snapshot_store.add([snapshot(number, minutes=number // 3) for number in range(9)])
    snapshot_store.delete(SnapshotQuery(since=moment(1), limit=1))  # s00003, the first of its moment
    following = snapshot_store.select(SnapshotQuery(after=(moment(1), "s00003")))
    assert ids(following) == ["s00004", "s00005", "s00006", "s00007", "s00008"]
    before = snapshot_store.select(SnapshotQuery(after=(moment(1), "s00003"), newest_first=True))
    assert ids(before) == ["s00005", "s00004", "s00002", "s00001", "s00000"]


def test_what_comes_after_one_is_deleted_and_nothing_before_it(snapshot_store: SnapshotStore) -> None:
    snapshot_store.add([snapshot(number) for number in range(5)])
    assert snapshot_store.delete(SnapshotQuery(after=(moment(2), "s00002"))) == ["s00003", "s00004"]
    assert ids(snapshot_store.select(EVERYTHING)) == ["s00000", "s00001", "s00002"]


def test_numbers_rise_in_the_order_of_keeping_and_are_never_given_twice(
    snapshot_store: SnapshotStore,
) -> None:
    assert snapshot_store.added(0, 10) == ([], 0)
    # Kept later, though it is older.
    snapshot_store.add([snapshot(5), snapshot(6)])
    snapshot_store.add([snapshot(1)])
    assert [(number, one.snapshot_id) for number, one in snapshot_store.added(0, 10)[0]] == [
        (1, "s00005"),
        (2, "s00006"),
        (3, "s00001"),
    ]

    snapshot_store.delete(EVERYTHING)
    snapshot_store.add([snapshot(7), snapshot(8)])

    found, last = snapshot_store.added(3, 1)
    assert ([(number, one.snapshot_id) for number, one in found], last) == ([(4, "s00007")], 5)
