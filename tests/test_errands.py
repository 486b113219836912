"""Work that nobody waits for: it goes on, tells how it goes, ends on its own, and is stopped."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest

from toolhone.errands import MOST_AT_ONCE, REMEMBERED, ErrandKind, Errands, ErrandState, Report
from toolhone.exceptions import (
    ConflictError,
    InsufficientDataError,
    NotFoundError,
    NotRunningError,
    PermissionDeniedError,
)
from toolhone.models import Caller
from toolhone.roles import Permission, Role

ADMIN = Caller(principal="token:1")
OTHER = Caller(principal="token:2")
OPERATOR = Caller(principal="token:3", role=Role.OPERATOR)
TRAINER = Caller(principal="token:4", scopes=frozenset({Permission.TRAIN}))

PATIENCE = 30.0


@asynccontextmanager
async def running() -> AsyncGenerator[Errands]:
    errands = Errands()
    async with anyio.create_task_group() as tasks:
        await tasks.start(errands.run)
        yield errands
        tasks.cancel_scope.cancel()


class Held:
    """Work that goes on until it is let go."""

    def __init__(self) -> None:
        self.begun = anyio.Event()
        self.free = anyio.Event()
        self.times = 0

    async def __call__(self, report: Report) -> str:
        self.times += 1
        report("reading", 3, 10)
        self.begun.set()
        await self.free.wait()
        return "dataset-1"


async def test_an_errand_tells_how_it_goes_and_what_it_made() -> None:
    async with running() as errands:
        held = Held()
        begun = errands.begin(ErrandKind.DATASET, "A dataset", held, asked={"category": "x"}, caller=ADMIN)
        assert begun.state is ErrandState.GOING_ON
        await held.begun.wait()
        now = errands.find(begun.errand_id, caller=OTHER)
        assert (now.step, now.done, now.total, now.ended_at) == ("reading", 3, 10, None)
        assert errands.going(ErrandKind.DATASET, caller=OTHER) == [now]

        held.free.set()
        over = await errands.wait(begun.errand_id, seconds=PATIENCE)
        assert (over.state, over.made) == (ErrandState.DONE, "dataset-1")
        assert over.ended_at is not None
        assert errands.going(ErrandKind.DATASET, caller=ADMIN) == []


async def test_who_waits_is_answered_though_it_goes_on() -> None:
    async with running() as errands:
        begun = errands.begin(ErrandKind.DATASET, "A dataset", Held(), asked={}, caller=ADMIN)
        assert (await errands.wait(begun.errand_id, seconds=0)).state is ErrandState.GOING_ON


async def test_one_that_fails_says_why_and_leaves_the_others_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def refused(report: Report) -> str:
        raise InsufficientDataError("There are 3 rows.")

    async def broken(report: Report) -> str:
        raise RuntimeError("secret of the inside")

    async with running() as errands:
        held = Held()
        other = errands.begin(ErrandKind.DATASET, "Another", held, asked={"n": "0"}, caller=ADMIN)
        first = errands.begin(ErrandKind.DATASET, "Too little", refused, asked={"n": "1"}, caller=ADMIN)
        second = errands.begin(ErrandKind.ESTIMATE, "Broken", broken, asked={"n": "2"}, caller=ADMIN)
        failed = await errands.wait(first.errand_id, seconds=PATIENCE)
        assert (failed.state, failed.error_code) == (ErrandState.FAILED, "insufficient_data")
        assert failed.error == "There are 3 rows."
        bug = await errands.wait(second.errand_id, seconds=PATIENCE)
        assert (bug.state, bug.error_code) == (ErrandState.FAILED, "internal_error")
        assert "secret" not in (bug.error or "")
        assert "secret of the inside" in caplog.text
        held.free.set()
        assert (await errands.wait(other.errand_id, seconds=PATIENCE)).state is ErrandState.DONE


async def test_one_that_is_stopped_ends_and_cannot_be_stopped_again() -> None:
    async with running() as errands:
        held = Held()
        begun = errands.begin(ErrandKind.COMPARISON, "Long", held, asked={}, caller=ADMIN)
        await held.begun.wait()
        errands.stop(begun.errand_id, caller=OTHER)
        over = await errands.wait(begun.errand_id, seconds=PATIENCE)
        assert (over.state, over.made) == (ErrandState.STOPPED, None)
        with pytest.raises(ConflictError, match="stopped"):
            errands.stop(begun.errand_id, caller=ADMIN)


async def test_the_same_is_not_done_twice_at_once() -> None:
    async with running() as errands:
        held = Held()
        first = errands.begin(ErrandKind.COMPARISON, "Same", held, asked={"a": "1"}, caller=ADMIN)
        again = errands.begin(ErrandKind.COMPARISON, "Same", held, asked={"a": "1"}, caller=ADMIN)
        other = errands.begin(ErrandKind.COMPARISON, "Same", held, asked={"a": "2"}, caller=ADMIN)
        foreign = errands.begin(ErrandKind.COMPARISON, "Same", held, asked={"a": "1"}, caller=OTHER)
        assert first.errand_id == again.errand_id
        held.free.set()
        for errand in (first, other, foreign):
            await errands.wait(errand.errand_id, seconds=PATIENCE)
        assert held.times == 3


async def test_more_than_there_is_room_for_is_refused_until_one_is_over() -> None:
    async with running() as errands:
        held = Held()
        for number in range(MOST_AT_ONCE):
            errands.begin(ErrandKind.DATASET, "One", held, asked={"n": str(number)}, caller=ADMIN)
        with pytest.raises(ConflictError, match="4 preparations"):
            errands.begin(ErrandKind.DATASET, "More", held, asked={}, caller=ADMIN)
        going = errands.going(ErrandKind.DATASET, caller=ADMIN)
        errands.stop(going[0].errand_id, caller=ADMIN)
        await errands.wait(going[0].errand_id, seconds=PATIENCE)
        errands.begin(ErrandKind.DATASET, "More", held, asked={}, caller=ADMIN)


async def test_only_who_may_do_such_work_begins_it_sees_it_and_stops_it() -> None:
    async with running() as errands:
        held = Held()
        for caller in (OPERATOR, TRAINER):
            with pytest.raises(PermissionDeniedError):
                errands.begin(ErrandKind.DATASET, "No", held, asked={}, caller=caller)
        begun = errands.begin(ErrandKind.DATASET, "Yes", held, asked={}, caller=ADMIN)
        estimate = errands.begin(ErrandKind.ESTIMATE, "Yes", held, asked={}, caller=TRAINER)
        for caller in (OPERATOR, TRAINER):
            with pytest.raises(PermissionDeniedError):
                errands.find(begun.errand_id, caller=caller)
            with pytest.raises(PermissionDeniedError):
                errands.stop(begun.errand_id, caller=caller)
            assert errands.going(ErrandKind.DATASET, caller=caller) == []
        assert errands.find(estimate.errand_id, caller=TRAINER).title == "Yes"


async def test_old_ones_are_forgotten_and_unknown_ones_are_said_to_be() -> None:
    async def quick(report: Report) -> str:
        return "made"

    async with running() as errands:
        first = errands.begin(ErrandKind.DATASET, "First", quick, asked={}, caller=ADMIN)
        await errands.wait(first.errand_id, seconds=PATIENCE)
        for number in range(REMEMBERED):
            assert errands.find(first.errand_id, caller=ADMIN).made == "made"
            one = errands.begin(ErrandKind.DATASET, "Next", quick, asked={"n": str(number)}, caller=ADMIN)
            await errands.wait(one.errand_id, seconds=PATIENCE)
        with pytest.raises(NotFoundError, match="forgotten"):
            errands.find(first.errand_id, caller=ADMIN)


async def test_the_end_of_the_process_stops_them_and_lets_none_begin() -> None:
    held = Held()
    async with running() as errands:
        begun = errands.begin(ErrandKind.DATASET, "Long", held, asked={}, caller=ADMIN)
        await held.begun.wait()
    assert errands.find(begun.errand_id, caller=ADMIN).state is ErrandState.STOPPED
    with pytest.raises(NotRunningError):
        errands.begin(ErrandKind.DATASET, "Late", held, asked={}, caller=ADMIN)
