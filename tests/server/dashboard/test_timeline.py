"""A request's rows as a drawing."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from toolhone.models import Json, JsonObject
from toolhone.server.dashboard.timeline import ASIDE, LABELS, LEAST, WIDTH, timeline

BEGIN = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def row(seq: int, *, ended_ms: float, took_ms: float | None = 10.0, **more: Json) -> JsonObject:
    return {
        "seq": seq,
        "timestamp": (BEGIN + timedelta(milliseconds=ended_ms)).isoformat(timespec="microseconds"),
        "kind": "call",
        "call_id": f"call {seq}",
        "slot": str(seq),
        "tool_name": "add",
        "success": True,
        "error": None,
        "error_code": None,
        "execution_time_ms": took_ms,
        "parameters": {},
        "details": {},
        **more,
    }


def test_a_bar_ends_when_its_row_was_written_and_is_as_long_as_the_call_took() -> None:
    drawing = timeline([row(1, ended_ms=100, took_ms=100), row(2, ended_ms=200, took_ms=50)])
    first, second = drawing.lines
    assert drawing.total_ms == 200
    assert (first.started_ms, second.started_ms) == (0, 150)
    room = WIDTH - LABELS - ASIDE
    assert first.x == LABELS
    assert abs(first.width - room / 2) < 0.2
    assert abs(second.x + second.width - (WIDTH - ASIDE)) < 0.2


def test_an_arrow_leads_from_the_call_that_a_reference_names() -> None:
    arguments = {"a": [{"$from": "1", "path": "/x"}, {"$from": "1"}, {"$from": "elsewhere"}]}
    drawing = timeline([row(1, ended_ms=10), row(2, ended_ms=30, parameters=arguments)])
    assert [arrow.told for arrow in drawing.arrows] == ["2 needs 1"]
    assert drawing.lines[1].needs == ("1", "elsewhere")


def test_arguments_that_cannot_be_read_as_references_need_nothing() -> None:
    strange_ones: tuple[Json, ...] = (
        {"x": {"$from": {}}},
        {"x": {"$from": "1", "unknown": 1}},
        None,
        "text",
        {"omitted": True},
    )
    for strange in strange_ones:
        assert timeline([row(1, ended_ms=10, parameters=strange)]).lines[0].needs == ()


def test_a_repair_and_a_retry_are_marks_on_the_line_of_their_call() -> None:
    repair = row(1, ended_ms=1, took_ms=None, kind="repair", call_id="c", details={"repair": "a number"})
    retry = row(2, ended_ms=20, took_ms=None, kind="retry", call_id="c", error="lost")
    (line,) = timeline([repair, retry, row(3, ended_ms=30, took_ms=29, call_id="c")]).lines
    assert [mark.what for mark in line.marks] == ["repaired: a number", "tried again: lost"]


def test_a_retry_whose_call_was_never_recorded_stands_alone() -> None:
    (line,) = timeline([row(1, ended_ms=5, took_ms=None, kind="retry", call_id="lost")]).lines
    assert line.label == "retry"


def test_no_rows_are_no_lines() -> None:
    assert timeline([]).lines == ()


ROWS = st.lists(
    st.tuples(st.floats(0, 1e7), st.none() | st.floats(0, 1e7), st.booleans()), min_size=1, max_size=40
)


@settings(deadline=None, max_examples=150)
@given(ROWS, st.randoms())
def test_everything_is_inside_of_the_drawing_in_whatever_order_rows_come(
    given_rows: list[tuple[float, float | None, bool]], random: Json
) -> None:
    rows = [
        row(seq, ended_ms=ended, took_ms=took, success=success)
        for seq, (ended, took, success) in enumerate(given_rows, 1)
    ]
    drawing = timeline(rows)
    for line in drawing.lines:
        assert LABELS - 0.1 <= line.x <= line.x + line.width <= WIDTH - ASIDE + LEAST + 0.2
        assert 0 < line.y < drawing.height
    assert 1 <= len(drawing.ticks) <= 12
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert timeline(shuffled) == drawing
