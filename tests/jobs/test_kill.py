"""The process that runs a job is killed at every point: the next one ends it, and nothing is paid twice."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias

import anyio
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
    # What it did is done, and that it did it is not remembered.
    *(f"after {step}" for step in STEPS),
    # All before it is remembered.
    "before follow",
    "submitted, not recorded",
    "poll 1",
]

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
class Aftermath:
    """What was left of a job that was killed once, after the next process."""

    first: int
    second: int
    between: Job
    job: Job
    submits: int
    budget: tuple[float | None, float, float]
    metrics: list[int]


@pytest.fixture(scope="module")
def aftermaths(
    host: Host, paper: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Aftermath]:
    """For each point: killed there, then run to the end. All at once, since most of it is waiting."""
    folders = {point: tmp_path_factory.mktemp("killed") for point in POINTS}
    ids: dict[str, str] = {}

    async def create() -> None:
        for point, folder in folders.items():
            shop = paper.Shop(folder)
            ids[point] = await shop.approved()
            shop.close()

    anyio.run(create)
    for point, folder in folders.items():
        host.start(folder, kill=point)
    first = host.wait()
    between = {point: read(paper, folder, ids[point]).job for point, folder in folders.items()}
    for folder in folders.values():
        host.start(folder)
    second = host.wait()
    return {
        point: read(paper, folder, ids[point], between[point], first, second)
        for point, folder in folders.items()
    }


def read(
    paper: ModuleType,
    folder: Path,
    job_id: str,
    between: Job | None = None,
    first: dict[str, list[int]] | None = None,
    second: dict[str, list[int]] | None = None,
) -> Aftermath:
    shop = paper.Shop(folder)
    job = shop.store.job(job_id)
    found = Aftermath(
        first=first[str(folder)][0] if first else 0,
        second=second[str(folder)][0] if second else 0,
        between=between or job,
        job=job,
        submits=shop.provider.submits,
        budget=shop.store.budget(Category.CORE_SECURITY),
        metrics=[event.data["step"] for event in shop.store.events(job_id) if event.kind == "metrics"],
    )
    shop.close()
    return found


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_a_job_succeeds_later_and_is_paid_once(
    aftermaths: dict[str, Aftermath], point: str
) -> None:
    aftermath = aftermaths[point]

    # The last step has ended the job when it returns.
    assert aftermath.between.status.final is (point == "after finish")
    assert (aftermath.first, aftermath.second) == (-KILLED, 0)
    assert (aftermath.job.status, aftermath.job.error) == (JobStatus.SUCCEEDED, None)
    assert aftermath.submits == 1
    assert aftermath.budget == (None, 0.0, pytest.approx(2.02))
    assert aftermath.metrics == [1, 2]


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
