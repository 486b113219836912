"""What waits for an admin is told at a price that does not grow with the square of it."""

from pathlib import Path
from unittest.mock import Mock

import pytest

from toolhone.approvals.service import Approvals
from toolhone.exceptions import PermissionDeniedError
from toolhone.models import LOCAL_CALLER, AuditEvent, Caller, content_hash
from toolhone.records.approvals import ApprovalStatus, Offered
from toolhone.roles import Role
from toolhone.storage.approvals import SqliteApprovalStore


def offered(number: int, description: str) -> Offered:
    definition = {"name": f"tool_{number}", "description": description}
    return Offered(
        tool=f"tool_{number}",
        name=f"host__tool_{number}",
        hash=content_hash(definition),
        definition=definition,
    )


async def nowhere(event: AuditEvent) -> None:
    raise AssertionError(f"{event.kind} was not to be recorded")


async def test_listing_and_counting_read_once_however_many_wait(tmp_path: Path) -> None:
    store = SqliteApprovalStore(tmp_path)
    for description in ("Before.", "After."):
        store.note(
            "host",
            [offered(number, description) for number in range(50)],
            first_use=True,
            at=f"2026-01-0{len(description) - 5}",
            most_tools=100,
        )
    watched = Mock(wraps=store)
    approvals = Approvals(lambda: watched, policy="first_use", record=nowhere)

    waiting = await approvals.pending(caller=LOCAL_CALLER)
    count = await approvals.count(caller=LOCAL_CALLER)

    assert [name for name, *_ in watched.method_calls] == ["held_back", "count"]
    assert len(waiting) == count == 50
    assert {one["why"] for one in waiting} == {"changed"}
    assert {one["approved"]["hash"] for one in waiting} == {
        offered(number, "Before.").hash for number in range(50)
    }
    await approvals.aclose()


async def test_how_many_wait_and_how_a_tool_stands_is_for_who_may_operate(tmp_path: Path) -> None:
    approvals = Approvals(lambda: SqliteApprovalStore(tmp_path), policy="first_use", record=nowhere)
    agent = Caller(principal="token:a", role=Role.AGENT)

    with pytest.raises(PermissionDeniedError):
        await approvals.count(caller=agent)
    with pytest.raises(PermissionDeniedError):
        await approvals.stands("host__tool_1", ApprovalStatus.APPROVED, caller=agent)
    await approvals.aclose()
