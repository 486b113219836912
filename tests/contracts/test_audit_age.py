"""What every AuditStore says of rows that are old."""

from dataclasses import replace

from toolhone.events import new_event
from toolhone.models import LOCAL_CALLER, AuditEvent, EventKind
from toolhone.stores import AuditStore


def at(day: int, kind: EventKind = EventKind.CALL) -> AuditEvent:
    return replace(new_event(kind, LOCAL_CALLER), timestamp=f"2026-01-{day:02}T00:00:00.000000+00:00")


def test_old_rows_with_a_payload_are_found_a_part_at_a_time(audit_store: AuditStore) -> None:
    events = [at(1), at(2, EventKind.ERASURE), at(3), at(9), at(4)]
    audit_store.append(events)
    before = "2026-01-09T00:00:00.000000+00:00"

    first, place = audit_store.aged(before, after=0, limit=2)
    assert place is not None
    second, end = audit_store.aged(before, after=place, limit=2)

    # The erasure keeps what it says, and what was erased is not found again.
    assert first == [events[0].event_id, events[2].event_id]
    assert (second, end) == ([events[4].event_id], 5)
    audit_store.erase(first, record=at(9, EventKind.ERASURE))
    assert audit_store.aged(before, after=0, limit=9) == ([events[4].event_id], 5)
    assert audit_store.aged("2026-01-01T00:00:00.000000+00:00", after=0, limit=9) == ([], None)
