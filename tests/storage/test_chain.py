"""The seal of a row covers every column that never changes."""

from collections.abc import Iterator

import pytest

from toolhone.models import AuditEvent, Caller, EventKind, Json
from toolhone.storage.chain import GENESIS, HASHED_COLUMNS, AuditRow, ChainCheck, seal, unsealed

EVENT = AuditEvent(
    event_id="e",
    timestamp="2026-01-31T12:00:00.000000+00:00",
    kind=EventKind.CALL,
    caller=Caller(principal="anna"),
    execution_time_ms=3,
)


def chain(length: int) -> Iterator[AuditRow]:
    previous = GENESIS
    for seq in range(1, length + 1):
        row = seal(unsealed(EVENT), seq=seq, previous_hash=previous)
        previous = row["row_hash"]
        yield row


def problems(rows: list[AuditRow]) -> tuple[str, ...]:
    check = ChainCheck()
    for row in rows:
        check.add(row)
    return check.finish((rows[-1]["seq"], rows[-1]["row_hash"])).problems


@pytest.mark.parametrize("column", HASHED_COLUMNS)
@pytest.mark.parametrize("value", ["x", 0, None])
def test_no_column_can_be_changed_unseen(column: str, value: Json) -> None:
    rows = list(chain(3))
    assert problems(rows) == ()
    if value == rows[1][column] or (column == "seq" and not isinstance(value, int)):
        value = 7

    rows[1][column] = value

    assert "was changed" in " ".join(problems(rows))


def test_a_changed_row_with_its_hash_made_anew_breaks_the_link_to_the_next() -> None:
    rows = list(chain(3))
    rows[1] = seal({**rows[1], "tool": "other"}, seq=2, previous_hash=rows[1]["previous_hash"])

    assert problems(rows) == ("Row 3 does not continue row 2: one of them was replaced.",)


def test_very_many_problems_are_counted_and_not_all_listed() -> None:
    rows = list(chain(150))
    for row in rows:
        row["tool"] = "other"

    found = problems(rows)
    assert len(found) == 101
    assert found[-1] == "And 50 more problems."
