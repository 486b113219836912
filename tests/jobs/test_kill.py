"""The process that runs a job is killed at every point: the next one ends it, and nothing is paid twice."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias

import pytest

from toolhone.jobs.steps import STEPS
from toolhone.models import Category, JsonObject
from toolhone.records.jobs import Job, JobStatus

if TYPE_CHECKING:
    from jobs.scripts.paper import Shop

Open: TypeAlias = "Callable[..., Shop]"

HOST = Path(__file__).parent / "scripts" / "paper.py"

POINTS = [
    "before check",
    # What the step did is done, and that it did it is not remembered.
    "after check",
    "after reserve",
    "submitted, not recorded",
    "after submit",
    # All before it is remembered.
    "before follow",
    "poll 1",
    "after follow",
    "after collect",
    "after evaluate",
    "after finish",
]
"""In the order in which a job comes to them."""

KILLED = signal.SIGKILL


class Host:
    """Starts processes that run the jobs of folders; see `scripts/paper.py`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HOST)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, folder: Path, kill: str | None = None) -> int:
        """The id of a process that runs the folder's jobs until it gets to the point `kill`."""
        return self._ask({"folder": str(folder), "kill": kill})["pid"]

    def wait(self) -> dict[str, list[int]]:
        """The exit statuses of all that were started, by their folders; negative is the signal."""
        statuses: dict[str, list[int]] = {}
        answer = self._ask({})
        while answer:
            code = os.waitstatus_to_exitcode(answer["status"])
            statuses.setdefault(answer["folder"], []).append(code)
            answer = self._read()
        return statuses

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()

    def _ask(self, order: JsonObject) -> JsonObject:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> JsonObject:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    host = Host()
    yield host
    host.close()


@dataclass(frozen=True, slots=True)
class Found:
    """What there is of a job."""

    job: Job
    submits: int
    budget: tuple[float | None, float, float]
    metrics: list[int]


def find(shop: "Shop", job_id: str) -> Found:
    return Found(
        job=shop.store.job(job_id),
        submits=shop.provider.submits,
        budget=shop.store.budget(Category.CORE_SECURITY),
        metrics=[event.data["step"] for event in shop.store.events(job_id) if event.kind == "metrics"],
    )


async def test_killed_at_every_point_a_job_succeeds_later_and_is_paid_once(
    host: Host, open_shop: Open, tmp_path: Path
) -> None:
    """Three jobs side by side, since most of it is waiting, each killed again and again."""
    assert {f"after {step}" for step in STEPS} < set(POINTS)
    deaths = [POINTS[first::3] for first in range(3)]
    shops = [open_shop(folder=tmp_path / str(number)) for number in range(3)]
    ids = [await shop.approved() for shop in shops]

    for points in zip_longest(*deaths):
        for shop, point in zip(shops, points, strict=True):
            if point is not None:
                host.start(shop.folder, kill=point)
        statuses = host.wait()
        for shop, job_id, point in zip(shops, ids, points, strict=True):
            if point is not None:
                # It came to that point: it was left where it goes on.
                assert statuses[str(shop.folder)] == [-KILLED], point
                found = find(shop, job_id)
                assert found.submits == (point not in POINTS[:3]), point
                # The last step has ended the job when it returns.
                assert found.job.status.final is (point == "after finish"), point
    for shop in shops:
        host.start(shop.folder)

    assert host.wait() == {str(shop.folder): [0] for shop in shops}
    for shop, job_id in zip(shops, ids, strict=True):
        found = find(shop, job_id)
        assert (found.job.status, found.job.error) == (JobStatus.SUCCEEDED, None)
        assert found.submits == 1
        assert found.budget == (None, 0.0, pytest.approx(2.02))
        assert found.metrics == [1, 2]


async def test_killed_while_it_cancels_a_job_is_cancelled_by_the_next(
    host: Host, open_shop: Open, paper: ModuleType
) -> None:
    shop = open_shop()
    job_id = await shop.approved()
    host.start(shop.folder, kill="poll 0")
    host.wait()
    await shop.board.cancel(job_id, caller=paper.CALLER)

    host.start(shop.folder, kill="cancelled, not recorded")
    assert list(host.wait().values()) == [[-KILLED]]
    assert not shop.board.job_now(job_id).status.final
    host.start(shop.folder)
    host.wait()

    assert shop.board.job_now(job_id).status is JobStatus.CANCELLED
    assert shop.store.budget(Category.CORE_SECURITY) == (None, 0.0, 1.5)


async def test_of_two_processes_one_runs_the_job_and_the_other_takes_over(
    host: Host, open_shop: Open
) -> None:
    shop = open_shop()
    job_id = await shop.approved()
    # Both would die there, so who did not die never polled.
    host.start(shop.folder, kill="submitted, not recorded")
    host.start(shop.folder)
    host.start(shop.folder)

    statuses = host.wait()[str(shop.folder)]

    assert shop.board.job_now(job_id).status is JobStatus.SUCCEEDED
    assert shop.provider.submits == 1
    assert sorted(statuses) in ([-KILLED, 0, 0], [0, 0, 0])
