"""What audit rows teach: which call belongs to which request, and what it says about which tool."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.models import EventKind, Json, JsonObject
from toolhone.selection.evidence import (
    CALLED,
    FAILED,
    FOUND_OTHERWISE,
    IGNORED,
    MOST_BY_PLACE,
    MOST_OF_A_CALLER,
    MOST_OPEN,
    SUCCEEDED,
    Gathering,
    Lesson,
    bounded,
    gather,
    weight_of_place,
)

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Log:
    """Audit rows in their export form, one a minute unless said otherwise."""

    def __init__(self) -> None:
        self.rows: list[JsonObject] = []
        self.now = START

    def _row(self, kind: EventKind, minutes: float, **columns: Json) -> str:
        self.now += timedelta(minutes=minutes)
        row: JsonObject = {
            "audit_id": f"row-{len(self.rows)}",
            "kind": kind.value,
            "timestamp": self.now.isoformat(timespec="microseconds"),
            "user_id": "local",
            "session": None,
            "tool_name": None,
            "success": True,
            "error_code": None,
            "details": {},
            "result": "long",
        }
        self.rows.append({**row, **columns})
        return row["audit_id"]

    def find(
        self,
        task: Json,
        *shown: str,
        more: Sequence[str] = (),
        minutes: float = 1,
        who: str = "local",
        **details: Json,
    ) -> str:
        selected = [[name, 0.5] for name in (*shown, *more)]
        payload = {"task": task, "selected": selected, "shown": len(shown), **details}
        return self._row(EventKind.SELECTION, minutes, user_id=who, details=payload)

    def call(self, tool: str, error: str | None = None, *, minutes: float = 1, who: str = "local") -> None:
        self._row(
            EventKind.CALL, minutes, user_id=who, tool_name=tool, success=error is None, error_code=error
        )


@pytest.fixture
def log() -> Log:
    return Log()


def credits_of(lesson: Lesson) -> dict[str, float]:
    return {outcome.tool: outcome.credit for outcome in lesson.outcomes}


def test_a_call_belongs_to_the_latest_request_that_showed_its_tool(log: Log) -> None:
    first = log.find("paint a wall", "brush", "roller")
    second = log.find("saw a board", "saw", "brush")
    log.call("roller")
    log.call("brush")

    lessons = {lesson.id: lesson for lesson in gather(log.rows)}

    assert lessons[first].called == ("roller",)
    assert lessons[second].called == ("brush",)
    assert (lessons[first].task.text, lessons[first].shown) == ("paint a wall", ("brush", "roller"))


def test_callers_are_kept_apart(log: Log) -> None:
    log.find("saw a board", "saw", who="ann")
    log.find("cut a board", "saw", who="bob")
    log.call("saw", who="ann")

    (lesson,) = gather(log.rows)

    assert (lesson.principal, lesson.task.text) == ("ann", "saw a board")


def test_a_call_much_later_was_not_made_for_the_task(log: Log) -> None:
    log.find("saw a board", "saw")
    log.call("saw", minutes=31)

    assert gather(log.rows) == []


def test_requests_without_a_call_say_nothing(log: Log) -> None:
    log.find("saw a board", "saw", "hammer")

    assert gather(log.rows) == []


def test_what_was_passed_over_above_a_called_tool_was_ignored_and_what_stood_below_was_not(log: Log) -> None:
    log.find("saw a board", "hammer", "saw", "drill")
    log.call("saw")

    (lesson,) = gather(log.rows)

    assert credits_of(lesson) == {"saw": SUCCEEDED * weight_of_place(2), "hammer": IGNORED}


def test_a_pinned_tool_is_not_blamed_for_being_there(log: Log) -> None:
    log.find("saw a board", "hammer", "saw", pinned=["hammer"])
    log.call("saw")

    assert credits_of(gather(log.rows)[0]).keys() == {"saw"}


def test_a_success_counts_more_than_a_call_and_an_error_of_the_tool_counts_against_it(log: Log) -> None:
    outcomes = {None: SUCCEEDED, "cancelled": CALLED, "server_unavailable": CALLED, "tool_failed": FAILED}
    for error in outcomes:
        log.find("saw a board", "saw")
        log.call("saw", error)

    assert [lesson.outcomes[0].credit for lesson in gather(log.rows)] == list(outcomes.values())


def test_a_failure_that_was_made_good_is_a_success(log: Log) -> None:
    log.find("saw a board", "saw")
    log.call("saw", "tool_failed")
    log.call("saw")
    log.call("saw", "timeout")

    assert credits_of(gather(log.rows)[0]) == {"saw": SUCCEEDED}


def test_tools_that_a_task_needed_together_share_the_credit(log: Log) -> None:
    log.find("saw and sand a board", "saw", "sander")
    log.call("saw")
    log.call("sander")

    credits = credits_of(gather(log.rows)[0])

    assert credits == {"saw": 0.5, "sander": 0.5 * weight_of_place(2)}


def test_a_tool_that_was_not_shown_counts_half_and_blames_nobody(log: Log) -> None:
    log.find("saw a plank", "hammer", "drill")
    log.call("saw", minutes=2)
    log.find("saw a beam", "hammer", "drill")
    log.call("saw", minutes=6)
    log.find("saw a board", "hammer", "drill", more=["saw"], roster=["saw"])
    log.call("saw", minutes=20)

    first, second = gather(log.rows)

    assert credits_of(first) == credits_of(second) == {"saw": FOUND_OTHERWISE}
    assert first.outcomes[0].place is None


def test_only_what_was_shown_counts_as_shown(log: Log) -> None:
    log.find("saw a board", "hammer", more=["saw", "drill"])
    log.call("saw")

    assert gather(log.rows)[0].shown == ("hammer",)


def test_a_request_whose_payload_was_erased_teaches_nothing(log: Log) -> None:
    log.find("saw a board", "saw")
    log.call("saw")
    log.rows[0]["details"] = {}

    assert gather(log.rows) == []


def test_a_task_remembered_as_a_vector_teaches_without_its_text(log: Log) -> None:
    log.find(
        {"omitted": True, "bytes": 11},
        "saw",
        task_vector=[127, -3],
        encoder="small",
        candidates=[["saw", 0.9, 2.5]],
    )
    log.call("saw")
    log.find({"omitted": True, "bytes": 11}, "saw", task_vector=[500], encoder="small")
    log.call("saw")

    (lesson,) = gather(log.rows)

    assert lesson.task.text is None
    assert (lesson.task.vector, lesson.task.encoder) == ((127, -3), "small")
    assert lesson.task.candidates == {"saw": (0.9, 2.5)}


def test_it_may_be_read_page_by_page(log: Log) -> None:
    for number in range(7):
        log.find(f"task {number}", "hammer", "saw", minutes=11)
        log.call("saw" if number % 2 else "hammer", minutes=8)
    paged = Gathering()
    for place in range(0, len(log.rows), 3):
        paged.take(log.rows[place : place + 3])

    assert paged.lessons() == gather(log.rows)
    assert len(gather(log.rows)) == 7


def test_of_a_caller_who_asks_without_end_the_newest_requests_are_open(log: Log) -> None:
    log.find("old", "saw", minutes=0)
    for number in range(MOST_OPEN - 1):
        log.find(f"task {number}", "hammer", minutes=0)
    log.call("saw")
    assert [lesson.task.text for lesson in gather(log.rows)] == ["old"]

    log.find("one more", "hammer", minutes=0)
    log.call("saw")
    (old, latest) = gather(log.rows)
    assert old.called == ("saw",)
    assert (latest.task.text, latest.called) == ("one more", ("saw",))


def test_a_caller_who_uses_one_tool_for_everything_does_not_outvote_the_others(log: Log) -> None:
    for number in range(3 * MOST_OF_A_CALLER):
        log.find(f"task {number}", "hammer")
        log.call("hammer")
    log.find("saw a board", "saw", who="ann")
    log.call("saw", who="ann")

    lessons = bounded(gather(log.rows))

    assert sum("hammer" in lesson.called for lesson in lessons) == MOST_OF_A_CALLER
    assert lessons[0].task.text == f"task {2 * MOST_OF_A_CALLER}"
    assert lessons[-1].called == ("saw",)


@settings(deadline=None)
@given(st.integers(1, 10_000))
def test_no_place_weighs_more_than_twice_the_first(place: int) -> None:
    assert 1 <= weight_of_place(place) <= weight_of_place(place + 1) <= MOST_BY_PLACE
