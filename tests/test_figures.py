"""Figures over time: the same as counting the rows, however and by whomever they were rolled up."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from toolhone.events import new_event
from toolhone.exceptions import InvalidRequestError
from toolhone.figures import WIDTHS, Figures
from toolhone.models import AuditEvent, Caller, EventKind
from toolhone.storage.audit import SqliteAuditStore
from toolhone.storage.figures import AT_ONCE, FIGURES, SqliteFigureStore
from toolhone.storage.sqlite import SqliteFile

NOW = datetime(2026, 3, 18, 12, 34, 56, tzinfo=UTC)
ANNA = Caller(principal="anna", session="one")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def event(kind: EventKind = EventKind.CALL, *, ago: timedelta = HOUR / 2, **fields: Any) -> AuditEvent:
    fields = (
        {"tool": "git__log", "server": "git", "success": True} | fields if kind == EventKind.CALL else fields
    )
    stamp = (NOW - ago).isoformat(timespec="microseconds")
    return replace(new_event(kind, fields.pop("caller", ANNA), **fields), timestamp=stamp)


@pytest.fixture
def audit(tmp_path: Path) -> SqliteAuditStore:
    return SqliteAuditStore(tmp_path)


@pytest.fixture
async def open_figures(tmp_path: Path) -> AsyncGenerator[Callable[[], Figures]]:
    opened: list[Figures] = []

    def open_one() -> Figures:
        opened.append(
            Figures(
                lambda: SqliteFigureStore(tmp_path),
                lambda: SqliteAuditStore(tmp_path),
                clock=NOW.timestamp,
            )
        )
        return opened[-1]

    yield open_one
    for figures in opened:
        await figures.aclose()


@pytest.fixture
def figures(open_figures: Callable[[], Figures]) -> Figures:
    return open_figures()


async def test_an_overview_counts_what_happened(audit: SqliteAuditStore, figures: Figures) -> None:
    audit.append(
        [
            event(execution_time_ms=100, tokens_used=10),
            event(execution_time_ms=200, tokens_used=20, success=False, error_code="timeout"),
            event(tool="add", server=None, execution_time_ms=5, tokens_used=5),
            event(EventKind.REFUSAL, tool="add", success=False, error_code="invalid_arguments"),
            event(EventKind.SELECTION, success=True, execution_time_ms=4, tokens_used=300),
            event(EventKind.SNAPSHOT),
        ]
    )

    found = await figures.overview(HOUR)

    total = found.total
    assert (total.calls, total.errors, total.refusals, total.selections) == (3, 1, 1, 1)
    assert (total.tokens_of_calls, total.tokens_sent) == (35, 300)
    assert total.latency.p50 == pytest.approx(100, rel=0.025)
    assert total.latency.p99 == pytest.approx(200, rel=0.025)
    assert total.selection_latency.p50 == pytest.approx(4, rel=0.025)
    assert (found.errors, found.refusals) == ({"timeout": 1}, {"invalid_arguments": 1})
    assert [(share.name, share.server, share.calls, share.errors) for share in found.tools] == [
        ("git__log", "git", 2, 1),
        ("add", None, 1, 0),
    ]
    assert [(share.name, share.calls, share.refusals) for share in found.servers] == [
        ("git", 2, 0),
        ("", 1, 1),
    ]
    assert (found.complete, found.width_seconds) == (True, 60)


async def test_a_series_has_a_point_for_every_span(audit: SqliteAuditStore, figures: Figures) -> None:
    audit.append(
        [event(ago=timedelta(minutes=2)), event(ago=timedelta(minutes=2)), event(ago=timedelta(minutes=9))]
    )

    found = await figures.overview(timedelta(minutes=10))

    assert [point.calls for point in found.points] == [0, 1, 0, 0, 0, 0, 0, 0, 2, 0, 0]
    assert found.points[0].start == "2026-03-18T12:24:00+00:00"
    assert found.points[0].latency.p50 is None


@pytest.mark.parametrize("window", [window for window, *_ in WIDTHS[:4]] + [timedelta(days=400)])
async def test_tools_add_up_to_the_total_in_every_window(
    audit: SqliteAuditStore, figures: Figures, window: timedelta
) -> None:
    step = window / 97
    audit.append([event(ago=step * number, execution_time_ms=number + 1) for number in range(97)])
    audit.append([event(ago=window + 8 * DAY)])

    found = await figures.overview(window)
    (tool,), (server,) = found.tools, found.servers

    assert sum(point.calls for point in found.points) == found.total.calls == tool.calls == server.calls == 97
    assert tool.latency == found.total.latency == server.latency


async def test_one_tool_and_one_server_can_be_looked_at(audit: SqliteAuditStore, figures: Figures) -> None:
    audit.append(
        [event(), event(tool="git__diff"), event(tool="add", server=None), event(tool="other__x", server="o")]
    )

    assert (await figures.tool("git__log")).total.calls == 1
    assert (await figures.tool("never")).total.calls == 0
    git, local = await figures.server("git"), await figures.server("")
    assert (git.total.calls, [share.name for share in git.tools]) == (2, ["git__diff", "git__log"])
    assert (local.total.calls, [share.name for share in local.tools]) == (1, ["add"])
    assert (await figures.overview(HOUR)).total.calls == 4


async def test_all_schemas_count_once_a_session_and_day(audit: SqliteAuditStore, figures: Figures) -> None:
    def selected(caller: Caller, **fields: Any) -> AuditEvent:
        return event(
            EventKind.SELECTION, caller=caller, tokens_used=100, payload={"tokens_of_all": 5_000}, **fields
        )

    other, nobody = Caller(principal="anna", session="two"), Caller(principal="ben")
    audit.append([selected(ANNA), selected(ANNA), selected(other), selected(nobody), selected(nobody)])
    audit.append([selected(ANNA, ago=DAY)])

    total = (await figures.overview(2 * DAY)).total

    assert (total.selections, total.tokens_sent, total.tokens_of_all) == (6, 600, 4 * 5_000)
    assert total.tokens_saved == 20_000 - 600


async def test_a_selection_that_cost_more_than_it_saved_says_so(
    audit: SqliteAuditStore, figures: Figures
) -> None:
    audit.append([event(EventKind.SELECTION, tokens_used=100, payload={"tokens_of_all": 60})])

    assert (await figures.overview(HOUR)).total.tokens_saved == -40


async def test_names_that_are_no_tools_are_one(audit: SqliteAuditStore, figures: Figures) -> None:
    audit.append(
        [
            event(EventKind.REFUSAL, tool=f"made_up_{number}", success=False, error_code="unknown_tool")
            for number in range(20)
        ]
    )

    (share,) = (await figures.overview(HOUR)).tools

    assert (share.name, share.calls, share.refusals) == ("(unknown)", 0, 20)


async def test_what_is_counted_is_not_counted_again(
    audit: SqliteAuditStore, open_figures: Callable[[], Figures]
) -> None:
    audit.append([event()])
    assert (await open_figures().overview(HOUR)).total.calls == 1
    audit.append([event()])

    assert (await open_figures().overview(HOUR)).total.calls == 2
    assert (await open_figures().overview(HOUR)).total.calls == 2


async def test_many_who_count_at_once_count_every_row_once(
    audit: SqliteAuditStore, open_figures: Callable[[], Figures]
) -> None:
    """As several processes do that share a data folder: each has its own connections."""
    audit.append([event() for _ in range(3_000)])
    audit.append([selection(sent=1, of_all=2) for _ in range(1_000)])
    everyone = [open_figures() for _ in range(4)]

    async with anyio.create_task_group() as tasks:
        for one in everyone:
            tasks.start_soon(one.catch_up)

    assert [(await one.overview(HOUR)).total.calls for one in everyone] == [3_000] * 4
    assert [(await one.savings()).selections for one in everyone] == [1_000] * 4


def test_a_row_that_came_meanwhile_is_counted_once(tmp_path: Path, audit: SqliteAuditStore) -> None:
    """Another process counts the same rows between our look at them and our writing."""
    audit.append([event()])
    ours, theirs = SqliteFigureStore(tmp_path), SqliteFigureStore(tmp_path)

    def facts(after: int, limit: int) -> Any:
        found = audit.facts(after, limit)
        theirs.catch_up(audit.facts, now=NOW.timestamp())
        return found

    assert ours.catch_up(facts, now=NOW.timestamp()).complete is False
    assert ours.catch_up(audit.facts, now=NOW.timestamp()).complete is True
    assert sum(row.events for row in ours.counts(60, "*", since=0)) == 1
    ours.close()
    theirs.close()


async def test_a_large_audit_is_counted_bit_by_bit(audit: SqliteAuditStore, figures: Figures) -> None:
    rows = [event() for _ in range(AT_ONCE + 5)]
    audit.append(rows)

    first = await figures.overview(HOUR)
    second = await figures.overview(HOUR)

    assert (first.complete, first.total.calls) == (False, AT_ONCE)
    assert (second.complete, second.total.calls) == (True, len(rows))


async def test_another_audit_in_its_place_is_counted_from_its_beginning(
    tmp_path: Path, audit: SqliteAuditStore, open_figures: Callable[[], Figures]
) -> None:
    audit.append([event() for _ in range(3)])
    audit.append([selection(sent=1, of_all=2)])
    assert (await open_figures().overview(HOUR)).total.calls == 3
    audit.close()
    async for file in anyio.Path(tmp_path).glob("audit.db*"):
        await file.unlink()
    fresh = SqliteAuditStore(tmp_path)
    fresh.append([event() for _ in range(5)])

    figures = open_figures()
    assert (await figures.overview(HOUR)).complete is False
    assert (await figures.overview(HOUR)).total.calls == 5
    assert (await figures.savings()).selections == 0


async def test_erasing_payloads_changes_no_figure(
    audit: SqliteAuditStore, open_figures: Callable[[], Figures]
) -> None:
    selection = event(EventKind.SELECTION, tokens_used=10, payload={"task": "x", "tokens_of_all": 500})
    audit.append([selection])
    before = (await open_figures().overview(HOUR)).total
    record = new_event(EventKind.ERASURE, ANNA, payload={"event_ids": [selection.event_id]})
    audit.erase([selection.event_id], record=record)

    assert (await open_figures().overview(HOUR)).total == before
    assert before.tokens_saved == 490


def selection(*, sent: int, of_all: int, found: bool = True, **payload: int) -> AuditEvent:
    payload = {"tokens_of_all": of_all, **payload}
    return event(EventKind.SELECTION, success=found, tokens_used=sent, payload=payload)


async def test_savings_are_of_every_selection_whenever_it_was(
    audit: SqliteAuditStore, open_figures: Callable[[], Figures]
) -> None:
    audit.append([selection(sent=100, of_all=1_000), event(), selection(sent=100, of_all=1_000)])
    audit.append([event(EventKind.SELECTION, ago=400 * DAY, success=True, payload={"tokens_of_all": 7})])

    for figures in (open_figures(), open_figures()):  # the second one as after a restart
        savings = await figures.savings()
        assert (savings.selections, savings.tokens_saved, savings.complete) == (3, 900 + 900 + 7, True)
        assert savings.tokens_saved_each == pytest.approx(1_807 / 3)


async def test_a_limited_choice_saves_against_what_it_was_limited_to(
    audit: SqliteAuditStore, figures: Figures
) -> None:
    audit.append([selection(sent=100, of_all=5_000, tokens_of_available=60)])

    assert (await figures.savings()).tokens_saved == -40


async def test_a_selection_that_found_nothing_saved_nothing(
    audit: SqliteAuditStore, figures: Figures
) -> None:
    audit.append([selection(sent=12, of_all=5_000, found=False)])

    savings = await figures.savings()
    assert (savings.selections, savings.tokens_saved) == (1, 0)


async def test_savings_outlive_the_payloads_they_were_counted_from(
    audit: SqliteAuditStore, open_figures: Callable[[], Figures]
) -> None:
    counted, uncounted = selection(sent=10, of_all=500), selection(sent=10, of_all=500)
    audit.append([counted])
    await open_figures().catch_up()
    audit.append([uncounted])
    ids = [counted.event_id, uncounted.event_id]
    audit.erase(ids, record=new_event(EventKind.ERASURE, ANNA, payload={"event_ids": ids}))

    savings = await open_figures().savings()
    assert (savings.selections, savings.tokens_saved) == (2, 490)


async def test_figures_of_an_earlier_layout_keep_their_counts_and_get_their_savings(
    tmp_path: Path,
    audit: SqliteAuditStore,
    open_figures: Callable[[], Figures],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    erased = selection(sent=10, of_all=500)
    audit.append([erased, *(selection(sent=100, of_all=1_000) for _ in range(6))])
    before = (await open_figures().overview(HOUR)).total
    record = new_event(EventKind.ERASURE, ANNA, payload={"event_ids": [erased.event_id]})
    audit.erase([erased.event_id], record=record)
    as_it_was(tmp_path / "figures.db")
    audit.append([selection(sent=100, of_all=1_000)])
    monkeypatch.setattr("toolhone.storage.figures.AT_ONCE", 4)

    figures = open_figures()
    assert (await figures.savings()).complete is False
    while not (await figures.catch_up()).complete:
        pass

    after, savings = (await figures.overview(HOUR)).total, await figures.savings()
    assert (before.selections, after.selections) == (7, 8)
    assert (before.tokens_of_all, after.tokens_of_all) == (500, 500)
    assert (savings.selections, savings.tokens_saved) == (8, 7 * 900)


def as_it_was(path: Path) -> None:
    """Take a file back to the layout that had no savings."""
    file = SqliteFile(path, FIGURES)
    file.write(lambda connection: connection.execute("DROP TABLE savings"))
    file.write(
        lambda connection: connection.execute("DELETE FROM _sqlite_migrations WHERE name = 'count_savings'")
    )
    file.close()


@pytest.mark.parametrize("window", [timedelta(0), -HOUR, timedelta(days=5_000)])
async def test_a_window_that_makes_no_sense_is_refused(figures: Figures, window: timedelta) -> None:
    with pytest.raises(InvalidRequestError, match="window"):
        await figures.overview(window)
