"""What is older than the days of its category goes, and the audit says so."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from toolhone.exceptions import InvalidRequestError
from toolhone.models import LOCAL_CALLER, AuditEvent, Category, EventKind
from toolhone.records.snapshots import Snapshot, SnapshotQuery
from toolhone.records.stores import SnapshotStore
from toolhone.snapshots.retention import Retention

if TYPE_CHECKING:
    from snapshots.conftest import Told

RetentionOf = Callable[..., Retention]


def snapshot(day: str, category: Category) -> Snapshot:
    return Snapshot(
        snapshot_id=f"{category.value} {day}",
        recorded_at=f"{day}T12:00:00.000000+00:00",
        agent_id="a",
        agent_name="A",
        category=category,
        task_type="t",
        input_data={},
        output_data={},
        success=True,
        performance_score=1,
        execution_time_ms=1,
    )


@pytest.fixture
def retention_of(
    store: SnapshotStore, told: "Told", event_of: Callable[..., AuditEvent], now: Callable[[], str]
) -> RetentionOf:
    def make(**days: int) -> Retention:
        return Retention(
            lambda: store,
            days={"*" if name == "others" else name: number for name, number in days.items()},
            record=told.record,
            new_event=event_of,
            now=now,
        )

    return make


async def test_each_category_has_its_days(
    store: SnapshotStore, retention_of: RetentionOf, told: "Told"
) -> None:
    # It is 1 March 2026, 12:00.
    for day in ("2026-01-29", "2026-02-27", "2026-02-28"):
        store.add([snapshot(day, Category.GENERAL), snapshot(day, Category.ECOMMERCE)])

    deleted = await retention_of(general=1, others=30).prune(caller=LOCAL_CALLER)

    assert deleted == {Category.ECOMMERCE: 1, Category.GENERAL: 2}
    assert [one.snapshot_id for one in store.select(SnapshotQuery(category=Category.GENERAL))] == [
        "general 2026-02-28"
    ]
    assert [(event.kind, event.payload) for event in told.events] == [
        (
            EventKind.ERASURE,
            {
                "what": "snapshots too old",
                "category": category,
                "days": days,
                "before": before,
                "snapshots": number,
            },
        )
        for category, days, before, number in [
            ("ecommerce", 30, "2026-01-30T12:00:00.000000+00:00", 1),
            ("general", 1, "2026-02-28T12:00:00.000000+00:00", 2),
        ]
    ]


async def test_what_is_in_no_rule_is_kept_and_nothing_is_recorded(
    store: SnapshotStore, retention_of: RetentionOf, told: "Told"
) -> None:
    store.add([snapshot("2001-01-01", Category.GENERAL)])

    assert await retention_of(ecommerce=1).prune(caller=LOCAL_CALLER) == {}
    assert store.count(SnapshotQuery()) == 1
    assert told.events == []


async def test_what_went_by_age_is_still_found_by_an_erasure(
    store: SnapshotStore, retention_of: RetentionOf
) -> None:
    store.add([snapshot("2001-01-01", Category.GENERAL)])
    await retention_of(others=1).prune(caller=LOCAL_CALLER)

    assert store.erase(agent_id="a", at="now") == ["general 2001-01-01"]


@pytest.mark.parametrize("days", [{"general": 0}, {"others": -3}, {"nonsense": 3}])
def test_days_that_are_none_are_refused_at_once(retention_of: RetentionOf, days: dict[str, int]) -> None:
    with pytest.raises(InvalidRequestError):
        retention_of(**days)
